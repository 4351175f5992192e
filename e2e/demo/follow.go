package demo

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-cd/sluice/e2e/internal/traffic"
	"github.com/sluice-cd/sluice/e2e/internal/walk"
)

// follow shows the Canary's way from a moment on, until it is in a phase.
func (d *demo) follow(ctx context.Context, since time.Time, phase string) error {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	tick := time.NewTicker(beat)
	defer tick.Stop()
	d.table.Header()
	shown := walk.Row{}
	for {
		seen := len(d.journal.Entries())
		row := walk.Last(walk.From(walk.Rows(d.journal.Entries(), "podinfo"), since))
		if row.String() != shown.String() {
			shown = row
			d.line(row)
		}
		if row.Phase == phase {
			return nil
		}
		if row.Phase == "Failed" || row.Phase == "Succeeded" {
			return fmt.Errorf("the rollout ended as %q instead of %q", row, phase)
		}
		if err := d.change(ctx, tick.C, seen); err != nil {
			return fmt.Errorf("waiting for phase %q, now %q: %w", phase, row, err)
		}
	}
}

// change waits until there is something new; meanwhile it shows every so often what users see.
func (d *demo) change(ctx context.Context, tick <-chan time.Time, seen int) error {
	grown := make(chan error, 1)
	waiting, done := context.WithCancel(ctx)
	defer done()
	go func() { grown <- d.journal.Wait(waiting, func(e []walk.Entry) bool { return len(e) > seen }) }()
	for {
		select {
		case err := <-grown:
			return err
		case <-tick:
			d.line(walk.Last(walk.Rows(d.journal.Entries(), "podinfo")))
		}
	}
}

// line is one line of the table, as of now.
func (d *demo) line(row walk.Row) {
	row.At = time.Now()
	d.table.Line(row, d.lately())
}

// lately is what users saw in the last seconds.
func (d *demo) lately() traffic.Report {
	if d.users == nil {
		return traffic.Report{}
	}
	return d.users.Since(time.Now().Add(-lately))
}

func (d *demo) title(text string) {
	d.say("\n%s\n%s", text, strings.Repeat("=", len(text)))
}

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.out, format+"\n", args...) }
