package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/related"
	"github.com/sluice-cd/sluice/pkg/view"
)

type get struct {
	cluster
	look
	output
	watch   bool
	limit   int
	timeout time.Duration
}

func newGet() *cobra.Command {
	g := &get{}
	c := &cobra.Command{
		Use:               "get NAME",
		Short:             "Show a rollout with its runs, pods and jobs",
		Example:           "  kubectl sluice get podinfo -n test -w",
		Args:              oneArg,
		ValidArgsFunction: g.complete,
		RunE:              func(c *cobra.Command, args []string) error { return g.run(c, named(args)[0]) },
	}
	f := c.Flags()
	f.BoolVarP(&g.watch, "watch", "w", false, "Go on showing it: on a terminal drawn anew, else a line for each change")
	f.IntVar(&g.limit, "limit", 3, "Runs that are shown at most; 0: all")
	f.DurationVar(&g.timeout, "timeout", 0, "End --watch after this time; 0: never")
	g.look.addFlags(c)
	g.output.addFlags(c)
	g.cluster.addFlags(c)
	return c
}

func (g *get) run(c *cobra.Command, name string) error {
	if err := g.validate(); err != nil {
		return err
	}
	k, err := g.connect()
	if err != nil {
		return err
	}
	out := c.OutOrStdout()
	_, _, on := terminal(out)
	switch {
	case g.watch && g.format != "":
		return usageError{errors.New("--watch and -o do not go together")}
	case g.watch && on:
		return g.redraw(c.Context(), k, name, out)
	case g.watch:
		return g.transitions(c.Context(), k, name, out)
	}
	canary, err := k.canary(c.Context(), name)
	if err != nil {
		return err
	}
	if g.format != "" {
		return g.print(out, canary)
	}
	style, err := g.style(out)
	if err != nil {
		return err
	}
	style.Runs, style.Height = g.limit, 0
	printLines(out, style.Lines(view.Of(related.Objects(c.Context(), k, canary))))
	return nil
}

// within is a context that ends by a timeout.
func within(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if timeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, timeout, exitError{exitTimeout, fmt.Errorf("%s are over", timeout)})
}

// transitions are a line for each change.
func (g *get) transitions(ctx context.Context, k *connection, name string, out io.Writer) error {
	ctx, cancel := within(ctx, g.timeout)
	defer cancel()
	last := ""
	return k.follow(ctx, name, func(c *v1beta1.Canary) (bool, error) {
		style, err := g.style(out)
		v := view.Of(view.Objects{Canary: c})
		if where := v.Where(); where != last && err == nil {
			last = where
			fmt.Fprintln(out, style.Transition(v))
		}
		return false, err
	})
}

// redraw shows the tree within the height of the terminal, at each change and every two seconds: pods are not watched.
func (g *get) redraw(ctx context.Context, k *connection, name string, out io.Writer) error {
	ctx, cancel := within(ctx, g.timeout)
	defer cancel()
	changes, ended := make(chan *v1beta1.Canary), make(chan error, 1)
	go func() {
		ended <- k.follow(ctx, name, func(c *v1beta1.Canary) (bool, error) {
			select {
			case changes <- c:
				return false, nil
			case <-ctx.Done():
				return true, context.Cause(ctx)
			}
		})
	}()
	tick := time.NewTicker(retryAfter)
	defer tick.Stop()
	shown := screen{out: out}
	var canary *v1beta1.Canary
	for {
		select {
		case err := <-ended:
			return err
		case canary = <-changes:
		case <-tick.C:
		}
		if canary == nil {
			continue
		}
		objects := related.Objects(ctx, k, canary)
		style, err := g.style(out)
		if err != nil {
			return err
		}
		style.Runs = g.limit
		shown.draw(style.Lines(view.Of(objects)))
	}
}

type list struct {
	cluster
	look
	output
	all, watch, waiting bool
	selector            string
}

func newList() *cobra.Command {
	l := &list{}
	c := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List rollouts, a line each",
		Example: "  kubectl sluice list -A --waiting",
		Args:    noArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return l.run(c) },
	}
	f := c.Flags()
	f.BoolVarP(&l.all, "all-namespaces", "A", false, "Of all namespaces")
	f.BoolVarP(&l.watch, "watch", "w", false, "Go on showing them")
	f.BoolVar(&l.waiting, "waiting", false, "Only those that wait for a person")
	f.StringVarP(&l.selector, "selector", "l", "", "Labels of those that are listed")
	l.look.addFlags(c)
	l.output.addFlags(c)
	l.cluster.addFlags(c)
	return c
}

