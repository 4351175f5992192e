package kube

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/yaml"
)

// value reads YAML the way objects are read: integers stay integers.
func value(t *testing.T, text string) any {
	t.Helper()
	var v any
	require.NoError(t, yaml.Unmarshal([]byte(text), &v))
	return v
}

func TestMatches(t *testing.T) {
	for name, tc := range map[string]struct {
		reason     string
		have, want string
		untyped    bool
		holds      bool
	}{
		"Same":           {"nothing is to be done", `a: {b: 1}`, `a: {b: 1}`, false, true},
		"Foreign":        {"other fields are other people's", `a: {b: 1, c: 2}`, `a: {b: 1}`, false, true},
		"Changed":        {"a value of ours", `a: {b: 2}`, `a: {b: 1}`, false, false},
		"Removed":        {"a field of ours", `a: {}`, `a: {b: 1}`, false, false},
		"MapGone":        {"an empty map stands for something", `{}`, `emptyDir: {}`, false, false},
		"MapEmpty":       {"and is found again", `emptyDir: {}`, `emptyDir: {}`, false, true},
		"MapToScalar":    {"a field of another shape", `a: 1`, `a: {b: 1}`, false, false},
		"ListToScalar":   {"a field of another shape", `a: 1`, `a: [1]`, false, false},
		"EmptyList":      {"servers drop empty lists", `{}`, `a: []`, false, true},
		"Numbers":        {"readers of JSON differ in the types of numbers", `a: 1.0`, `a: 1`, false, true},
		"NumberAndText":  {"a port by number is not one by name", `a: "1"`, `a: 1`, false, false},
		"AtomicOrder":    {"arguments have an order", `args: [b, a]`, `args: [a, b]`, false, false},
		"AtomicMore":     {"arguments are ours as a whole", `args: [a, b]`, `args: [a]`, false, false},
		"AtomicFewer":    {"one was removed", `args: [a]`, `args: [a, b]`, false, false},
		"ContainerMore":  {"a sidecar was injected before ours", `containers: [{name: s}, {name: a, image: x}]`, `containers: [{name: a, image: x}]`, false, true},
		"ContainerGone":  {"ours is gone", `containers: [{name: s, image: x}]`, `containers: [{name: a, image: x}]`, false, false},
		"ContainerImage": {"ours was changed", `containers: [{name: s}, {name: a, image: y}]`, `containers: [{name: a, image: x}]`, false, false},
		"PortDefault":    {"the server adds the protocol", `ports: [{port: 53, protocol: TCP}]`, `ports: [{port: 53}]`, false, true},
		"PortProtocols":  {"one number, two ports", `ports: [{port: 53, protocol: UDP, name: u}, {port: 53, protocol: TCP, name: t}]`, `ports: [{port: 53, name: t}]`, false, true},
		"PortOtherProto": {"TCP was replaced by UDP", `ports: [{port: 53, protocol: UDP}]`, `ports: [{port: 53}]`, false, false},
		"ContainerPort":  {"a container's ports are told apart by their own field", `ports: [{containerPort: 1, protocol: TCP}, {containerPort: 2, protocol: TCP}]`, `ports: [{containerPort: 2}]`, false, true},
		"Mounts":         {"told apart by their path", `volumeMounts: [{mountPath: /a, name: a}, {mountPath: /b, name: b}]`, `volumeMounts: [{mountPath: /b, name: b}]`, false, true},
		"Devices":        {"told apart by their path", `volumeDevices: [{devicePath: /a}, {devicePath: /b}]`, `volumeDevices: [{devicePath: /b}]`, false, true},
		"Aliases":        {"told apart by their address", `hostAliases: [{ip: 1.1.1.1}, {ip: 2.2.2.2}]`, `hostAliases: [{ip: 2.2.2.2}]`, false, true},
		"Spread": {"told apart by two fields", `topologySpreadConstraints: [{topologyKey: a, whenUnsatisfiable: x, maxSkew: 1}, {topologyKey: a, whenUnsatisfiable: y, maxSkew: 2}]`,
			`topologySpreadConstraints: [{topologyKey: a, whenUnsatisfiable: y, maxSkew: 2}]`, false, true},
		"Owners":        {"another owner is no business of ours", `ownerReferences: [{uid: a}, {uid: b}]`, `ownerReferences: [{uid: b}]`, true, true},
		"Finalizers":    {"nor is another finalizer", `finalizers: [a, b]`, `finalizers: [b]`, true, true},
		"FinalizerGone": {"ours was removed", `finalizers: [a]`, `finalizers: [b]`, true, false},
		"RouteAdded":    {"of other kinds every list is ours as a whole", `ports: [{port: 1}, {port: 2}]`, `ports: [{port: 1}]`, true, false},
		"RouteDefaults": {"a server may fill in items of ours", `rules: [{weight: 1, kind: Service}]`, `rules: [{weight: 1}]`, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			m, have, want := matcher{typed: !tc.untyped}, value(t, tc.have), value(t, tc.want)
			require.Equal(t, tc.holds, m.matches("", have, want), tc.reason)
			same := m.matches("", m.extract("", have, want), want)
			require.Equal(t, tc.holds, same, "what is extracted for comparing decides in the same way")
		})
	}
}

