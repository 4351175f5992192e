package cluster

import (
	"context"
	"fmt"
	"slices"
)

// Status says what runs, and where to find the rest. It returns whether all of a
// finished cluster is there.
func (l Layout) Status(ctx context.Context, say *Speaker) (bool, error) {
	runs, err := l.alive()
	if err != nil {
		return false, err
	}
	have, finished := l.saved()
	if !finished && len(runs) == 0 {
		say.Say("there is no cluster in %s", l)
		return false, nil
	}
	whole := finished
	for _, part := range have.Parts {
		pid, alive := runs[part]
		whole = whole && alive
		say.Say("%-24s %s", part, life(pid, alive))
	}
	for part, pid := range runs {
		if !slices.Contains(have.Parts, part) {
			say.Say("%-24s %s", part, life(pid, true))
		}
	}
	if err := l.apiReady(ctx); err != nil {
		say.Say("the API server is not ready: %v", err)
		whole = false
	}
	l.sayPlaces(say, have.Options)
	return whole, nil
}

func life(pid int, alive bool) string {
	if !alive {
		return "GONE"
	}
	return fmt.Sprintf("process %d", pid)
}

func (l Layout) sayPlaces(say *Speaker, o Options) {
	say.Say("kubeconfig  %s", l.Kubeconfig())
	say.Say("logs        %s", l.path("log"))
	if o.Audit {
		say.Say("audit log   %s", l.AuditLog())
	}
	if o.ControlPlaneOnly {
		return
	}
	say.Say("gateway     %s", Gateway)
	say.Say("prometheus  %s", Prometheus)
	say.Say("slack       %s", Slack)
}
