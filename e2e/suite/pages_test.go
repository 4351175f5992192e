package suite

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/e2e/internal/install"
	"github.com/sluice-cd/sluice/e2e/internal/page"
)

// manual is a page whose commands are run as they are printed, by one shell.
type manual struct {
	file string
	// skip are blocks that are not run, by what they begin with, and why.
	skip map[string]string
	// alone has an operator of the page's own, in the namespace sluice-system.
	alone bool
	test  bool // its examples are in the namespace test
}

const clusterIsThere = "the suite has made the cluster"

func manuals() map[string]manual {
	up := map[string]string{"make cluster-up": clusterIsThere}
	return map[string]manual{
		"TutorialIstio":      {file: "docs/guides/tutorial-istio.md", skip: up},
		"TutorialGatewayAPI": {file: "docs/guides/tutorial-gatewayapi.md", skip: up, alone: true},
		"TutorialKubernetes": {file: "docs/guides/tutorial-kubernetes.md", skip: up, alone: true},
		"README":             {file: "README.md", test: true},
	}
}

// testPages follows the pages word by word, one after the other: each is meant for somebody who has the cluster to themselves.
func testPages(t *testing.T, w *world) {
	if os.Getenv("KUBECONFIG") != "" {
		t.Skip("the pages name addresses of the local cluster")
	}
	if os.Getenv("SOAK") == "" {
		t.Skip("they take as long as their intervals: SOAK=1 runs them")
	}
	for name, m := range manuals() {
		t.Run(name, func(t *testing.T) {
			m.follow(t, w)
		})
	}
}

// follow runs the blocks of a page and compares what they print with what it shows.
func (m manual) follow(t *testing.T, w *world) {
	alone(t, w)
	text, err := os.ReadFile(w.File(m.file))
	require.NoError(t, err)
	blocks, err := page.Blocks(string(text))
	require.NoError(t, err)
	m.prepare(t, w)
	var script strings.Builder
	var run []page.Block
	for _, b := range blocks {
		if why, skipped := m.skipped(b); skipped {
			t.Logf("%s:%d is not run: %s", m.file, b.Line, why)
			continue
		}
		run = append(run, b)
		fmt.Fprintf(&script, "%s\necho; echo '%s'\n", b.Commands, mark)
	}
	require.NotEmpty(t, run)
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Minute)
	defer stop()
	began := time.Now()
	cmd := exec.CommandContext(ctx, "bash", "-e", "-o", "pipefail")
	cmd.Dir, cmd.Env, cmd.Stdin = w.Repository, append(os.Environ(), "KUBECONFIG="+w.Config), strings.NewReader(script.String())
	out, failed := cmd.CombinedOutput()
	printed := strings.Split(string(out), mark+"\n")
	for i, b := range run {
		require.Less(t, i, len(printed), "%s:%d was not reached: %v", m.file, b.Line, failed)
		t.Logf("%s:%d\n%s\n---\n%s", m.file, b.Line, b.Commands, printed[i])
		if i == len(printed)-1 {
			require.NoError(t, failed, "%s:%d", m.file, b.Line)
		}
		if err := page.Shows(printed[i], b.Output); err != nil { // what follows is compared as well
			t.Errorf("%s:%d: %v", m.file, b.Line, err)
		}
	}
	t.Logf("MEASURED %s: %.0f s", m.file, time.Since(began).Seconds())
}

// mark parts what one block prints from what the next one does.
const mark = "-- end of the block --"

func (m manual) skipped(b page.Block) (why string, skipped bool) {
	for begins, why := range m.skip {
		if strings.HasPrefix(b.Commands, begins) {
			return why, true
		}
	}
	return "", false
}

// prepare makes the cluster what the reader of a page has, and puts it back in the end.
func (m manual) prepare(t *testing.T, w *world) {
	t.Helper()
	quiet := func(ctx context.Context, args ...string) {
		out, err := w.Quiet(ctx, args...)
		require.NoError(t, err, out)
	}
	if m.test {
		quiet(t.Context(), "delete", "namespace", "test", "--ignore-not-found", "--timeout=180s")
	}
	if m.alone {
		quiet(t.Context(), "scale", "deployment/sluice", "-n", install.Namespace, "--replicas=0")
		quiet(t.Context(), "wait", "pods", "-l", "app.kubernetes.io/name=sluice", "-n", install.Namespace, "--for=delete", "--timeout=60s")
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		quiet(ctx, "delete", "namespace", "shop", "--ignore-not-found", "--timeout=180s")
		if m.alone {
			quiet(ctx, "delete", "namespace", "sluice-system", "--ignore-not-found", "--timeout=180s")
		}
		require.NoError(t, w.rolledOutAgain(ctx))
	})
}

// rolledOutAgain makes what pages take away in the end: all scenarios rely on it.
func (w *world) rolledOutAgain(ctx context.Context) error {
	for _, part := range []func(context.Context) error{w.gatewayAPI, w.Operator, w.Tester} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}
