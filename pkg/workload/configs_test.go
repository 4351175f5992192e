package workload_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sluice-cd/sluice/pkg/workload"
)

func TestConfigsOf(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		spec   string
		want   []workload.Config
	}{
		"None": {reason: "most templates name none", spec: `containers: [{name: a, env: [{name: A, value: b}]}]`},
		"Everywhere": {
			reason: "volumes, projections, variables and what prepares the pod",
			spec: `
volumes:
- {name: a, configMap: {name: in-volume}}
- {name: b, secret: {secretName: in-volume}}
- {name: c, projected: {sources: [{configMap: {name: projected}}, {secret: {name: projected}}, {downwardAPI: {}}]}}
initContainers:
- {name: i, envFrom: [{secretRef: {name: from}}]}
containers:
- name: a
  envFrom: [{configMapRef: {name: from}}]
  env:
  - {name: A, valueFrom: {configMapKeyRef: {name: key, key: a}}}
  - {name: B, valueFrom: {secretKeyRef: {name: key, key: a}}}
  - {name: C, valueFrom: {fieldRef: {fieldPath: metadata.name}}}`,
			want: []workload.Config{
				{Kind: "ConfigMap", Name: "from"}, {Kind: "ConfigMap", Name: "in-volume"}, {Kind: "ConfigMap", Name: "key"},
				{Kind: "ConfigMap", Name: "projected"}, {Kind: "Secret", Name: "from"}, {Kind: "Secret", Name: "in-volume"},
				{Kind: "Secret", Name: "key"}, {Kind: "Secret", Name: "projected"},
			},
		},
		"NotOurs": {
			reason: "what the cluster reads for itself is the same for both sides",
			spec: `
imagePullSecrets: [{name: registry}]
volumes:
- {name: a, csi: {driver: d, nodePublishSecretRef: {name: plugin}}}
containers: [{name: a}]
ephemeralContainers: [{name: debug, envFrom: [{configMapRef: {name: debug}}]}]`,
		},
		"Twice": {
			reason: "one that is needed anywhere is needed",
			spec: `
containers:
- {name: a, envFrom: [{configMapRef: {name: a, optional: true}}, {configMapRef: {name: b, optional: true}}]}
- {name: b, envFrom: [{configMapRef: {name: a}}, {configMapRef: {name: b, optional: true}}]}`,
			want: []workload.Config{{Kind: "ConfigMap", Name: "a"}, {Kind: "ConfigMap", Name: "b", Optional: true}},
		},
		"Nameless": {
			reason: "an empty name, which the API server still takes, names nothing",
			spec:   `containers: [{name: a, envFrom: [{configMapRef: {optional: true}}]}]`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			spec := template(t, "spec:\n  "+strings.ReplaceAll(tc.spec, "\n", "\n  "))
			require.Equal(t, tc.want, workload.ConfigsOf(&spec), tc.reason)
		})
	}
}

// The checksums are what other controllers of this API have written into statuses.
func TestChecksum(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		o      workload.Object
		want   string
	}{
		"Text": {
			reason: "that of the JSON of its data, cut off",
			o:      &corev1.ConfigMap{Data: map[string]string{"color": "blue", "a": "<b>"}}, want: "57483fd998e35eb4",
		},
		"Empty": {reason: "nothing has one, too", o: &corev1.ConfigMap{}, want: "74234e98afe7498f"},
		"Secret": {
			reason: "its data is bytes",
			o:      &corev1.Secret{Data: map[string][]byte{"token": []byte("t")}}, want: "a234d709698afa72",
		},
	} {
		t.Run(name, func(t *testing.T) {
			sum, err := workload.Checksum(tc.o)
			require.NoError(t, err)
			require.Equal(t, tc.want, sum, tc.reason)
		})
	}
}

func TestChecksumSeesEverything(t *testing.T) {
	base := func() *corev1.ConfigMap { return &corev1.ConfigMap{Data: map[string]string{"a": "b"}} }
	secret := func() *corev1.Secret { return &corev1.Secret{Data: map[string][]byte{"a": []byte("b")}} }
	with := func(o *corev1.ConfigMap, change func(*corev1.ConfigMap)) *corev1.ConfigMap { change(o); return o }
	seen := map[string]workload.Object{}
	for _, o := range []workload.Object{
		base(),
		with(base(), func(o *corev1.ConfigMap) { o.Data["a"] = "c" }),
		with(base(), func(o *corev1.ConfigMap) { o.BinaryData = map[string][]byte{"b": {1}} }),
		with(base(), func(o *corev1.ConfigMap) { o.BinaryData = map[string][]byte{"b": {2}} }),
		with(base(), func(o *corev1.ConfigMap) { o.Immutable = new(true) }),
		secret(),
		func() workload.Object { s := secret(); s.Immutable = new(true); return s }(),
	} {
		sum, err := workload.Checksum(o)
		require.NoError(t, err)
		require.NotContains(t, seen, sum, "%+v", o)
		seen[sum] = o
	}
	same, err := workload.Checksum(with(base(), func(o *corev1.ConfigMap) { o.Labels = map[string]string{"a": "b"} }))
	require.NoError(t, err)
	require.Contains(t, seen, same, "labels are not content")
	_, err = workload.Checksum(&corev1.Pod{})
	require.Error(t, err)
}

