package console

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/desired"
	"github.com/sluice-cd/sluice/pkg/related"
	"github.com/sluice-cd/sluice/pkg/view"
)

// detailed is a Canary with what its user may do.
type detailed struct {
	view.Detail
	Can map[string]bool `json:"can"`
}

// notThere is the answer about a Canary that does not exist, or that the user may not see: which of both it is, is not told.
func notThere(namespace, name string) *failed {
	return failure(http.StatusNotFound, "there is no Canary "+namespace+"/"+name+", or you may not see it")
}

// mayGet is a failure where a user may not see a Canary. It is asked before the Canary is looked for.
func (s *Server) mayGet(ctx context.Context, u *User, namespace, name string) error {
	allowed, err := s.may(ctx, u, "get", namespace, name)
	if err == nil && !allowed {
		return notThere(namespace, name)
	}
	return err
}

// canary is the Canary of a request, for who may see it.
func (s *Server) canary(r *http.Request, u *User) (*v1beta1.Canary, error) {
	namespace, name := r.PathValue("ns"), r.PathValue("name")
	if err := s.mayGet(r.Context(), u, namespace, name); err != nil {
		return nil, err
	}
	c, err := s.cached(r.Context(), namespace, name)
	if apierrors.IsNotFound(err) {
		return nil, notThere(namespace, name)
	}
	return c, err
}

func (s *Server) serveCanary(w http.ResponseWriter, r *http.Request, u *User) error {
	c, err := s.canary(r, u)
	if err != nil {
		return err
	}
	d, err := s.detail(r.Context(), u, c)
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, d)
	return nil
}

func (s *Server) detail(ctx context.Context, u *User, c *v1beta1.Canary) (detailed, error) {
	can, err := s.can(ctx, u, c.Namespace, c.Name)
	if err != nil {
		return detailed{}, err
	}
	d := hiddenDetail(c, view.DetailOf(c, s.Now()))
	if d.Provider == "" {
		d.Provider = s.Provider
	}
	return detailed{Detail: d, Can: can}, nil
}

// pods is a Canary's tree, and what of it could not be read.
type pods struct {
	Tree   view.Node `json:"tree"`
	Unread []string  `json:"unread"`
}

func (s *Server) servePods(w http.ResponseWriter, r *http.Request, u *User) error {
	c, err := s.canary(r, u)
	if err != nil {
		return err
	}
	allowed, err := s.Rights.Allowed(r.Context(), u, Access{Verb: "list", Resource: "pods", Namespace: c.Namespace})
	if err != nil {
		return err
	}
	if !allowed {
		answer(w, http.StatusOK, pods{Tree: view.Of(view.Objects{Canary: c}).Tree, Unread: []string{"pods: you may not list them"}})
		return nil
	}
	// Of what was read the tree is kept, which is small.
	found, err := s.pods.get(r.Context(), string(c.UID), func(ctx context.Context) (any, error) { return readPods(ctx, s.API, c), nil })
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, found)
	return nil
}

func readPods(ctx context.Context, api client.Reader, c *v1beta1.Canary) pods {
	o := related.Objects(ctx, api, c)
	p := pods{Unread: []string{}}
	for _, what := range o.Unread {
		p.Unread = append(p.Unread, view.Clean(what, 300))
	}
	o.Unread = nil
	p.Tree = view.Of(o).Tree
	return p
}

// event is something that the operator, or somebody else, has told about a Canary.
type event struct {
	At      time.Time `json:"at"`
	Type    string    `json:"type"`
	Reason  string    `json:"reason"`
	Message string    `json:"message"`
	Count   int32     `json:"count"`
}

const (
	mostEvents     = 100
	mostEventsRead = 500
)

