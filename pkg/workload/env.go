package workload

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// keepMergedEnv leaves each environment variable once in a primary that has it so: an earlier version made such copies, and the
// pods of a primary that runs the revision already are not replaced for that. The next promotion copies all, in their
// order: a variable may be made of one that is named again later.
func (m PrimaryOptions) keepMergedEnv(t *corev1.PodTemplateSpec) {
	if m.Live == nil || revisionOf(m.Live) != m.Revision {
		return
	}
	live := SummaryOf(m.Live).Template.Spec
	keepMerged(t.Spec.InitContainers, live.InitContainers)
	keepMerged(t.Spec.Containers, live.Containers)
}

func keepMerged(copied, live []corev1.Container) {
	for i := range copied {
		k := slices.IndexFunc(live, func(c corev1.Container) bool { return c.Name == copied[i].Name })
		if once := onceEach(copied[i].Env); k >= 0 && len(once) < len(copied[i].Env) && slices.EqualFunc(once, live[k].Env, sameVariable) {
			copied[i].Env = once
		}
	}
}

func sameVariable(a, b corev1.EnvVar) bool { return a.Name == b.Name }

// onceEach has each variable where and as it was set last.
func onceEach(env []corev1.EnvVar) []corev1.EnvVar {
	kept := env[:0:0]
	for i, v := range env {
		if !slices.ContainsFunc(env[i+1:], func(o corev1.EnvVar) bool { return sameVariable(o, v) }) {
			kept = append(kept, v)
		}
	}
	return kept
}
