package kube

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

const (
	// runDeadline bounds the making of a CanaryRun, for which its Canary waits: a webhook may take its time.
	runDeadline = 5 * time.Second
	// lastRunRetry is the longest time until a CanaryRun that is refused is tried again. Nobody waits for it.
	lastRunRetry = 10 * time.Minute
	// noRunsFor is how long a cluster counts as one without CanaryRuns, so that not each of its Canaries asks for the kind.
	noRunsFor = time.Minute
)

// RunWriter makes CanaryRuns. They are neither cached nor watched: it knows which it has made until their Canaries say so. It is safe
// for concurrent use, for different Canaries.
type RunWriter struct {
	Client client.Client
	// Now tells the time.
	Now func() time.Time

	records records

	mu     sync.Mutex
	absent error // why there are no CanaryRuns in this cluster, where that was found
	found  time.Time
}

// Known says whether a Canary's CanaryRun was made, or why it is not to be tried again yet; neither: it is to be made.
func (w *RunWriter) Known(owner *v1beta1.Canary, name string) (made bool, refused *RefusedError) {
	r := runRef(owner)
	if w.records.get(r).written == name {
		return true, nil
	}
	return false, w.records.notYet(r, runSum(name), "", w.Now())
}

// Make makes a CanaryRun and deletes the one, of this name, that is kept no longer; empty: there is none. One that is there was made
// before. What comes of anything else is a RefusedError, whose Text is empty while it may pass by itself.
func (w *RunWriter) Make(ctx context.Context, owner *v1beta1.Canary, run *v1beta1.CanaryRun, old string) (*RefusedError, error) {
	within, stop := context.WithTimeout(ctx, runDeadline)
	defer stop()
	err := w.missing()
	verb := "create"
	if err == nil {
		err = w.create(within, run)
	}
	if err == nil && old != "" {
		verb, err = "delete", w.remove(within, run.Namespace, old)
	}
	switch {
	case err == nil:
		w.records.update(runRef(owner), func(m *record) { *m = record{owner: owner.UID, written: run.Name} })
		return nil, nil
	case ctx.Err() != nil || errors.Is(err, ErrNotLeading):
		return nil, err
	}
	return w.refuse(owner, run.Name, verb, err), nil
}

// Forget drops what is remembered of a Canary that is gone.
func (w *RunWriter) Forget(c *v1beta1.Canary) { w.records.forget(c.UID) }

func (w *RunWriter) create(ctx context.Context, run *v1beta1.CanaryRun) error {
	err := w.Client.Create(ctx, run.DeepCopy(), client.FieldOwner(FieldManager))
	switch {
	case apierrors.IsAlreadyExists(err):
		return nil
	case meta.IsNoMatchError(err) || apierrors.IsNotFound(err):
		// Of the namespace the server says that it is not there, too: then the Canary is about to go.
		w.mu.Lock()
		defer w.mu.Unlock()
		w.absent, w.found = err, w.Now()
	}
	return err
}

func (w *RunWriter) remove(ctx context.Context, namespace, name string) error {
	old := &v1beta1.CanaryRun{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	return client.IgnoreNotFound(w.Client.Delete(ctx, old, client.PropagationPolicy(metav1.DeletePropagationBackground)))
}

// missing says why there are no CanaryRuns in this cluster; nil: that is not known.
func (w *RunWriter) missing() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.Now().Sub(w.found) >= noRunsFor {
		w.absent = nil
	}
	return w.absent
}

// refuse remembers when a CanaryRun that was not made is tried again. Whatever the error is: nothing is to wait for it.
func (w *RunWriter) refuse(owner *v1beta1.Canary, name, verb string, err error) *RefusedError {
	r, sum, now := runRef(owner), runSum(name), w.Now()
	kindMissing := meta.IsNoMatchError(err) || apierrors.IsNotFound(err)
	delay := firstRetry
	if last := w.records.get(r).refused; last != nil && last.sum == sum {
		delay = min(2*last.delay, lastRunRetry)
	}
	if kindMissing {
		delay = lastRunRetry
	}
	e := &RefusedError{Object: "CanaryRun " + name, Verb: verb, Again: now.Add(delay), cause: fmt.Errorf("%s CanaryRun %q: %w", verb, name, err)}
	if w.records.lasts(owner.UID, r, now) || kindMissing || Rejected(err) {
		e.Text = Words(err)
	}
	kept := *e
	w.records.update(r, func(m *record) {
		m.owner, m.refused = owner.UID, &remembered{RefusedError: &kept, sum: sum, delay: delay}
	})
	return e
}

// runRef is what the CanaryRun that a Canary calls for is known by: it calls for one at a time.
func runRef(owner *v1beta1.Canary) ref {
	return ref{kind: v1beta1.GroupVersion.WithKind("CanaryRun"), key: client.ObjectKeyFromObject(owner)}
}

func runSum(name string) [sha256.Size]byte { return sha256.Sum256([]byte(name)) }
