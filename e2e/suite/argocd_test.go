package suite

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/e2e/internal/gitops"
	"github.com/sluice-cd/sluice/e2e/internal/traffic"
	"github.com/sluice-cd/sluice/e2e/internal/walk"
)

// committed are rollouts whose target and Canary are in Git.
func committed() map[string]scenario {
	return map[string]scenario{
		"ArgoCD": {
			reason: "In Argo CD nothing is out of sync but what Git has changed, a rollout that waits is suspended, and its menu ends that.",
			play:   inArgoCD,
		},
	}
}

func inArgoCD(s *scene) {
	argo := s.argoCD()
	since := time.Now()
	s.apply(s.inGit("3.1.0"))
	s.reach("Initialized", since)
	s.apply(strings.NewReplacer("NAMESPACE", s.namespace, "HOST", s.host()).Replace(doorToCanary))
	s.stopped()
	require.Empty(s.t, s.outOfSync(s.inGit("3.1.0")), "it writes to nothing that Git has")
	argo.shows("Healthy", "")
	users := s.users()

	require.Equal(s.t, []string{"Deployment"}, s.outOfSync(s.inGit("3.1.1")), "what was committed")
	since = time.Now()
	s.apply(s.inGit("3.1.1"))
	s.paused()
	require.Empty(s.t, s.outOfSync(s.inGit("3.1.1")), "not even while it is under way")
	argo.shows("Suspended", "waits for promote")
	testers := s.ask(traffic.Config{URL: s.gateway, Host: "preview." + s.host(), Rate: 20})
	s.only(testers, "3.1.1", time.Time{})
	testers.Stop()
	s.only(users, "3.1.0", time.Time{})

	argo.click("promote-full")
	s.reach("Succeeded", since)
	s.said(since, "promote-full by argocd of podinfo."+s.namespace+"*(in Argo CD)")
	argo.shows("Healthy", "")
	s.runs("podinfo-primary", "3.1.1", 1)
	s.stopped()
	s.only(users, "3.1.1", time.Now())

	since = time.Now()
	argo.click("rollback")
	s.reach("Failed", since)
	argo.shows("Degraded", "rolled back")
	require.Empty(s.t, s.outOfSync(s.inGit("3.1.1")), "Git keeps what was rolled back")
	s.runs("podinfo-primary", "3.1.0", 1)
	// As often as a tool does.
	s.apply(s.inGit("3.1.1"))
	time.Sleep(slowly)
	require.Equal(s.t, "Failed 0", walk.Last(s.rows(since)).String(), "it is not tried again")
	argo.click("retry")
	s.paused()
	argo.click("abort")
	s.eventually("it is called off", func() bool { return s.status("phase") == "Failed" })
	s.only(users, "3.1.0", time.Now().Add(slowly))
	s.lossless(testers)
	s.lossless(users)
}

// inGit is what Git has of an application: its target, whose size it leaves to others, and the Canary.
func (s *scene) inGit(version string) string {
	s.t.Helper()
	const size = "  replicas: 1\n"
	require.Contains(s.t, application, size)
	target := strings.Replace(fmt.Sprintf(application, s.namespace), size, "", 1)
	return strings.Replace(target, "podinfo:3.1.0", "podinfo:"+version, 1) + "---" + s.canary(`
  analysis: {interval: 10s, threshold: 1, iterations: 1, promotion: {auto: false}}
`)
}

// changed is the line for each object that kubectl says is another one than in a manifest.
var changed = regexp.MustCompile(`(?m)^diff .*/MERGED-\d+/\S*\.v\w+\.([A-Z]\w*)\.`)

// outOfSync are the kinds of objects that are not as Git has them.
func (s *scene) outOfSync(manifests string) (kinds []string) {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "git.yaml")
	require.NoError(s.t, os.WriteFile(file, []byte(manifests), 0o600))
	said, err := s.Quiet(s.t.Context(), "diff", "-f", file)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 {
		require.Regexp(s.t, changed, said)
	} else {
		require.NoError(s.t, err)
	}
	for _, found := range changed.FindAllStringSubmatch(said, -1) {
		kinds = append(kinds, found[1])
	}
	return kinds
}

// argoCD is Argo CD as a person sees it who works on the scene's Canary.
type argoCD struct {
	*scene
	*gitops.ArgoCD
}

func (s *scene) argoCD() argoCD {
	s.t.Helper()
	settings, err := os.ReadFile("../../artifacts/argocd/argocd-cm.yaml")
	require.NoError(s.t, err)
	a, err := gitops.NewArgoCD(settings)
	require.NoError(s.t, err)
	return argoCD{scene: s, ArgoCD: a}
}

// shows waits for a health, with a text in its message.
func (a argoCD) shows(health, text string) {
	a.t.Helper()
	a.eventually("Argo CD to show "+health, func() bool {
		found, message, err := a.Health(a.own())
		require.NoError(a.t, err)
		return found == health && strings.Contains(message, text)
	})
}

// click clicks an action of the menu, which has to be offered.
func (a argoCD) click(action string) {
	a.t.Helper()
	live := a.own()
	offered, err := a.Offered(live)
	require.NoError(a.t, err)
	require.True(a.t, offered[action], "%s of %v", action, offered)
	annotations, err := a.Act(action, live)
	require.NoError(a.t, err)
	asked := live.DeepCopy()
	asked.SetAnnotations(annotations)
	require.NoError(a.t, a.client.Patch(a.t.Context(), asked, client.MergeFrom(live), client.FieldOwner("argocd-server")))
}
