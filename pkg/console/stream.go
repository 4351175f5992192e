package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// errStopped ends streams when the server does. Browsers connect again, to another replica.
var errStopped = errors.New("the server ends")

// stream is what one browser is told of changes.
type stream struct {
	*Server
	request *http.Request
	user    *User
	sub     *subscriber
	to      http.ResponseWriter
	control *http.ResponseController
}

// serveStream tells of changes as they come, until the browser goes, or may not see them any more.
func (s *Server) serveStream(w http.ResponseWriter, r *http.Request, u *User) error {
	namespace, name := r.URL.Query().Get("namespace"), r.URL.Query().Get("name")
	if name != "" && namespace == "" {
		return failure(http.StatusBadRequest, "a name needs its namespace")
	}
	st := &stream{Server: s, request: r, user: u, to: w, control: http.NewResponseController(w)}
	if err := st.reviewed(r.Context(), namespace, name); err != nil {
		return err
	}
	ctx, done, err := s.streams.begin(r.Context(), u)
	if err != nil {
		return err
	}
	defer done()
	if st.sub, err = s.hub.subscribe(ctx, namespace, name); err != nil {
		return err
	}
	defer s.hub.unsubscribe(st.sub)
	_ = st.control.SetReadDeadline(time.Time{}) // nothing more is read
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // proxies pass each event on at once
	w.WriteHeader(http.StatusOK)
	st.follow(ctx, r.Header.Get("Last-Event-ID") != "")
	return nil
}

// follow tells of changes until the context ends.
func (st *stream) follow(ctx context.Context, again bool) {
	if st.begin(ctx, again) != nil {
		return
	}
	ping, review := time.NewTicker(st.Limits.Ping), time.NewTicker(st.Limits.Review)
	defer ping.Stop()
	defer review.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			err = context.Cause(ctx)
		case <-st.ctx.Done():
			err = errStopped
		case <-ping.C:
			err = st.send("ping", "", struct{}{})
		case <-review.C:
			err = st.review(ctx)
		case <-st.sub.wake:
			err = st.changes(ctx)
		}
		if err != nil {
			st.bye(err)
			return
		}
	}
}

// begin sends what a browser needs to know where it stands.
func (st *stream) begin(ctx context.Context, again bool) error {
	switch {
	case st.sub.name != "":
		return st.tell(ctx, types.NamespacedName{Namespace: st.sub.namespace, Name: st.sub.name})
	case again:
		return st.send("reset", "", struct{}{})
	}
	return st.send("ping", "", struct{}{})
}

// bye says why a stream ends, where that is the user's concern.
func (st *stream) bye(err error) {
	if f := (*failed)(nil); errors.As(err, &f) {
		_ = st.send("bye", "", map[string]string{"error": f.text}) // it ends either way
	}
}

// review looks once more at who follows, and at what they may see.
func (st *stream) review(ctx context.Context) error {
	u, err := st.Server.user(st.request.WithContext(ctx))
	if err != nil {
		return passing(err)
	}
	if u.Name != st.user.Name || u.session != st.user.session {
		return failure(http.StatusUnauthorized, "you are somebody else by now")
	}
	st.user = u
	return passing(st.reviewed(ctx, st.sub.namespace, st.sub.name))
}

// passing is an error but of an API server that could not be asked: it is asked again.
func passing(err error) error {
	if f := (*failed)(nil); errors.As(err, &f) {
		return err
	}
	return nil
}

// reviewed is a failure where a user may not see what a stream is about. In all namespaces each Canary is looked at by itself.
func (st *stream) reviewed(ctx context.Context, namespace, name string) error {
	switch {
	case name != "":
		return st.mayGet(ctx, st.user, namespace, name)
	case namespace != "":
		may, err := st.readable(ctx, st.user, []string{namespace})
		if err == nil && !may[namespace] {
			return failure(http.StatusForbidden, "you may not list Canaries in namespace "+namespace)
		}
		return err
	}
	return nil
}

// changes tells of what has changed, a moment later: one change is often followed by another.
func (st *stream) changes(ctx context.Context) error {
	timer := time.NewTimer(st.Limits.Coalesce)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
	}
	changed, missed := st.sub.take()
	if missed {
		return st.send("reset", "", struct{}{})
	}
	namespaces := map[string]bool{}
	for key := range changed {
		namespaces[key.Namespace] = true
	}
	may := map[string]bool{}
	if st.sub.name == "" {
		var err error
		if may, err = st.readable(ctx, st.user, slices.Sorted(maps.Keys(namespaces))); err != nil {
			return st.send("reset", "", struct{}{}) // it is told later, by the list
		}
	}
	for key, gone := range changed {
		if st.sub.name == "" && !may[key.Namespace] {
			continue
		}
		var err error
		if gone {
			err = st.sendGone(key)
		} else {
			err = st.tell(ctx, key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// tell sends a Canary as it is.
func (st *stream) tell(ctx context.Context, key types.NamespacedName) error {
	c, err := st.cached(ctx, key.Namespace, key.Name)
	switch {
	case apierrors.IsNotFound(err):
		return st.sendGone(key)
	case err != nil:
		return err
	case st.sub.name != "":
		d, err := st.detail(ctx, st.user, c)
		if err != nil {
			return passing(err)
		}
		return st.send("view", c.ResourceVersion, d)
	}
	can, err := st.can(ctx, st.user, c.Namespace, "")
	if err != nil {
		return passing(err)
	}
	return st.send("view", c.ResourceVersion, listed{Row: st.row(c), Can: can})
}

func (st *stream) sendGone(key types.NamespacedName) error {
	if st.sub.name != "" {
		return st.send("gone", "", struct{}{})
	}
	return st.send("gone", "", map[string]string{"namespace": key.Namespace, "name": key.Name})
}

// send writes one event. Who does not read it in time is dropped: nothing is kept for them.
func (st *stream) send(event, id string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var b strings.Builder
	if id != "" {
		fmt.Fprintf(&b, "id: %s\n", id)
	}
	fmt.Fprintf(&b, "event: %s\ndata: %s\n\n", event, text)
	_ = st.control.SetWriteDeadline(time.Now().Add(st.Limits.Write)) // who cannot is a test
	if _, err := st.to.Write([]byte(b.String())); err != nil {
		return err
	}
	return st.control.Flush()
}

// cached is a Canary as the cache has it; it is read, and never changed.
func (s *Server) cached(ctx context.Context, namespace, name string) (*v1beta1.Canary, error) {
	c := &v1beta1.Canary{}
	return c, s.Cache.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, c)
}
