package simulate

import (
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// newer is what the hash of a template has behind it for each upgrade of the API server that has added a default to all of them.
const newer = "-defaulted"

// template is what a revision is of, whichever API server it was hashed by.
func template(revision string) string {
	of, _, _ := strings.Cut(revision, newer)
	return of
}

func sameTemplate(a, b string) bool { return template(a) == template(b) }

// hashed is the revision that a template has by now.
func (w *World) hashed(revision string) string {
	return template(revision) + strings.Repeat(newer, w.upgrades)
}

// UpgradeServer has the API server read one more default into every pod template. Nobody has changed any, and no pod is replaced.
func (w *World) UpgradeServer() {
	w.upgrades++
	t := &w.target
	for i := range t.pods {
		if t.pods[i].revision == t.revision {
			t.pods[i].revision = w.hashed(t.revision)
		}
	}
	if t.exists {
		t.revision = w.hashed(t.revision)
	}
}

// targetTemplate is what the cluster counts the target's template as.
func (w *World) targetTemplate() v1beta1.TargetTemplate {
	return v1beta1.TargetTemplate{UID: types.UID(strconv.Itoa(w.target.made)), Number: strconv.Itoa(w.target.templates)}
}

// recognise has a view tell the target's revision as the controller's does.
func (o *Operator) recognise(v *view) {
	runs := v.Primary.Revision
	if runs == "" {
		runs = o.w.copied
	}
	v.PrimaryMatchesTarget = v.Primary.Health != rollout.Absent && v.Target.Revision != "" && sameTemplate(runs, v.Target.Revision)
	// Of the target that was read, which need not be that of now.
	if now := o.w.targetTemplate(); v.Target.Revision == o.w.target.revision {
		v.TargetTemplate, v.Template = now, v.Target.Revision // without configs
	}
	v.Revision = rollout.Recognised(v.Snapshot)
	v.Target.Revision = v.Revision
}

// checkNews holds that what the primary runs, or what has failed, is rolled out by no upgrade.
func checkNews(w *World, was, next v1beta1.CanaryStatus) {
	if !was.Phase.Settled() || next.Phase != v1beta1.PhaseProgressing || !inOurWords(was) || next.LastAppliedSpec == template(next.LastAppliedSpec) {
		return
	}
	if w.primary.exists && w.primary.revision != "" && w.primary.revision != next.LastAppliedSpec && sameTemplate(w.primary.revision, next.LastAppliedSpec) {
		w.violated("rule 10: %s is rolled out, and the primary runs %s", next.LastAppliedSpec, w.primary.revision)
	}
	known, now := was.TargetTemplate, w.targetTemplate()
	if acted(was, next) == v1beta1.ActionRetry {
		return // somebody wants it
	}
	if known != nil && known.UID == now.UID && known.Number == now.Number && sameTemplate(known.Revision, next.LastAppliedSpec) {
		w.violated("rule 10: %s is rolled out, and was tried as %s", next.LastAppliedSpec, known.Revision)
	}
}
