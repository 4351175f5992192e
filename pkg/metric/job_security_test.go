package metric

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// TestJobsAreRestricted has Jobs that say more or less of what they may: the security context that is made of it, and whether
// it passes where that is called for.
func TestJobsAreRestricted(t *testing.T) {
	const pod, container = `{"runAsNonRoot":true,"runAsUser":65532,"seccompProfile":{"type":"RuntimeDefault"}}`,
		`{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]}}`
	for name, tc := range map[string]struct {
		reason         string
		spec           string // of the pod, without containers
		context        string // of the container; empty: none
		pod, container string
		token          string // whether it is mounted; empty: as the cluster has it
		refused        string
	}{
		"Nothing":        {reason: "all of it is filled in", pod: pod, container: container, token: "false"},
		"TokenAskedFor":  {reason: "who asks the API server says so", spec: `"automountServiceAccountToken":true,`, pod: pod, container: container, token: "true"},
		"Account":        {reason: "whose token else?", spec: `"serviceAccountName":"smoke",`, pod: pod, container: container},
		"User":           {reason: "images that need another say so", spec: `"securityContext":{"runAsUser":1000},`, pod: `{"runAsNonRoot":true,"runAsUser":1000,"seccompProfile":{"type":"RuntimeDefault"}}`, container: container, token: "false"},
		"Root":           {reason: "what is asked for is done, unless it is refused", spec: `"securityContext":{"runAsUser":0},`, pod: `{"runAsUser":0,"seccompProfile":{"type":"RuntimeDefault"}}`, container: container, token: "false", refused: "runAsUser=0"},
		"ContainerRoot":  {reason: "the same of a container", context: `{"runAsUser":0}`, pod: `{"runAsUser":65532,"seccompProfile":{"type":"RuntimeDefault"}}`, container: `{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]},"runAsUser":0}`, token: "false", refused: "runAsUser=0"},
		"Privileged":     {reason: "with the node's rights the rest would contradict it", context: `{"privileged":true}`, pod: pod, container: `{"privileged":true}`, token: "false", refused: "privileged"},
		"Capability":     {reason: "one more than the standard has", context: `{"capabilities":{"add":["NET_RAW"]}}`, pod: pod, container: `{"allowPrivilegeEscalation":false,"capabilities":{"add":["NET_RAW"],"drop":["ALL"]}}`, token: "false", refused: "unrestricted capabilities"},
		"Administrator":  {reason: "Kubernetes takes it for an escalation", context: `{"capabilities":{"add":["SYS_ADMIN"]}}`, pod: pod, container: `{"capabilities":{"add":["SYS_ADMIN"],"drop":["ALL"]}}`, token: "false", refused: "unrestricted capabilities"},
		"HostNetwork":    {reason: "it reaches what the node reaches", spec: `"hostNetwork":true,`, pod: pod, container: container, token: "false", refused: "host namespaces"},
		"HostPath":       {reason: "it reads the node", spec: `"volumes":[{"name":"root","hostPath":{"path":"/"}}],`, pod: pod, container: container, token: "false", refused: "hostPath"},
		"Unconfined":     {reason: "said is said", spec: `"securityContext":{"seccompProfile":{"type":"Unconfined"}},`, pod: `{"runAsNonRoot":true,"runAsUser":65532,"seccompProfile":{"type":"Unconfined"}}`, container: container, token: "false", refused: "seccompProfile"},
		"OfAnotherWorld": {reason: "Windows has no such fields", spec: `"os":{"name":"windows"},`, pod: `null`, container: `null`, token: "false", refused: "runAsNonRoot"},
	} {
		t.Run(name, func(t *testing.T) {
			c := `"name":"smoke"`
			if tc.context != "" {
				c += `,"securityContext":` + tc.context
			}
			job := Job{Template: []byte(`{"spec":{"template":{"spec":{` + tc.spec + `"containers":[{` + c + `}],"initContainers":[{` + c + `}]}}}}`), Round: "1"}
			s := Settings{Cluster: deaf{t}, Namespace: "shop", Job: job}
			made, err := config{Settings: s}.render()
			require.NoError(t, err)
			spec := made.Spec.Template.Spec
			same := func(want string, got any) {
				text, err := json.Marshal(got)
				require.NoError(t, err)
				require.JSONEq(t, want, string(text), tc.reason)
			}
			same(tc.pod, spec.SecurityContext)
			same(tc.container, spec.Containers[0].SecurityContext)
			same(tc.container, spec.InitContainers[0].SecurityContext)
			if tc.token == "" {
				require.Nil(t, spec.AutomountServiceAccountToken, tc.reason)
			} else {
				same(tc.token, spec.AutomountServiceAccountToken)
			}
			s.Restricted = true
			_, err = New(v1beta1.MetricProvider{Type: "job"}, s)
			if tc.refused == "" {
				require.NoError(t, err, tc.reason)
				return
			}
			require.ErrorContains(t, err, tc.refused, tc.reason)
			require.ErrorContains(t, err, "-restrict-jobs")
		})
	}
}