func TestTracked(t *testing.T) {
	marked := func(value string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Annotations: map[string]string{workload.TrackingAnnotation: value}}
	}
	for name, tc := range map[string]struct {
		reason string
		o      workload.Object
		want   bool
	}{
		"ConfigMap": {reason: "tracked unless somebody says otherwise", o: &corev1.ConfigMap{}, want: true},
		"Disabled":  {reason: "as here", o: &corev1.ConfigMap{ObjectMeta: marked("disabled")}},
		"Disable":   {reason: "in either spelling", o: &corev1.Secret{ObjectMeta: marked("disable")}},
		"Enabled":   {reason: "another value says nothing", o: &corev1.ConfigMap{ObjectMeta: marked("enabled")}, want: true},
		"Opaque":    {reason: "a Secret of an app", o: &corev1.Secret{Type: corev1.SecretTypeOpaque}, want: true},
		"Typeless":  {reason: "which is what one without a type is", o: &corev1.Secret{}, want: true},
		"TLS":       {reason: "certificates are renewed, and may be wrong", o: &corev1.Secret{Type: corev1.SecretTypeTLS}, want: true},
		"SSH":       {reason: "keys as well", o: &corev1.Secret{Type: corev1.SecretTypeSSHAuth}, want: true},
		"Basic":     {reason: "passwords as well", o: &corev1.Secret{Type: corev1.SecretTypeBasicAuth}, want: true},
		"Account":   {reason: "the cluster's own are made for one name", o: &corev1.Secret{Type: corev1.SecretTypeServiceAccountToken}},
		"Registry":  {reason: "and read by the cluster", o: &corev1.Secret{Type: corev1.SecretTypeDockerConfigJson}},
		"Unknown":   {reason: "who gives a type has a reader in mind that knows the name", o: &corev1.Secret{Type: "example.org/x"}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, workload.Tracked(tc.o), tc.reason)
		})
	}
}

func TestCopy(t *testing.T) {
	meta := metav1.ObjectMeta{
		Name: "settings", Namespace: "test", Labels: map[string]string{"team": "web", "other": "x"},
		Annotations: map[string]string{"note": "of the original"},
	}
	r := golden{Prefixes: []string{"team"}}.rules()
	for name, tc := range map[string]struct {
		reason string
		o      workload.Object
		want   string
	}{
		"ConfigMap": {
			reason: "all that it holds is copied, also that it cannot be changed",
			o: &corev1.ConfigMap{
				ObjectMeta: meta, Data: map[string]string{"a": "b"}, BinaryData: map[string][]byte{"c": {1, 2}}, Immutable: new(true),
			},
			want: "apiVersion: v1\nbinaryData:\n  c: AQI=\ndata:\n  a: b\nimmutable: true\nkind: ConfigMap\n",
		},
		"Secret": {
			reason: "with its type, which readers rely on",
			o:      &corev1.Secret{ObjectMeta: meta, Data: map[string][]byte{"a": []byte("b")}, Type: corev1.SecretTypeTLS},
			want:   "apiVersion: v1\ndata:\n  a: Yg==\nkind: Secret\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			made, err := r.CopyConfig(tc.o, "settings-primary", "0011", canary())
			require.NoError(t, err)
			o := objects(t, []runtime.ApplyConfiguration{made})[0]
			appliable(t, o)
			require.Equal(t, "settings-primary", o.GetName())
			require.Equal(t, map[string]string{"team": "web"}, o.GetLabels())
			require.Equal(t, map[string]string{workload.ChecksumAnnotation: "0011"}, o.GetAnnotations())
			require.Equal(t, "Canary", o.GetOwnerReferences()[0].Kind, "it goes with the Canary")
			require.Contains(t, document(t, []runtime.ApplyConfiguration{made}), tc.want, tc.reason)
		})
	}
	_, err := r.CopyConfig(&corev1.Pod{}, "a", "", canary())
	require.Error(t, err)
}

func TestPodsChangeWithTheirConfigs(t *testing.T) {
	d := deployment(map[string]string{"app": "podinfo"})
	seen := map[string]bool{}
	for _, sums := range []map[string]string{nil, {"configmap/a": "1"}, {"configmap/a": "2"}, {"secret/a": "1"}} {
		made, err := golden{}.kind().Primary(d, canary(), workload.PrimaryOptions{Configs: workload.Configs{Sums: sums}})
		require.NoError(t, err)
		text := document(t, []runtime.ApplyConfiguration{made})
		require.False(t, seen[text], "pods that are the same would not be replaced")
		seen[text] = true
	}
}
