package upgrade

import (
	"bytes"
	"flag"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

var (
	update         = flag.Bool("update", false, "record what there is not yet")
	presentProgram = flag.String("present", "", "program of the present version; empty: it is built")
	earlierProgram = flag.String("earlier", "", "program of the earlier version; empty: it is built from the history")
)

// earlierCommit is the version that the recordings of the earlier one are of, and that a cluster may go back to.
const earlierCommit = "8ed4924963daf4fe46f56481de65409b4640c4ca"

// version is an operator, and what it has left.
type version struct {
	folder  string // with the recordings
	prefix  string // of the namespaces that are restored
	program func(*testing.T) string
	flags   []string // that the program knows and has need of
}

func earlier() version {
	return version{folder: "testdata/earlier", prefix: "earlier-", program: func(t *testing.T) string {
		t.Helper()
		if *earlierProgram != "" {
			return *earlierProgram
		}
		return build(t, history(t))
	}}
}

func present() version {
	// The judges are on this machine.
	flags := []string{"-allow-addresses=127.0.0.1"}
	return version{folder: "testdata/present", prefix: "present-", flags: flags, program: func(t *testing.T) string {
		t.Helper()
		if *presentProgram != "" {
			return *presentProgram
		}
		return build(t, "../../..")
	}}
}

// history is a directory with the module as it was in the earlier version. A clone without that, as a shallow one, cannot
// try the way back, and says so.
func history(t *testing.T) string {
	t.Helper()
	// Whoever owns the directory: nothing of it is run by git.
	tree := exec.CommandContext(t.Context(), "git", "-c", "safe.directory=*", "archive", "--format=tar", earlierCommit)
	tree.Dir = "../../.."
	said := &bytes.Buffer{}
	tree.Stderr = said
	text, err := tree.Output()
	if err != nil {
		t.Skipf("NOT TRIED: the commit %s is not in this clone: `git fetch --unshallow`, or name a program of it by -earlier: %s", earlierCommit, said)
	}
	dir := t.TempDir()
	unpack := exec.CommandContext(t.Context(), "tar", "-x", "-C", dir)
	unpack.Stdin = bytes.NewReader(text)
	out, err := unpack.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return dir
}

// build builds the operator of a module.
func build(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sluice")
	// As elsewhere, so that what is the same is built once.
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-tags=grpcnotrace", "-trimpath", "-o", path, "./cmd/sluice")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return path
}

// recordings are what a version has left, of each scenario.
func (v version) recordings(t *testing.T) map[string]recorded {
	t.Helper()
	files := map[string]recorded{}
	for name := range scenarios() {
		text, err := os.ReadFile(v.file(name))
		require.NoError(t, err, "record it: go test ./cmd/sluice/upgrade -update")
		var r recorded
		require.NoError(t, yaml.UnmarshalStrict(text, &r))
		files[name] = r
	}
	return files
}

func (v version) file(name string) string { return filepath.Join(v.folder, name+".yaml") }

// recorded is one file.
type recorded struct {
	At      time.Time        `json:"at"`
	States  []string         `json:"states"` // from the first, which is recorded, to the end
	Checks  int              `json:"checks"` // of the metric, by then
	Objects []map[string]any `json:"objects"`
}

// record writes the files that a version lacks.
func (k *cluster) record(t *testing.T, v version) {
	const prefix = "recorded-"
	var names []string
	for name := range scenarios() {
		if _, err := os.Stat(v.file(name)); os.IsNotExist(err) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return
	}
	require.True(t, t.Run("Recorded", func(t *testing.T) {
		k.run(t, v.program(t), v.flags...) // until this has ended
		k.each(t, "All", prefix+v.prefix, names, func(o *one) {
			text, err := yaml.Marshal(o.record())
			require.NoError(o, err)
			text = bytes.ReplaceAll(text, []byte(o.url), []byte(placeholder))
			text = bytes.ReplaceAll(text, []byte(prefix+v.prefix), []byte(v.prefix))
			require.NoError(o, os.WriteFile(v.file(o.name), text, 0o600))
		})
	}))
	k.clear(t)
}

// unrecorded are fields of the status that no recording has: they are there for a moment, or in rollouts that meet what the
// scenarios do not.
var unrecorded = []string{"canaryKept", "checkInterval", "failedRevisions", "gatesOverridden", "held", "history", "image", "lastAction", "notReadySince", "previousSessionAffinityCookie", "promotedTemplate", "replaces", "rollbackBy", "rollbackHook", "rollbackHooksAsked", "rollbackImpossible", "rollbackTo", "routesRefused", "run", "stepUntil", "superseded", "target", "targetSize", "unreconciled"}

// TestAllIsRecorded holds the recordings of the present version to its status: when that gets a field they are made anew.
func TestAllIsRecorded(t *testing.T) {
	crd := map[string]any{}
	text, err := os.ReadFile("../../../artifacts/crds/flagger.app_canaries.yaml")
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(text, &crd))
	versions, _, err := unstructured.NestedSlice(crd, "spec", "versions")
	require.NoError(t, err)
	fields, _, err := unstructured.NestedMap(versions[0].(map[string]any), "schema", "openAPIV3Schema", "properties", "status", "properties")
	require.NoError(t, err)
	require.NotEmpty(t, fields)
	for _, r := range present().recordings(t) {
		status, _, err := unstructured.NestedMap(r.Objects[0], "status")
		require.NoError(t, err)
		maps.DeleteFunc(fields, func(name string, _ any) bool { _, there := status[name]; return there })
	}
	require.Subset(t, unrecorded, slices.Collect(maps.Keys(fields)), "delete testdata/present/*.yaml, and record anew: go test ./cmd/sluice/upgrade -update")
}
