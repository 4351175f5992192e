package kube_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
)

// repeating is a primary whose template names a variable and a port twice, which an apply is refused for.
func (b *bench) repeating(root string) *appsv1ac.DeploymentApplyConfiguration {
	d := b.deployment("podinfo:1")
	c := &d.Spec.Template.Spec.Containers[0]
	c.Env, c.Ports = nil, nil
	c.WithEnv(
		corev1ac.EnvVar().WithName("ROOT").WithValue("/a"),
		corev1ac.EnvVar().WithName("CACHE").WithValue("$(ROOT)/cache"),
		corev1ac.EnvVar().WithName("ROOT").WithValue(root),
	)
	c.WithPorts(
		corev1ac.ContainerPort().WithName("http").WithContainerPort(9898),
		corev1ac.ContainerPort().WithName("metrics").WithContainerPort(9898),
	)
	return d
}

func variables(d *appsv1.Deployment) (all []string) {
	for _, v := range d.Spec.Template.Spec.Containers[0].Env {
		all = append(all, v.Name+"="+v.Value)
	}
	return all
}

func TestRepeatedKeys(t *testing.T) {
	for name, before := range map[string]bool{"New": false, "AppliedBefore": true} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			if before {
				require.True(t, b.apply(b.deployment("podinfo:1")))
			}
			require.True(t, b.apply(b.repeating("/b")))
			d := get(b, &appsv1.Deployment{}, "podinfo-primary")
			require.Equal(t, []string{"ROOT=/a", "CACHE=$(ROOT)/cache", "ROOT=/b"}, variables(d), "in their order: CACHE is /a/cache")
			require.Len(t, d.Spec.Template.Spec.Containers[0].Ports, 2)
			b.quiet("it is as desired", b.repeating("/b"))
			b.restart()
			b.quiet("an operator that has just started finds it in place", b.repeating("/b"))

			edit(b, d, "podinfo-primary", func(d *appsv1.Deployment) {
				d.Spec.Template.Spec.Containers[0].Env[2].Value = "/c"
				d.Labels = map[string]string{"theirs": "stays"}
				d.Spec.Replicas = new(int32(7))
			})
			b.pends(b.repeating("/b"))
			require.True(t, b.apply(b.repeating("/b")))
			d = get(b, &appsv1.Deployment{}, "podinfo-primary")
			require.Equal(t, "ROOT=/b", variables(d)[2], "drift is corrected")
			require.Equal(t, "stays", d.Labels["theirs"])
			b.quiet("and once", b.repeating("/b"))

			// What names everything once again takes out what is no longer wanted.
			require.True(t, b.apply(b.deployment("podinfo:2")))
			d = get(b, &appsv1.Deployment{}, "podinfo-primary")
			require.Equal(t, []string{"COLOR=blue"}, variables(d))
			require.Equal(t, "podinfo:2", d.Spec.Template.Spec.Containers[0].Image)
			b.quiet("and is left alone", b.deployment("podinfo:2"))
		})
	}
}

// Whoever was faster is not overwritten: what they have done is looked at first.
func TestRepeatedKeysAreLocked(t *testing.T) {
	b := newBench(t)
	require.True(t, b.apply(b.repeating("/b")))
	thaw := b.freeze()
	b.quiet("as fresh as can be", b.repeating("/b"))
	edit(b, &appsv1.Deployment{}, "podinfo-primary", func(d *appsv1.Deployment) { d.Spec.Template.Labels["theirs"] = "new" })
	require.True(t, b.apply(b.repeating("/c")), "look again")
	require.Equal(t, "ROOT=/b", variables(get(b, &appsv1.Deployment{}, "podinfo-primary"))[2])
	thaw()
	require.Eventually(t, func() bool {
		b.apply(b.repeating("/c"))
		return variables(get(b, &appsv1.Deployment{}, "podinfo-primary"))[2] == "ROOT=/c"
	}, patience, tick, "it is written once the cache has what they did")
}
