package observe

import (
	"maps"
	"reflect"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// memory is what was found out about Canaries and need not be found out again. To lose it costs requests and time:
// a primary that is deleted by hand before it was looked at again comes back at the size that its target was stopped at.
type memory struct {
	mu sync.Mutex
	of map[types.UID]*memo
	// The way back from a config to those it matters to: events about configs ask for it, and those are many.
	users map[configKey]map[types.NamespacedName]bool
}

// memo is what is remembered of one Canary.
type memo struct {
	revisions [2]naming // the last ones that were computed: with configs and without
	compared  comparison
	contents  map[string]content
	refers    map[configKey]bool
	labels    [2]map[string]string // of the target's pods and of the primary's
	size      int32                // of the primary
	seen      [2]serving           // the target and the primary
	baked     baking
	late      [2]*lateWorkload // the target and the primary, while they take long
}

// baking is how often the canary's containers had been started again when it was first seen to bake.
type baking struct {
	began    time.Time
	restarts workload.Restarts
}

// naming is a revision and what it is of. A pod template is the same for as long as the generation is.
type naming struct {
	target     types.UID
	generation int64
	sums       map[string]string
	revision   string
}

// comparison says whether a primary was a copy of its target.
type comparison struct {
	target, primary       types.UID
	generation, ofPrimary int64
	canary                int64 // generation
	sums                  map[string]string
	copies                map[string]string
	done, same            bool
}

// content is what one version of a config holds, as far as that may be remembered.
type content struct {
	uid     types.UID
	version string
	sum     string
	tracked bool
}

type configKey struct{ kind, namespace, name string }

// about returns what is remembered of a Canary. The lock is held.
func (m *memory) about(c *v1beta1.Canary) *memo {
	if m.of == nil {
		m.of = map[types.UID]*memo{}
		m.users = map[configKey]map[types.NamespacedName]bool{}
	}
	t, ok := m.of[c.UID]
	if !ok {
		t = &memo{contents: map[string]content{}}
		m.of[c.UID] = t
	}
	return t
}

// forget drops all of a Canary that is gone.
func (m *memory) forget(c *v1beta1.Canary) {
	m.refer(c, nil)
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.of, c.UID)
}

// revision is that of the target, computed when its template or its configs are not those of before.
func (m *memory) revision(f *desired.Facts, template corev1.PodTemplateSpec, sums map[string]string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	// A slot for each, since identify may compare with both in every look: they would drive each other out.
	slot := &m.about(f.Canary).revisions[0]
	if len(sums) == 0 {
		slot = &m.about(f.Canary).revisions[1]
	}
	// A template changes seldom, and is looked at with every event.
	target, generation := f.Target.GetUID(), f.Target.GetGeneration()
	if slot.revision == "" || slot.target != target || slot.generation != generation || !maps.Equal(slot.sums, sums) {
		*slot = naming{target: target, generation: generation, sums: sums, revision: workload.Revision(template, sums)}
	}
	return slot.revision
}

// isCopy says whether the primary is a copy of the target: compared when one of the two is not that of before. A newer API server
// may be met by every look until the next promotion.
func (m *memory) isCopy(f *desired.Facts, configs workload.Configs) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := comparison{
		target: f.Target.GetUID(), generation: f.Target.GetGeneration(), primary: f.Primary.GetUID(), ofPrimary: f.Primary.GetGeneration(),
		canary: f.Canary.Generation, sums: configs.Sums, copies: configs.Copies, done: true,
	}
	last := &m.about(f.Canary).compared
	now.same = last.same
	if reflect.DeepEqual(*last, now) {
		return last.same, nil
	}
	same, err := workload.PrimaryIsCopy(f.Kind, f.Target, f.Primary, f.Canary, configs)
	if err != nil {
		return false, err
	}
	now.same = same
	*last = now
	return same, nil
}

// content is what is known of a config at its present version.
func (m *memory) content(c *v1beta1.Canary, ref workload.Config, head metav1.Object) (content, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known, ok := m.about(c).contents[ref.Key()]
	// The UID as well: one that was made again is another, whatever its version.
	return known, ok && known.uid == head.GetUID() && known.version == head.GetResourceVersion()
}

func (m *memory) keep(c *v1beta1.Canary, ref workload.Config, found content) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.about(c).contents[ref.Key()] = found
}

// refer notes which configs wake a Canary, and drops what is known of others.
func (m *memory) refer(c *v1beta1.Canary, refs []workload.Config) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, key := m.about(c), client.ObjectKeyFromObject(c)
	now := make(map[configKey]bool, len(refs))
	keys := make(map[string]bool, len(refs))
	for _, ref := range refs {
		now[configKey{ref.Kind, c.Namespace, ref.Name}] = true
		keys[ref.Key()] = true
	}
	// Here, because it is the one moment at which all that the target refers to is at hand.
	maps.DeleteFunc(t.contents, func(key string, _ content) bool { return !keys[key] })
	// All that was noted is taken back, then noted anew: whatever the target has stopped to refer to wakes nobody.
	for k := range t.refers {
		if delete(m.users[k], key); len(m.users[k]) == 0 {
			delete(m.users, k)
		}
	}
	for k := range now {
		if m.users[k] == nil {
			m.users[k] = map[types.NamespacedName]bool{}
		}
		m.users[k][key] = true
	}
	t.refers = now
}

// referring are the Canaries whose targets refer to a config.
func (m *memory) referring(kind string, o metav1.Object) []types.NamespacedName {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []types.NamespacedName
	for key := range m.users[configKey{kind, o.GetNamespace(), o.GetName()}] {
		all = append(all, key)
	}
	return all
}

// picture notes how a Canary's workloads look.
func (m *memory) picture(f *desired.Facts) {
	m.mu.Lock()
	defer m.mu.Unlock()
	// What is gone stays as it looked last: the size of a primary is needed when there is none.
	t := m.about(f.Canary)
	if f.Target != nil {
		t.labels[0] = workload.SummaryOf(f.Target).Template.Labels
	}
	if f.Primary != nil {
		t.labels[1] = workload.SummaryOf(f.Primary).Template.Labels
		t.size = workload.SummaryOf(f.Primary).Size
	}
}

// restarts are those that the canary's containers had when the bake that began then was first looked at.
func (m *memory) restarts(c *v1beta1.Canary, began time.Time, pods []corev1.Pod) workload.Restarts {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := &m.about(c).baked
	if !b.began.Equal(began) {
		*b = baking{began: began, restarts: workload.RestartsOf(pods)}
	}
	return b.restarts
}

// size is that of the primary when it was last there, zero when that is not known.
func (m *memory) size(c *v1beta1.Canary) int32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.about(c).size
}

// protects says that a budget is about the pods of either side, as far as these are known.
func (m *memory) protects(c *v1beta1.Canary, o client.Object) bool {
	b, ok := o.(*policyv1.PodDisruptionBudget)
	m.mu.Lock()
	defer m.mu.Unlock()
	sides := m.about(c).labels
	return ok && (workload.SelectorMatches(b.Spec.Selector, sides[0]) || workload.SelectorMatches(b.Spec.Selector, sides[1]))
}

// Referring are the Canaries whose targets refer to a config, as far as this process has looked at them.
func (r *Reader) Referring(kind string, o metav1.Object) []types.NamespacedName {
	return r.memory.referring(kind, o)
}

// Protects says that a budget is about the pods of either side of a Canary, as far as these are known.
func (r *Reader) Protects(c *v1beta1.Canary, o client.Object) bool { return r.memory.protects(c, o) }
