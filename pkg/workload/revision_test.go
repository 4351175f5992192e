package workload_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/sluice-cd/sluice/pkg/workload"
)

func template(t *testing.T, text string) corev1.PodTemplateSpec {
	t.Helper()
	var spec corev1.PodTemplateSpec
	require.NoError(t, yaml.UnmarshalStrict([]byte(text), &spec))
	return spec
}

// These revisions are in the status of Canaries out there. If one of them changes, an upgrade starts a
// rollout of every Canary.
func TestRevisionNeverChanges(t *testing.T) {
	cases := map[string]struct {
		reason   string
		template string
		configs  map[string]string
		want     string
	}{
		"Empty": {reason: "there is always a revision", want: "r1-9e458ff901933284"},
		"Podinfo": {
			reason:   "a usual template",
			template: `{metadata: {labels: {app: podinfo}}, spec: {containers: [{name: podinfod, image: "podinfo:3.1.0"}]}}`,
			want:     "r1-b6e91d24104f6483",
		},
		"Configs": {
			reason:   "the configs that a template refers to are part of the revision",
			template: `{metadata: {labels: {app: podinfo}}, spec: {containers: [{name: podinfod, image: "podinfo:3.1.0"}]}}`,
			configs:  map[string]string{"secret/token": "9f86d081", "configmap/settings": "60303ae2"},
			want:     "r1-f90b0c5792ce81ee",
		},
		"Defaulted": {
			reason: "a template with what an API server fills in, and zeros that were chosen",
			template: `
metadata: {labels: {app: podinfo, flag: ""}, annotations: {kubectl.kubernetes.io/restartedAt: "2021-07-21T10:00:00Z"}}
spec:
  automountServiceAccountToken: false
  dnsPolicy: ClusterFirst
  restartPolicy: Always
  securityContext: {}
  terminationGracePeriodSeconds: 0
  volumes:
  - {name: scratch, emptyDir: {}}
  - {name: about, downwardAPI: {items: [{path: limit, resourceFieldRef: {resource: limits.cpu}}]}}
  containers:
  - name: podinfod
    image: podinfo:3.1.0
    ports: [{containerPort: 9898, protocol: TCP}]
    resources: {limits: {cpu: 2000m, memory: 512Mi}}
    readinessProbe: {httpGet: {path: /readyz, port: http, scheme: HTTP}, periodSeconds: 10}`,
			want: "r1-63c143bbe86789a5",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, workload.Revision(template(t, tc.template), tc.configs), tc.reason)
		})
	}
}

func TestRevisionTellsTemplatesApart(t *testing.T) {
	cases := map[string]struct {
		reason string
		one    string
		other  string
		same   bool
	}{
		"CreationTimestamp": {
			reason: "some versions of the client write a null here that nobody set",
			one:    `{metadata: {creationTimestamp: null, labels: {a: b}}}`,
			other:  `{metadata: {labels: {a: b}}}`,
			same:   true,
		},
		"NoResources": {
			reason: "the Go type writes {} for resources that were not set",
			one:    `{spec: {containers: [{name: a, resources: {}}]}}`,
			other:  `{spec: {containers: [{name: a}]}}`,
			same:   true,
		},
		"EmptyList": {
			reason: "an empty list is none",
			one:    `{spec: {containers: [{name: a, env: []}]}}`,
			other:  `{spec: {containers: [{name: a}]}}`,
			same:   true,
		},
		"Quantity": {
			reason: "one amount in two spellings is one amount",
			one:    `{spec: {containers: [{name: a, resources: {limits: {cpu: 1000m}}}]}}`,
			other:  `{spec: {containers: [{name: a, resources: {limits: {cpu: "1"}}}]}}`,
			same:   true,
		},
		"Image": {
			reason: "what rollouts are mostly about",
			one:    `{spec: {containers: [{name: a, image: "podinfo:3.1.0"}]}}`,
			other:  `{spec: {containers: [{name: a, image: "podinfo:3.1.1"}]}}`,
		},
		"Annotation": {
			reason: "kubectl rollout restart changes nothing else",
			one:    `{metadata: {annotations: {kubectl.kubernetes.io/restartedAt: "2021-07-21T10:00:00Z"}}}`,
			other:  `{metadata: {annotations: {kubectl.kubernetes.io/restartedAt: "2021-07-21T10:00:01Z"}}}`,
		},
		"FalseIsNotMissing": {
			reason: "the token is mounted unless this is false",
			one:    `{spec: {automountServiceAccountToken: false, containers: [{name: a}]}}`,
			other:  `{spec: {containers: [{name: a}]}}`,
		},
		"ZeroIsNotMissing": {
			reason: "root is a user, and not the image's own",
			one:    `{spec: {securityContext: {runAsUser: 0}, containers: [{name: a}]}}`,
			other:  `{spec: {securityContext: {}, containers: [{name: a}]}}`,
		},
		"EmptySelectorIsNotMissing": {
			reason: "an empty selector is every namespace, a missing one the pod's own",
			one:    `{spec: {affinity: {podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: a, namespaceSelector: {}}]}}, containers: [{name: a}]}}`,
			other:  `{spec: {affinity: {podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: a}]}}, containers: [{name: a}]}}`,
		},
		"EmptyLabelIsNotMissing": {
			reason: "a label without a value is a label",
			one:    `{metadata: {labels: {flag: ""}}}`,
			other:  `{metadata: {labels: {}}}`,
		},
		"OrderOfContainers": {
			reason: "the order of containers is the order in which they start",
			one:    `{spec: {containers: [{name: a}, {name: b}]}}`,
			other:  `{spec: {containers: [{name: b}, {name: a}]}}`,
		},
		"LargeNumber": {
			reason: "digits are not lost to a floating point",
			one:    `{spec: {containers: [{name: a}], activeDeadlineSeconds: 9007199254740993}}`,
			other:  `{spec: {containers: [{name: a}], activeDeadlineSeconds: 9007199254740992}}`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			one, other := workload.Revision(template(t, tc.one), nil), workload.Revision(template(t, tc.other), nil)
			require.Regexp(t, `^r1-[0-9a-f]{16}$`, one)
			require.Equal(t, tc.same, one == other, tc.reason)
		})
	}
}

func TestRevisionOfConfigs(t *testing.T) {
	spec := template(t, `{spec: {containers: [{name: a}]}}`)
	plain := workload.Revision(spec, nil)
	require.Equal(t, plain, workload.Revision(spec, map[string]string{}), "no configs are no configs")
	one := workload.Revision(spec, map[string]string{"configmap/a": "01"})
	require.NotEqual(t, plain, one, "a template that refers to a config is another one")
	require.NotEqual(t, one, workload.Revision(spec, map[string]string{"configmap/a": "02"}), "its content counts")
	require.NotEqual(t, one, workload.Revision(spec, map[string]string{"secret/a": "01"}), "a Secret is no ConfigMap")
}

// What is read from the API server went through JSON; an object that never did must have the same name.
func TestRevisionSurvivesJSON(t *testing.T) {
	spec := template(t, `{metadata: {labels: {app: a}}, spec: {containers: [{name: a, resources: {limits: {cpu: 1500m}}}]}}`)
	raw, err := json.Marshal(spec)
	require.NoError(t, err)
	require.Equal(t, workload.Revision(spec, nil), workload.Revision(template(t, string(raw)), nil))
}
