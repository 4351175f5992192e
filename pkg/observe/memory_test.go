package observe

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/workload"
)

func factsOf(generation int64, image string) *desired.Facts {
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "test", Name: "podinfo", UID: "d", Generation: generation}}
	d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "podinfod", Image: image}}
	c := &v1beta1.Canary{ObjectMeta: metav1.ObjectMeta{Namespace: "test", Name: "podinfo", UID: "c"}}
	return &desired.Facts{Canary: c, Target: d}
}

func TestMemoryOfRevisions(t *testing.T) {
	m := &memory{}
	name := func(v *desired.Facts, sums map[string]string) string {
		return m.revision(v, *workload.SummaryOf(v.Target).Template, sums)
	}
	first := name(factsOf(1, "podinfo:1"), nil)
	require.Equal(t, first, name(factsOf(1, "podinfo:2"), nil), "of one generation there is one template, and it is not hashed again")
	second := name(factsOf(2, "podinfo:2"), nil)
	require.NotEqual(t, first, second)
	tracked := name(factsOf(2, "podinfo:2"), map[string]string{"secret/token": "01"})
	require.NotEqual(t, second, tracked)
	require.NotEqual(t, tracked, name(factsOf(2, "podinfo:2"), map[string]string{"secret/token": "02"}))
	require.Equal(t, second, name(factsOf(2, "podinfo:2"), map[string]string{}), "no configs are no configs")

	anew := factsOf(2, "podinfo:1")
	anew.Target.SetUID("e")
	require.Equal(t, first, name(anew, nil), "another target counts generations of its own")
	require.Equal(t, workload.Revision(anew.Target.(*appsv1.Deployment).Spec.Template, nil), first)
}

// TestTemplateIsNamed has the template of a revision with configs be known by itself.
func TestTemplateIsNamed(t *testing.T) {
	f := factsOf(1, "podinfo:1")
	f.Configs.Sums = map[string]string{"secret/token": "01"}
	configReader{&Reader{Tracking: true}}.identify(f)
	template := f.Target.(*appsv1.Deployment).Spec.Template
	require.Equal(t, workload.Revision(template, nil), f.Snapshot.Template)
	require.Equal(t, workload.Revision(template, f.Configs.Sums), f.Snapshot.Revision)
}

func TestMemoryOfReferences(t *testing.T) {
	m, c := &memory{}, factsOf(1, "podinfo:1").Canary
	token, settings := workload.Config{Kind: "Secret", Name: "token"}, workload.Config{Kind: "ConfigMap", Name: "settings"}
	object := func(name string) *metav1.ObjectMeta { return &metav1.ObjectMeta{Namespace: "test", Name: name} }
	key := []types.NamespacedName{{Namespace: "test", Name: "podinfo"}}

	m.refer(c, []workload.Config{token, settings})
	require.Equal(t, key, m.referring("Secret", object("token")))
	require.Empty(t, m.referring("ConfigMap", object("token")), "a Secret is no ConfigMap")
	require.Empty(t, m.referring("Secret", &metav1.ObjectMeta{Namespace: "other", Name: "token"}))

	m.keep(c, token, content{uid: "t", version: "1", sum: "01", tracked: true})
	head := object("token")
	head.UID, head.ResourceVersion = "t", "1"
	known, ok := m.content(c, token, head)
	require.True(t, ok)
	require.Equal(t, "01", known.sum)
	head.ResourceVersion = "2"
	_, ok = m.content(c, token, head)
	require.False(t, ok, "a version that was not read is not known")

	m.refer(c, []workload.Config{settings})
	require.Empty(t, m.referring("Secret", object("token")), "it is not referred to any more")
	head.ResourceVersion = "1"
	_, ok = m.content(c, token, head)
	require.False(t, ok, "and forgotten")

	m.forget(c)
	require.Empty(t, m.of)
	require.Empty(t, m.users, "nothing is left of a Canary that is gone")
}
