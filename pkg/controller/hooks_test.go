package controller

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/analysis"
	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/notify"
)

// called is what a hook was sent.
type called struct {
	Path      string `json:"-"`
	Name      string
	Namespace string
	Phase     string
	Checksum  string
	Metadata  map[string]string
}

// receiver is a server of hooks that keeps what it is sent. Paths that refuse answer 500.
type receiver struct {
	*httptest.Server
	mu      sync.Mutex
	got     []called
	refuses map[string]bool
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{refuses: map[string]bool{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		c := called{Path: req.URL.Path}
		if err := json.NewDecoder(req.Body).Decode(&c); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got = append(r.got, c)
		if r.refuses[c.Path] {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = w.Write([]byte("not clean"))
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// at are the calls of a path so far.
func (r *receiver) at(path string) []called {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []called
	for _, c := range r.got {
		if c.Path == path {
			all = append(all, c)
		}
	}
	return all
}

func (r *receiver) messages(path string) []string {
	var all []string
	for _, c := range r.at(path) {
		all = append(all, c.Metadata["eventMessage"])
	}
	return all
}

func hook(name string, kind v1beta1.HookType, url string) v1beta1.CanaryWebhook {
	return v1beta1.CanaryWebhook{Name: name, Type: kind, URL: url}
}

// calling has an operator call hooks as a real one does.
func calling(eventURL string) func(*Reconciler) {
	return func(r *Reconciler) {
		r.Announcer.Hooks, r.Announcer.EventURL = analysis.New("http://nowhere.invalid", "istio"), eventURL
	}
}

// hooked starts an operator that calls hooks, for a Canary that has some.
func (w *world) hooked(eventURL string, hooks ...v1beta1.CanaryWebhook) *operator {
	w.Helper()
	require.NoError(w, w.Create(w.Context(), w.canary(func(c *v1beta1.Canary) { c.Spec.Analysis.Webhooks = hooks })))
	o := start(w.T, w.ns, w.clock, w.judge, 0, calling(eventURL))
	w.tell(o)
	w.awaitPhase(v1beta1.PhaseInitialized)
	return o
}

func TestEveryEventIsToldToHooks(t *testing.T) {
	t.Parallel()
	w, r := newWorld(t), newReceiver(t)
	mine := hook("chat", v1beta1.EventHook, r.URL+"/mine")
	mine.Metadata = map[string]string{"team": "payments", "eventType": "never"}
	o := w.hooked(r.URL+"/operators", mine)
	began := time.Now().Add(-time.Minute)
	w.setImage(imageTwo)
	w.awaitPhase(v1beta1.PhaseSucceeded)
	w.await("the last event is told", func() bool {
		told := r.at("/mine")
		return len(told) > 0 && told[len(told)-1].Metadata["eventMessage"] == "Promotion completed! Scaling down podinfo."+w.ns+": podinfo:2 serves all requests"
	})
	require.Len(t, r.at("/mine"), len(o.events()))

	var said []string
	for _, c := range r.at("/mine") {
		require.Equal(t, "podinfo", c.Name)
		require.Equal(t, w.ns, c.Namespace)
		require.NotEmpty(t, c.Checksum)
		require.Equal(t, "payments", c.Metadata["team"], "what the user passes along is there")
		require.Contains(t, []string{"Normal", "Warning"}, c.Metadata["eventType"], "and does not override")
		at, err := strconv.ParseInt(c.Metadata["timestamp"], 10, 64)
		require.NoError(t, err)
		require.WithinRange(t, time.UnixMilli(at), began.Add(-time.Hour), time.Now().Add(time.Second), "in milliseconds")
		said = append(said, c.Metadata["eventMessage"])
	}
	for i, e := range o.events() {
		require.Contains(t, e, said[i], "events are told in their order")
	}
	last := r.at("/mine")[len(said)-1]
	require.Equal(t, "Promotion completed! Scaling down podinfo."+w.ns+": podinfo:2 serves all requests", last.Metadata["eventMessage"])
	require.Equal(t, "Succeeded", last.Phase, "the phase is that of the status")
	require.Empty(t, r.at("/operators"), "a Canary's own hooks replace the operator's")
}

func TestEventsOfOthersAreToldToTheOperatorsHook(t *testing.T) {
	t.Parallel()
	w, r := newWorld(t), newReceiver(t)
	w.hooked(r.URL + "/operators")
	w.await("a Canary without event hooks is told there", func() bool {
		said := r.messages("/operators")
		return len(said) > 0 && said[len(said)-1] == "Initialization done! podinfo."+w.ns
	})
}

func TestPostRolloutHooks(t *testing.T) {
	t.Parallel()
	w, r := newWorld(t), newReceiver(t)
	o := w.hooked("", hook("clean", v1beta1.PostRolloutHook, r.URL+"/clean"), hook("report", v1beta1.PostRolloutHook, r.URL+"/report"))
	w.setImage(imageTwo)
	w.awaitPhase(v1beta1.PhaseSucceeded)
	w.awaitEvent(o, "Normal HookPassed Post-rollout check clean passed")
	w.awaitEvent(o, "Normal HookPassed Post-rollout check report passed")
	require.Equal(t, "Succeeded", r.at("/clean")[0].Phase)
	require.Len(t, r.at("/report"), 1)

	r.mu.Lock()
	r.refuses["/clean"] = true
	r.mu.Unlock()
	w.judge.fail(100)
	w.setImage(imageThree)
	w.awaitPhase(v1beta1.PhaseFailed)
	w.awaitEvent(o, "Warning HookFailed Post-rollout hook clean failed 500 Internal Server Error: not clean")
	require.Equal(t, "Failed", r.at("/clean")[1].Phase)
	require.Len(t, r.at("/report"), 1, "the first that fails is the last that is called")
	w.awaitSettled(v1beta1.PhaseFailed, imageTwo)
}

func TestPostRolloutHooksAreCalledWithoutAnalysis(t *testing.T) {
	t.Parallel()
	w, r := newWorld(t), newReceiver(t)
	o := w.hooked("", hook("clean", v1beta1.PostRolloutHook, r.URL+"/clean"))
	w.editCanary(func(c *v1beta1.Canary) { c.Spec.SkipAnalysis = true })
	w.setImage(imageTwo)
	w.awaitPhase(v1beta1.PhaseSucceeded)
	w.awaitEvent(o, "Post-rollout check clean passed")
	require.Equal(t, "Succeeded", r.at("/clean")[0].Phase)
}

func TestHooksNeverHoldARolloutUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hung := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hung }))
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(hung) })
	slow := hook("slow", v1beta1.EventHook, s.URL)
	slow.Timeout = "1h"
	require.NoError(t, w.Create(t.Context(), w.canary(func(c *v1beta1.Canary) { c.Spec.Analysis.Webhooks = []v1beta1.CanaryWebhook{slow} })))
	o := start(t, w.ns, w.clock, w.judge, 0, calling(""), func(r *Reconciler) {
		r.Announcer.Calls = notify.NewQueue(notify.Limits{OwnRoom: 1, SharedRoom: 1}, logr.Discard())
	})
	go func() { _ = o.reconcr.Announcer.Calls.Run(t.Context()) }()
	w.awaitPhase(v1beta1.PhaseInitialized)
	w.setImage(imageTwo)
	w.awaitPhase(v1beta1.PhaseSucceeded)
	w.await("what does not fit is dropped, and counted", func() bool { return o.reconcr.Announcer.Calls.Dropped() > 0 })
	require.Zero(t, o.reconcr.Announcer.Queue.Dropped(), "alerts have a queue of their own")
}