func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request, u *User) error {
	c, err := s.canary(r, u)
	if err != nil {
		return err
	}
	allowed, err := s.Rights.Allowed(r.Context(), u, Access{Verb: "list", Resource: "events", Namespace: c.Namespace})
	if err != nil {
		return err
	}
	if !allowed {
		return failure(http.StatusForbidden, "you may not list events in namespace "+c.Namespace)
	}
	found, err := s.events.get(r.Context(), string(c.UID), func(ctx context.Context) (any, error) { return s.readEvents(ctx, c) })
	if apierrors.IsForbidden(err) {
		return failure(http.StatusForbidden, "the page's account may not list events")
	}
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, map[string]any{"items": found})
	return nil
}

// readEvents reads the events of a Canary, the newest first.
func (s *Server) readEvents(ctx context.Context, c *v1beta1.Canary) ([]event, error) {
	found := &corev1.EventList{}
	about := &metav1.ListOptions{FieldSelector: "involvedObject.kind=Canary,involvedObject.name=" + c.Name}
	if err := s.API.List(ctx, found, &client.ListOptions{Namespace: c.Namespace, Limit: mostEventsRead, Raw: about}); err != nil {
		return nil, err
	}
	secrets, all := secretsOf(c), []event{}
	for i := range found.Items {
		e := &found.Items[i]
		all = append(all, event{
			At: lastSeen(e), Type: view.Clean(e.Type, 20), Reason: view.Clean(e.Reason, 128), Message: secrets.Hide(view.Clean(e.Message, 1024)), Count: max(e.Count, 1),
		})
	}
	slices.SortStableFunc(all, func(a, b event) int { return b.At.Compare(a.At) })
	return all[:min(len(all), mostEvents)], nil
}

// lastSeen is when something happened last.
func lastSeen(e *corev1.Event) time.Time {
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

func (s *Server) serveRuns(w http.ResponseWriter, r *http.Request, u *User) error {
	c, err := s.canary(r, u)
	if err != nil {
		return err
	}
	d := hiddenDetail(c, view.DetailOf(c, s.Now()))
	runs := d.Runs
	if runs == nil {
		runs = []view.RunSummary{}
	}
	answer(w, http.StatusOK, map[string]any{"items": runs})
	return nil
}

// serveRun shows the record of a run that has ended; the run under way is in the Canary itself.
func (s *Server) serveRun(w http.ResponseWriter, r *http.Request, u *User) error {
	c, err := s.canary(r, u)
	if err != nil {
		return err
	}
	number, err := strconv.ParseInt(r.PathValue("n"), 10, 64)
	if err != nil || number < 1 {
		return failure(http.StatusBadRequest, "a run has a number above zero")
	}
	if run := c.Status.Run; run != nil && run.Number == number {
		d := hiddenDetail(c, view.DetailOf(c, s.Now()))
		answer(w, http.StatusOK, view.RunDetail{
			Namespace: d.Namespace, Name: d.Name, Run: *d.Run, Plan: d.Plan, Series: d.Series, Interval: d.Interval, Provider: d.Provider,
		})
		return nil
	}
	allowed, err := s.Rights.Allowed(r.Context(), u, Access{Verb: "get", Group: v1beta1.GroupVersion.Group, Resource: "canaryruns", Namespace: c.Namespace})
	if err != nil {
		return err
	}
	if !allowed {
		return failure(http.StatusForbidden, "you may not get CanaryRuns in namespace "+c.Namespace)
	}
	record := &v1beta1.CanaryRun{}
	err = s.API.Get(r.Context(), client.ObjectKey{Namespace: c.Namespace, Name: desired.RunName(c, number)}, record)
	if apierrors.IsNotFound(err) || err == nil && !metav1.IsControlledBy(record, c) {
		return failure(http.StatusNotFound, "no record is kept of run "+strconv.FormatInt(number, 10))
	}
	if err != nil {
		return err
	}
	d, secrets := view.DetailOfRun(record), secretsOf(c)
	d.Run.Cause = secrets.Hide(d.Run.Cause)
	hideSeries(secrets, d.Series)
	answer(w, http.StatusOK, d)
	return nil
}
