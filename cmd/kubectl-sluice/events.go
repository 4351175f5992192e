package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/view"
)

type events struct {
	cluster
	output
	watch bool
}

func newEvents() *cobra.Command {
	e := &events{}
	c := &cobra.Command{
		Use:               "events NAME",
		Short:             "Show what the operator has told about a Canary",
		Args:              oneArg,
		ValidArgsFunction: e.complete,
		RunE:              func(c *cobra.Command, args []string) error { return e.run(c, named(args)[0]) },
	}
	c.Flags().BoolVarP(&e.watch, "watch", "w", false, "Go on showing them")
	e.output.addFlags(c)
	e.cluster.addFlags(c)
	return c
}

func (e *events) run(c *cobra.Command, name string) error {
	if err := e.validate(); err != nil {
		return err
	}
	k, err := e.connect()
	if err != nil {
		return err
	}
	ctx, out := c.Context(), c.OutOrStdout()
	if _, err := k.canary(ctx, name); err != nil {
		return err
	}
	about := metav1.ListOptions{FieldSelector: "involvedObject.kind=Canary,involvedObject.name=" + name}
	found := &corev1.EventList{}
	if err := k.List(ctx, found, &client.ListOptions{Namespace: k.namespace, Limit: pageSize, Raw: &about}); err != nil {
		return err
	}
	slices.SortStableFunc(found.Items, func(a, b corev1.Event) int { return last(&a).Compare(last(&b)) })
	if e.format != "" {
		found.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("EventList"))
		for i := range found.Items {
			found.Items[i].SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Event"))
		}
		return e.print(out, found)
	}
	if len(found.Items) == 0 {
		fmt.Fprintln(c.ErrOrStderr(), "No events found: clusters keep them for an hour or so.")
	}
	for i := range found.Items {
		tellEvent(out, &found.Items[i])
	}
	if !e.watch {
		return nil
	}
	about.ResourceVersion = found.ResourceVersion
	return k.watchEvents(ctx, out, about)
}

// last is when something happened last.
func last(e *corev1.Event) time.Time {
	switch {
	case !e.LastTimestamp.IsZero():
		return e.LastTimestamp.Time
	case e.Series != nil:
		return e.Series.LastObservedTime.Time
	case !e.EventTime.IsZero():
		return e.EventTime.Time
	}
	return e.CreationTimestamp.Time
}

func tellEvent(out io.Writer, e *corev1.Event) {
	times := ""
	if e.Count > 1 {
		times = fmt.Sprintf(" (x%d)", e.Count)
	}
	fmt.Fprintf(out, "%-6s %-8s %-24s %s%s\n", duration.HumanDuration(max(time.Since(last(e)), 0)), view.Clean(e.Type, 20), view.Clean(e.Reason, 128), view.Clean(e.Message, 1024), times)
}

// watchEvents tells events as they come, until the context ends.
func (k *connection) watchEvents(ctx context.Context, out io.Writer, about metav1.ListOptions) error {
	for {
		changes, err := k.Watch(ctx, &corev1.EventList{}, &client.ListOptions{Namespace: k.namespace, Raw: &about})
		if err != nil {
			return err
		}
		for change := range changes.ResultChan() {
			if e, is := change.Object.(*corev1.Event); is && change.Type != "DELETED" {
				about.ResourceVersion = e.ResourceVersion
				tellEvent(out, e)
			} else if !is { // too old to go on from
				about.ResourceVersion = ""
			}
		}
		changes.Stop()
		if err := pause(ctx, retryAfter); err != nil {
			return err
		}
	}
}
