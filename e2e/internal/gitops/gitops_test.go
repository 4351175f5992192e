package gitops

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/template"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
	"sigs.k8s.io/yaml"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/simulate"
)

const root = "../../.."

// statuses are those of all transcripts, which have every condition, and those that versions of the operator have left.
func statuses(t *testing.T) (played, recorded []v1beta1.CanaryStatus) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "pkg/rollout/testdata/*.txt"))
	require.NoError(t, err)
	require.Greater(t, len(files), 50)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		script, _, _ := strings.Cut(string(text), "---\n")
		stored, err := simulate.Statuses(script)
		require.NoError(t, err, file)
		played = append(played, stored...)
	}
	files, err = filepath.Glob(filepath.Join(root, "cmd/sluice/upgrade/testdata/*/*.yaml"))
	require.NoError(t, err)
	require.Greater(t, len(files), 20)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		left := struct {
			Objects []struct {
				Status v1beta1.CanaryStatus `json:"status"`
			} `json:"objects"`
		}{}
		require.NoError(t, yaml.Unmarshal(text, &left))
		recorded = append(recorded, left.Objects[0].Status)
	}
	return append(played, odd(t, played)...), recorded
}

// odd are statuses that no rollout leads to: an invalid spec, and a primary that is lost at rest.
func odd(t *testing.T, played []v1beta1.CanaryStatus) (found []v1beta1.CanaryStatus) {
	t.Helper()
	i := slices.IndexFunc(played, func(s v1beta1.CanaryStatus) bool { return s.Phase == v1beta1.PhaseSucceeded })
	require.GreaterOrEqual(t, i, 0)
	s := rollout.Snapshot{Status: played[i], Revision: played[i].LastPromotedSpec, Generation: played[i].ObservedGeneration, Routed: true}
	s.Names = rollout.Names{Namespace: "test", Canary: "podinfo", Kind: "Deployment", Target: "podinfo", Primary: "podinfo-primary"}
	found = append(found, rollout.Refuse(s, &rollout.InvalidError{Field: "spec.analysis", Problem: "is no analysis"}).Status)
	for _, health := range []rollout.Health{rollout.Stuck, rollout.Starting} {
		s.Primary = rollout.Workload{Revision: s.Revision, Health: health, Replicas: 2}
		lost := rollout.Decide(s, rollout.Findings{}).Status
		require.NotEqual(t, played[i], lost, "it is stored that the primary is lost")
		found = append(found, lost)
	}
	return found
}

// rowOf is the row of the table that a status belongs to.
func rowOf(s v1beta1.CanaryStatus) string {
	people := []rollout.Wait{rollout.WaitStepPaused, rollout.WaitPromotionPaused, rollout.WaitHeld, rollout.WaitRolloutApproval,
		rollout.WaitTrafficIncreaseApproval, rollout.WaitPromotionApproval, rollout.WaitClarity}
	ready := meta.FindStatusCondition(s.Conditions, v1beta1.ConditionReady)
	switch {
	case meta.IsStatusConditionFalse(s.Conditions, v1beta1.ConditionValid):
		return "any, the spec is invalid"
	case s.WaitingFor == string(rollout.WaitResume):
		return "any, suspended"
	case slices.Contains(people, rollout.Wait(s.WaitingFor)):
		return string(s.Phase) + ", waits for a person"
	case s.Phase.Settled() && s.Phase != v1beta1.PhaseFailed && ready != nil && ready.Status == metav1.ConditionFalse:
		if meta.IsStatusConditionTrue(s.Conditions, v1beta1.ConditionStalled) {
			return "Initialized, Succeeded, the primary cannot start"
		}
		return "Initialized, Succeeded, the primary starts again"
	}
	return string(s.Phase)
}

