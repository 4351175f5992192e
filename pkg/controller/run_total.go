package controller

import (
	"context"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// RunTotal bounds the CanaryRuns of a cluster: when this replica begins to work they are listed once, and the oldest of those that
// are too many are deleted. In between their number grows by the Canaries alone.
type RunTotal struct {
	Most      int // that there are to be
	Namespace string
	Live      client.Reader // the API server: they are not cached
	Client    client.Client
	Leads     func() bool

	due chan struct{} // has one in it: they are to be counted now
}

// runPage is how many CanaryRuns are listed by one request, as metadata.
const runPage = 500

// NewRunTotal reads from the API server and deletes there.
func NewRunTotal(most int, live client.Reader, c client.Client) *RunTotal {
	return &RunTotal{Most: most, Live: live, Client: c, Leads: func() bool { return true }, due: make(chan struct{}, 1)}
}

// Count has them counted soon. It may be called on nil.
func (t *RunTotal) Count() {
	if t == nil {
		return
	}
	select {
	case t.due <- struct{}{}:
	default: // it is about to be done
	}
}

// Start counts until ctx ends.
func (t *RunTotal) Start(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.due:
		}
		if err := t.prune(ctx); err != nil && ctx.Err() == nil && !meta.IsNoMatchError(err) {
			// Nothing depends on it.
			log.FromContext(ctx).Info("the total of CanaryRuns is not bounded", "error", err.Error())
		}
	}
}

// oldRun is what is known of a CanaryRun for this.
type oldRun struct {
	key  types.NamespacedName
	uid  types.UID
	made metav1.Time
}

// prune deletes the oldest of those that are too many.
func (t *RunTotal) prune(ctx context.Context) error {
	all, err := t.list(ctx)
	if err != nil || len(all) <= t.Most {
		return err
	}
	slices.SortFunc(all, func(a, b oldRun) int {
		if c := a.made.Compare(b.made.Time); c != 0 {
			return c
		}
		return strings.Compare(a.key.String(), b.key.String())
	})
	tooMany := all[:len(all)-t.Most]
	log.FromContext(ctx).Info("deleting the oldest CanaryRuns", "total", len(all), "most", t.Most)
	for _, old := range tooMany {
		if !t.Leads() {
			return nil
		}
		run := &v1beta1.CanaryRun{ObjectMeta: metav1.ObjectMeta{Namespace: old.key.Namespace, Name: old.key.Name}}
		if err := client.IgnoreNotFound(t.Client.Delete(ctx, run, client.Preconditions{UID: &old.uid})); err != nil {
			return err
		}
	}
	return nil
}

func (t *RunTotal) list(ctx context.Context) (all []oldRun, err error) {
	page := &metav1.PartialObjectMetadataList{}
	page.SetGroupVersionKind(v1beta1.GroupVersion.WithKind("CanaryRunList"))
	for t.Leads() {
		if err := t.Live.List(ctx, page, client.InNamespace(t.Namespace), client.Limit(runPage), client.Continue(page.Continue)); err != nil {
			return nil, err
		}
		for i := range page.Items {
			m := &page.Items[i]
			all = append(all, oldRun{key: client.ObjectKeyFromObject(m), uid: m.UID, made: m.CreationTimestamp})
		}
		if page.Continue == "" {
			break
		}
	}
	return all, nil
}