func TestExtract(t *testing.T) {
	for name, tc := range map[string]struct {
		reason           string
		have, want, then string
	}{
		"Foreign":  {"what others set does not make a difference", `{a: 1, b: 2}`, `a: 5`, `a: 1`},
		"Missing":  {"what is missing shows", `{}`, `a: 5`, `a: null`},
		"Keyed":    {"only our items", `env: [{name: x}, {name: a, value: "1", more: 1}]`, `env: [{name: a, value: "2"}]`, `env: [{name: a, value: "1"}]`},
		"KeyGone":  {"an item that is not there", `env: [{name: x}]`, `env: [{name: a}]`, `env: []`},
		"Atomic":   {"a list of ours with all its items", `args: [a, b]`, `args: [c]`, `args: [a, b]`},
		"NoMap":    {"another shape", `a: 1`, `a: {b: 1}`, `a: 1`},
		"ListGone": {"a list that is not there", `{}`, `args: [c]`, `args: null`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := hash(matcher{typed: true}.extract("", value(t, tc.have), value(t, tc.want)))
			require.NoError(t, err)
			want, err := hash(value(t, tc.then))
			require.NoError(t, err)
			require.Equal(t, want, got, tc.reason)
		})
	}
}

func TestRestrict(t *testing.T) {
	for name, tc := range map[string]struct {
		reason              string
		full, content, then string
	}{
		"Zeroes":     {"a Go type adds what nobody asked for", `{replicas: 1, strategy: {}, template: null}`, `replicas: 1`, `replicas: 1`},
		"Canonical":  {"and rewrites values", `cpu: "1"`, `cpu: 1000m`, `cpu: "1"`},
		"Dropped":    {"what it drops is not asked for", `{}`, `labels: {}`, `{}`},
		"Lists":      {"item by item", `[{a: "1", b: 0}]`, `[{a: 1000m}]`, `[{a: "1"}]`},
		"OtherShape": {"a type that turns one shape into another", `a: x`, `a: [1]`, `a: x`},
		"MapToText":  {"a type that turns one shape into another", `a: x`, `a: {b: 1}`, `a: x`},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, value(t, tc.then), restrict(value(t, tc.full), value(t, tc.content)), tc.reason)
		})
	}
}

func TestCovers(t *testing.T) {
	for name, tc := range map[string]struct {
		reason       string
		fields, want string
		covers       bool
	}{
		"All":         {"every field is ours", `f:spec: {f:a: {}, f:b: {}}`, `spec: {a: 1}`, true},
		"Lost":        {"somebody gave a field another value", `f:spec: {f:b: {}}`, `spec: {a: 1}`, false},
		"Nothing":     {"we have never applied", `{}`, `spec: {a: 1}`, false},
		"AtomicMap":   {"a map that is one value", `f:selector: {}`, `selector: {app: x}`, true},
		"List":        {"of a list matcher knows more", `f:ports: {'k:{"port":80}': {f:port: {}}}`, `ports: [{port: 80}, {port: 81}]`, true},
		"ListLost":    {"a list that is one value, and somebody else's now", `{}`, `http: [{}]`, false},
		"NestedLost":  {"deep down", `f:data: {f:a: {}}`, `data: {a: x, b: y}`, false},
		"NothingDue":  {"no fields, no owner needed", `{}`, `{}`, true},
		"ScalarOwned": {"a value", `f:type: {}`, `type: ClusterIP`, true},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := json.Marshal(value(t, tc.fields))
			require.NoError(t, err)
			fields := &fieldpath.Set{}
			require.NoError(t, fields.FromJSON(bytes.NewReader(text)))
			want, _ := value(t, tc.want).(map[string]any)
			require.Equal(t, tc.covers, covers(fields, want), tc.reason)
		})
	}
}

func TestNewer(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		a, b   string
		want   bool
	}{
		"Older":   {"the cache is ahead of our write", "9", "10", false},
		"Same":    {"the cache has our write", "10", "10", false},
		"Newer":   {"compared as numbers, not as text", "10", "9", true},
		"Huge":    {"of any length", "18446744073709551616", "18446744073709551615", true},
		"Never":   {"nothing was written", "", "10", false},
		"Strange": {"versions that mean nothing to us: better look again", "abc", "10", true},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, Newer(tc.a, tc.b), tc.reason) })
	}
}