// object is a Canary as a tool reads it.
func object(t *testing.T, s v1beta1.CanaryStatus) *unstructured.Unstructured {
	t.Helper()
	c := &v1beta1.Canary{TypeMeta: metav1.TypeMeta{APIVersion: "flagger.app/v1beta1", Kind: "Canary"},
		ObjectMeta: metav1.ObjectMeta{Name: "podinfo", Namespace: "test", Generation: s.ObservedGeneration}, Status: s}
	c.Spec.Suspend = s.WaitingFor == string(rollout.WaitResume)
	if s.Phase.Leaving() {
		c.DeletionTimestamp = &s.LastTransitionTime
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(c)
	require.NoError(t, err)
	return &unstructured.Unstructured{Object: content}
}

// kstatusOf is what Flux, and all that is built on kstatus, makes of a status; plainly is without the annotation.
func kstatusOf(t *testing.T, s v1beta1.CanaryStatus, plainly bool) string {
	t.Helper()
	s = *s.DeepCopy()
	if plainly {
		meta.RemoveStatusCondition(&s.Conditions, v1beta1.ConditionReconciling)
	}
	found, err := status.Compute(object(t, s))
	require.NoError(t, err)
	return string(found.Status)
}

// builtIn is what Argo CD makes of a phase that it was told nothing of.
func builtIn(t *testing.T, s v1beta1.CanaryStatus) string {
	t.Helper()
	o := object(t, s).Object["status"].(map[string]any)
	require.Contains(t, o, "canaryWeight", "else its script ends with an error")
	conditions, _ := o["conditions"].([]any)
	require.NotEmpty(t, conditions, "likewise")
	for _, c := range conditions {
		require.Contains(t, c, "message", "likewise")
	}
	switch s.Phase {
	case v1beta1.PhaseFailed:
		return "Degraded"
	case v1beta1.PhaseProgressing, v1beta1.PhasePromoting, v1beta1.PhaseFinalising:
		return "Progressing"
	case v1beta1.PhaseSucceeded, v1beta1.PhaseInitialized:
		return "Healthy"
	default:
		return "Unknown"
	}
}

// TestTools holds the table of docs/guides/gitops.md to what the tools say of every status that was ever seen.
func TestTools(t *testing.T) {
	argo := argoCD(t)
	rows := map[string][4]map[string]bool{}
	played, recorded := statuses(t)
	for _, s := range played {
		row, found := rows[rowOf(s)]
		if !found {
			row = [4]map[string]bool{{}, {}, {}, {}}
			rows[rowOf(s)] = row
		}
		health, message := healthOf(t, argo, s)
		require.NotEmpty(t, message, "%s: people are told why", rowOf(s))
		for i, said := range []string{kstatusOf(t, s, true), kstatusOf(t, s, false), health, builtIn(t, s)} {
			row[i][said] = true
		}
	}
	table := "| Phase | Flux | Flux, with `sluice.dev/kstatus: rollouts` | Argo CD | Argo CD, told nothing |\n|---|---|---|---|---|\n"
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		table += "| " + name
		for _, said := range rows[name] {
			table += " | " + strings.Join(slices.Sorted(maps.Keys(said)), " or ")
		}
		table += " |\n"
	}
	page, err := os.ReadFile(filepath.Join(root, "docs/guides/gitops.md"))
	require.NoError(t, err)
	require.Contains(t, string(page), table, "this is what they say:\n%s", table)
	for _, s := range recorded {
		health, message := healthOf(t, argo, s)
		require.NotEmpty(t, health)
		require.NotEmpty(t, message)
		require.NotEqual(t, "Unknown", kstatusOf(t, s, false), "a status of an older version is understood")
	}
}

// argoCD is Argo CD as it is told of Canaries.
func argoCD(t *testing.T) *ArgoCD {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "artifacts/argocd/argocd-cm.yaml"))
	require.NoError(t, err)
	a, err := NewArgoCD(text)
	require.NoError(t, err)
	return a
}

func healthOf(t *testing.T, a *ArgoCD, s v1beta1.CanaryStatus) (health, message string) {
	t.Helper()
	health, message, err := a.Health(object(t, s))
	require.NoError(t, err)
	return health, message
}

// TestActions has each action of Argo CD's be one that the operator understands, and be offered where it is possible.
func TestActions(t *testing.T) {
	a := argoCD(t)
	for _, verb := range v1beta1.ActionVerbs {
		require.Contains(t, a.acts, string(verb))
	}
	played, recorded := statuses(t)
	possible := map[string]bool{}
	for _, s := range append(played, recorded...) {
		o := object(t, s)
		o.SetAnnotations(map[string]string{v1beta1.ActionAnnotation: "pause id=1", v1beta1.ActionByAnnotation: "anna"})
		offered, err := a.Offered(o)
		require.NoError(t, err)
		require.Len(t, offered, len(a.acts))
		for name := range a.acts {
			require.Contains(t, offered, name)
			if !offered[name] {
				continue
			}
			possible[name] = true
			asked, err := a.Act(name, o)
			require.NoError(t, err)
			text := asked[v1beta1.ActionAnnotation]
			require.Regexp(t, rollout.ActionPattern, text)
			require.True(t, strings.HasPrefix(text, name+" id=20"), text)
			require.Contains(t, text, " revision=", "a late click is about no other one")
			require.Equal(t, "argocd", asked[v1beta1.ActionByAnnotation], "and not whoever asked for something before")
		}
	}
	require.ElementsMatch(t, slices.Collect(maps.Keys(a.acts)), slices.Collect(maps.Keys(possible)), "each is possible somewhere")
}

// TestLink has the link of docs/guides/gitops.md lead to the page of a Canary.
func TestLink(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs/guides/gitops.md"))
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(page), "resource.links: |\n")
	require.True(t, found)
	block, _, _ := strings.Cut(rest, "```")
	var links []struct{ Title, URL, If string }
	require.NoError(t, yaml.UnmarshalStrict([]byte(block), &links))
	link, err := template.New("").Parse(links[0].URL)
	require.NoError(t, err)
	var to strings.Builder
	require.NoError(t, link.Execute(&to, map[string]any{"resource": object(t, v1beta1.CanaryStatus{}).Object}))
	require.Equal(t, "https://sluice.example.com/ns/test/podinfo", to.String())
}
