package observe

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// DefinitionKind is the kind of custom resource definitions.
var DefinitionKind = schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"}

// NewDefinition is an empty custom resource definition, to be watched as and read into.
func NewDefinition() *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(DefinitionKind)
	return u
}

const (
	// recheck is when a schema is read again that lacks something or could not be read, where no event tells of its change.
	recheck = time.Minute
	// longestPause is how long fields, at most, are held to be dropped that the schema has and the server dropped.
	longestPause = time.Hour
	// readDeadline bounds a reading, for which the looks at all Canaries wait.
	readDeadline = 5 * time.Second
)

// StatusSchema knows which fields of a Canary's status the API server drops, because the definition of Canaries that it
// serves is older than this program. It reads the definition, which is watched from the first look on. Where that is not
// permitted it reads the OpenAPI document of the group, once, and again every minute while a field is missing.
//
// A nil StatusSchema knows of none.
type StatusSchema struct {
	// Cache has the definition once Watch has begun to watch it.
	Cache client.Reader
	// Watch starts to watch the definition, or says why that cannot be.
	Watch func(context.Context) error
	// Request makes a request to the API server and returns the body of its answer.
	Request func(ctx context.Context, method, path string, body []byte) ([]byte, error)
	Now     func() time.Time

	own node

	mu        sync.Mutex
	watched   bool
	unwatched error     // why not
	read      time.Time // when it was read last without a watch
	version   string    // of the definition that was read
	lacking   []string  // as the schema says
	unread    error     // why the schema could not be read

	// Fields that an answer to a write lacked, and until when they count where the schema has them: servers of one cluster
	// may learn of a definition one after the other. Where it could not be read they count until it can.
	dropped      []string
	droppedUntil time.Time
	pause        time.Duration

	logged string // what was told last
}

// NewStatusSchema knows the schema that this program was built with.
func NewStatusSchema() (*StatusSchema, error) {
	own, err := ownSchema()
	return &StatusSchema{own: own}, err
}

// Missing are the fields of a status that the API server drops, sorted, such as analysis.metrics[].checks; and when to
// ask again, where no event will tell; zero: one will.
func (s *StatusSchema) Missing(ctx context.Context) (fields []string, after time.Duration) {
	if s == nil {
		return nil, 0
	}
	ctx, stop := context.WithTimeout(ctx, readDeadline)
	defer stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.look(ctx)
	fields, after = s.answer()
	s.tell(ctx, fields)
	return fields, after
}

// answer is what is missing as far as is known, and when that may be otherwise without an event.
func (s *StatusSchema) answer() (fields []string, after time.Duration) {
	fields = s.lacking
	if !s.watched && (len(s.lacking) > 0 || s.unread != nil) {
		after = recheck
	}
	left := s.droppedUntil.Sub(s.Now())
	switch {
	case len(s.dropped) == 0:
	case s.unread != nil: // to try would be to begin a rollout
		fields = union(fields, s.dropped)
		after = recheck
	case left > 0:
		fields = union(fields, s.dropped)
		after = left
	default:
		s.dropped = nil // the schema has them: the next write shows whether the server does by now
	}
	if len(fields) == 0 {
		after = 0 // nobody waits
	}
	return fields, after
}

// Dropped notes fields that were sent and did not come back.
func (s *StatusSchema) Dropped(fields []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.dropped) == 0 {
		s.pause = min(max(2*s.pause, recheck), longestPause)
	}
	s.dropped, s.droppedUntil = union(s.dropped, fields), s.Now().Add(s.pause)
	s.read = time.Time{} // without a watch it is time to read the schema again
}

// union has the fields of both, sorted.
func union(a, b []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(slices.Concat(a, b))))
}

// Changed takes a definition from its event, and says whether other fields are missing than those that were last told of.
func (s *StatusSchema) Changed(definition *unstructured.Unstructured) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, _ := s.answer()
	s.take(definition)
	now, _ := s.answer()
	return !slices.Equal(before, now)
}

// look brings what is known up to date: from the cache, or, where there is no watch, from the server at most once a minute.
func (s *StatusSchema) look(ctx context.Context) {
	if !s.watched {
		// A right that is missing is asked for again only where that may change something.
		known := len(s.lacking) == 0 && s.unread == nil && apierrors.IsForbidden(s.unwatched)
		if !s.read.IsZero() && (known || s.Now().Sub(s.read) < recheck) {
			return
		}
		s.read = s.Now()
		if s.unwatched = s.Watch(ctx); s.unwatched != nil {
			s.takePublished(ctx)
			return
		}
		s.watched = true
	}
	definition := NewDefinition()
	if err := s.Cache.Get(ctx, client.ObjectKey{Name: v1beta1.DefinitionName}, definition); err != nil {
		// Without a definition there are no Canaries either.
		s.unread = client.IgnoreNotFound(err)
		return
	}
	s.take(definition)
}

// take compares a definition, once for each version.
func (s *StatusSchema) take(definition *unstructured.Unstructured) {
	version := string(definition.GetUID()) + "/" + definition.GetResourceVersion()
	if version == s.version {
		return
	}
	s.version = version
	// What an answer lacked was about the definition before.
	s.dropped, s.pause = nil, 0
	served, err := definedSchema(definition.Object)
	s.set(served, err)
}

// takePublished compares the OpenAPI document, which every account may read in most clusters.
func (s *StatusSchema) takePublished(ctx context.Context) {
	text, err := s.Request(ctx, http.MethodGet, "/openapi/v3/apis/"+v1beta1.GroupVersion.String(), nil)
	document := node{}
	if err == nil {
		err = json.Unmarshal(text, &document)
	}
	served := node(nil)
	if err == nil {
		served, err = publishedSchema(document)
	}
	if err != nil {
		err = fmt.Errorf("%w; read the OpenAPI document of %s: %w", s.unwatched, v1beta1.GroupVersion, err)
	}
	s.set(served, err)
}

func (s *StatusSchema) set(served node, err error) {
	if s.unread = err; err != nil {
		s.lacking = nil
		return
	}
	s.lacking = missingStatus(s.own, served)
	// What the schema explains ends with it.
	if !slices.ContainsFunc(s.dropped, func(field string) bool { return !slices.Contains(s.lacking, field) }) {
		s.dropped, s.pause = nil, 0
	}
}

// tell logs what has changed since it was told last.
func (s *StatusSchema) tell(ctx context.Context, fields []string) {
	text := fmt.Sprint(fields, s.unread)
	if text == s.logged {
		return
	}
	first := s.logged == ""
	s.logged = text
	switch logger := log.FromContext(ctx).WithValues("definition", v1beta1.DefinitionName, "watched", s.watched); {
	case s.unread != nil:
		logger.Info("the schema of the status cannot be read, it is not compared", "because", s.unread.Error())
	case len(fields) > 0:
		logger.Info("fields of the status are not stored: the definition is older than the operator", "fields", fields)
	case !first:
		logger.Info("all fields of the status are stored")
	}
}
