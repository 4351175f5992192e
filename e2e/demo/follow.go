package demo

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-cd/sluice/e2e/internal/traffic"
	"github.com/sluice-cd/sluice/e2e/internal/walk"
)

// goal is where a Canary is followed to.
type goal struct {
	phase   string
	waiting string // the reason of its condition Waiting; empty: any
}

func (g goal) String() string { return strings.TrimSuffix(g.phase+" "+g.waiting, " ") }

// waitingFor is what the newest Canary of a journal waits for.
func waitingFor(entries []walk.Entry) string {
	if len(entries) == 0 {
		return ""
	}
	u, is := entries[len(entries)-1].Object.(*unstructured.Unstructured)
	if !is {
		return ""
	}
	reason, _, _ := unstructured.NestedString(u.Object, "status", "waitingFor")
	return reason
}

// follow shows the Canary's way from a moment on, until it is where it is wanted: the plugin's tree at each change of phase or weight,
// and between them what users see.
func (d *demo) follow(ctx context.Context, since time.Time, to goal) error {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	tick := time.NewTicker(beat)
	defer tick.Stop()
	d.table.Header()
	shown := walk.Row{}
	for {
		entries := d.journal.Entries()
		row := walk.Last(walk.From(walk.Rows(entries, "podinfo"), since))
		if row.Phase != "" && row.String() != shown.String() {
			shown = row
			d.line(row)
			d.tree(ctx)
		}
		switch {
		case row.Phase == to.phase && (to.waiting == "" || waitingFor(entries) == to.waiting):
			if to.waiting != "" {
				d.tree(ctx)
			}
			return nil
		case row.Phase == "Failed" || row.Phase == "Succeeded":
			return fmt.Errorf("the rollout ended as %q instead of %q", row, to)
		}
		if err := d.change(ctx, tick.C, len(entries)); err != nil {
			return fmt.Errorf("waiting for %q, now %q: %w", to, row, err)
		}
	}
}

// tree shows the rollout with its pods, as the plugin does.
func (d *demo) tree(ctx context.Context) {
	_, _ = d.Run(ctx, "sluice", "get", "podinfo", "-n", namespace) // the Canary may be too new, or gone
	d.say("")
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

// busy does something that says nothing by itself, and says every so often that it goes on.
func (d *demo) busy(what string, do func() error) error {
	began, done := time.Now(), make(chan struct{})
	defer close(done)
	go func() {
		tick := time.NewTicker(silence)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				d.say("    %s: %s so far", what, minutes(time.Since(began)))
			}
		}
	}()
	return do()
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
	d.say("\n%s\n%s", text, strings.Repeat("=", len([]rune(text))))
}

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.out, format+"\n", args...) }