func (l *list) run(c *cobra.Command) error {
	if err := l.validate(); err != nil {
		return err
	}
	if l.watch && l.format != "" {
		return usageError{errors.New("--watch and -o do not go together")}
	}
	k, err := l.connect()
	if err != nil {
		return err
	}
	namespace := k.namespace
	if l.all {
		namespace = ""
	}
	found, err := k.canaries(c.Context(), namespace, l.selector)
	if err != nil {
		return err
	}
	out := c.OutOrStdout()
	if l.watch {
		return l.follow(c.Context(), k, namespace, found, out)
	}
	if l.waiting {
		found.Items = slices.DeleteFunc(found.Items, func(c v1beta1.Canary) bool { return !waitsForPerson(&c) })
	}
	if l.format != "" {
		return l.print(out, found)
	}
	if len(found.Items) == 0 {
		fmt.Fprintln(c.ErrOrStderr(), "No Canaries found.")
		return nil
	}
	style, err := l.style(out)
	if err != nil {
		return err
	}
	printLines(out, style.List(viewsOf(found.Items), l.all))
	return nil
}

func waitsForPerson(c *v1beta1.Canary) bool {
	v := view.Of(view.Objects{Canary: c})
	return v.Waiting != nil && v.Waiting.Person
}

func viewsOf(canaries []v1beta1.Canary) []view.View {
	views := make([]view.View, len(canaries))
	for i := range canaries {
		views[i] = view.Of(view.Objects{Canary: &canaries[i]})
	}
	return views
}

// listing are Canaries that are watched.
type listing struct {
	*list
	out   io.Writer
	shown screen
	now   map[client.ObjectKey]v1beta1.Canary
	told  map[client.ObjectKey]string
}

// follow shows changes: on a terminal the table drawn anew, else a line for each.
func (l *list) follow(ctx context.Context, k *connection, namespace string, found *v1beta1.CanaryList, out io.Writer) error {
	w := &listing{list: l, out: out, shown: screen{out: out}, told: map[client.ObjectKey]string{}}
	for {
		w.now = map[client.ObjectKey]v1beta1.Canary{}
		for _, c := range found.Items {
			w.now[client.ObjectKeyFromObject(&c)] = c
		}
		if err := w.show(); err != nil {
			return err
		}
		if err := w.watchAll(ctx, k, namespace, found.ResourceVersion); err != nil {
			return err
		}
		for {
			if err := pause(ctx, retryAfter); err != nil {
				return err
			}
			again, err := k.canaries(ctx, namespace, l.selector)
			if err == nil {
				found = again
				break
			}
		}
	}
}

// watchAll shows changes until the watch ends.
func (w *listing) watchAll(ctx context.Context, k *connection, namespace, from string) error {
	o := &client.ListOptions{Namespace: namespace, Raw: &metav1.ListOptions{ResourceVersion: from}}
	if selector, err := labels.Parse(w.selector); err == nil {
		o.LabelSelector = selector
	}
	changes, err := k.Watch(ctx, &v1beta1.CanaryList{}, o)
	if err != nil {
		return err
	}
	defer changes.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case e, open := <-changes.ResultChan():
			c, is := e.Object.(*v1beta1.Canary)
			if !open || !is {
				return nil
			}
			key := client.ObjectKeyFromObject(c)
			w.now[key] = *c
			if e.Type == watch.Deleted {
				delete(w.now, key)
			}
			if len(changes.ResultChan()) == 0 { // what has come together is shown together
				if err := w.show(); err != nil {
					return err
				}
			}
		}
	}
}

func (w *listing) show() error {
	style, err := w.style(w.out)
	if err != nil {
		return err
	}
	var canaries []v1beta1.Canary
	for _, c := range w.now {
		if !w.waiting || waitsForPerson(&c) {
			canaries = append(canaries, c)
		}
	}
	slices.SortFunc(canaries, func(a, b v1beta1.Canary) int { return compareKeys(&a, &b) })
	if _, _, on := terminal(w.out); on {
		lines := style.List(viewsOf(canaries), w.all)
		w.shown.draw(lines[:min(len(lines), style.Height)])
		return nil
	}
	for i := range canaries {
		key, v := client.ObjectKeyFromObject(&canaries[i]), view.Of(view.Objects{Canary: &canaries[i]})
		if where := v.Where(); w.told[key] != where {
			w.told[key] = where
			fmt.Fprintf(w.out, "%s/%s %s\n", v.Namespace, v.Name, style.Transition(v))
		}
	}
	return nil
}
