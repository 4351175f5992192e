package observe

import (
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/workload"
)

// The pods of a workload that takes long are listed with a growing pause: all that it is looked at for meanwhile, each of its
// pods, is said by its own status.

const (
	// slowAfter is how long a workload may take to start before its pods are looked at: most are up by then,
	// and reading pods costs a request.
	slowAfter = 10 * time.Second
	// leastPause and mostPause are between two lists of pods. The longer one is shorter than the grace of a pod that fails, so
	// that it makes no verdict late.
	leastPause, mostPause = 10 * time.Second, 20 * time.Second
)

// lateWorkload is what the pods of a workload that takes long told when they were listed last.
type lateWorkload struct {
	of         types.UID
	generation int64
	status     rollout.Health // as its own status said
	found      rollout.Workload
	listed     time.Time
	pause      time.Duration
}

// holds says that pods need not be listed again. A verdict is taken on pods as they are.
func (l *lateWorkload) holds(o client.Object, status rollout.Health, now time.Time, live bool) bool {
	if l == nil || l.of != o.GetUID() || l.generation != o.GetGeneration() || l.status != status || now.Before(l.listed) {
		return false
	}
	age := now.Sub(l.listed)
	if live && l.found.Health == rollout.Stuck && age >= freshFor {
		return false
	}
	// One that fails is stuck from then on, if it still does.
	stuck := l.found.Since.Add(workload.PodFailureGrace)
	if l.found.Health == rollout.Starting && stuck.After(l.listed) && !now.Before(stuck) {
		return false
	}
	return age < l.pause
}

// lateOf is what is known of a side that takes long; nil: nothing.
func (m *memory) lateOf(c *v1beta1.Canary, s side) *lateWorkload {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.about(c).late[sideOf(s)]
}

// keepLate remembers what was found of a side that takes long; nil: it does not.
func (m *memory) keepLate(c *v1beta1.Canary, s side, l *lateWorkload) {
	m.mu.Lock()
	defer m.mu.Unlock()
	last := &m.about(c).late[sideOf(s)]
	if l != nil {
		l.pause = leastPause
		if *last != nil && (*last).of == l.of && (*last).generation == l.generation {
			l.pause = min(2*(*last).pause, mostPause)
		}
	}
	*last = l
}
