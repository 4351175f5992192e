package console

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/utils/lru"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// Access is something that a user may or may not do.
type Access struct {
	Verb      string
	Group     string
	Resource  string
	Namespace string // empty: in all
	Name      string // empty: any
}

// Rights knows who may do what.
type Rights interface {
	Allowed(ctx context.Context, u *User, a Access) (bool, error)
}

// skipStep is the verb that promote with skip-step takes beside its own.
const skipStep = "skip-step"

// verbs are those that a user is told whether they may be asked for.
var verbs = func() []string {
	all := []string{skipStep}
	for _, verb := range v1beta1.ActionVerbs {
		all = append(all, string(verb))
	}
	return all
}()

func onCanaries(verb, namespace, name string) Access {
	return Access{Verb: verb, Group: v1beta1.GroupVersion.Group, Resource: "canaries", Namespace: namespace, Name: name}
}

const (
	// rightsTTL is how long an answer of the API server is good for.
	rightsTTL = 10 * time.Second
	// rightsKept bounds how many are remembered.
	rightsKept = 8192
	// reviewDeadline bounds one request for a review.
	reviewDeadline = 5 * time.Second
	// reviewsAtOnce bounds how many rights of one request are asked for at a time.
	reviewsAtOnce = 16
)

// Reviews are the rights that the API server has a review of.
type Reviews struct {
	Client client.Client
	// Self says that all requests are the user's own, so that no right to review others is needed.
	Self bool
	Now  func() time.Time

	mu    sync.Mutex
	known *lru.Cache // rights by a hash of who may do what
}

type right struct {
	allowed bool
	at      time.Time
}

// Allowed asks the API server, unless it was asked a moment ago.
func (r *Reviews) Allowed(ctx context.Context, u *User, a Access) (bool, error) {
	key := sha256.Sum256([]byte(fmt.Sprintf("%q %q %q %q %q", u.Name, u.UID, u.Groups, fmt.Sprint(u.Extra), fmt.Sprintf("%q", a))))
	if known, ok := r.cached(key); ok {
		return known, nil
	}
	ctx, stop := context.WithTimeout(ctx, reviewDeadline)
	defer stop()
	allowed, err := r.ask(ctx, u, a)
	if err != nil {
		return false, fmt.Errorf("review whether %q may %s %s: %w", u.Name, a.Verb, a.Resource, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known.Add(key, right{allowed: allowed, at: r.Now()})
	return allowed, nil
}

func (r *Reviews) cached(key [sha256.Size]byte) (allowed, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil {
		r.known = lru.New(rightsKept)
	}
	if known, found := r.known.Get(key); found && r.Now().Sub(known.(right).at) < rightsTTL {
		return known.(right).allowed, true
	}
	return false, false
}

func (r *Reviews) ask(ctx context.Context, u *User, a Access) (bool, error) {
	what := &authorizationv1.ResourceAttributes{Verb: a.Verb, Group: a.Group, Resource: a.Resource, Namespace: a.Namespace, Name: a.Name}
	if r.Self {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: what}}
		err := r.Client.Create(ctx, review)
		return review.Status.Allowed, err
	}
	extra := map[string]authorizationv1.ExtraValue{}
	for key, value := range u.Extra {
		extra[key] = authorizationv1.ExtraValue(value)
	}
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: u.Name, UID: u.UID, Groups: u.Groups, Extra: extra, ResourceAttributes: what,
	}}
	err := r.Client.Create(ctx, review)
	return review.Status.Allowed, err
}

// can says of each verb whether a user may use it on a Canary; without a name, on all of a namespace.
func (s *Server) can(ctx context.Context, u *User, namespace, name string) (map[string]bool, error) {
	var mu sync.Mutex
	can := make(map[string]bool, len(verbs))
	err := eachOf(verbs, func(verb string) error {
		allowed, err := s.may(ctx, u, verb, namespace, name)
		mu.Lock()
		defer mu.Unlock()
		can[verb] = allowed
		return err
	})
	return can, err
}

// may says whether a user may use a verb on a Canary, or on all of a namespace. Who may in all namespaces costs no review for each.
func (s *Server) may(ctx context.Context, u *User, verb, namespace, name string) (bool, error) {
	scopes := []Access{onCanaries(verb, "", ""), onCanaries(verb, namespace, "")}
	if name != "" {
		scopes = append(scopes, onCanaries(verb, namespace, name))
	}
	for _, scope := range scopes {
		if allowed, err := s.Rights.Allowed(ctx, u, scope); allowed || err != nil {
			return allowed, err
		}
	}
	return false, nil
}

// eachOf calls a function for each of a list, some at a time, and returns the first error.
func eachOf(list []string, call func(string) error) error {
	turns := make(chan struct{}, reviewsAtOnce)
	errs := make([]error, len(list))
	var all sync.WaitGroup
	for i, one := range list {
		turns <- struct{}{}
		all.Go(func() {
			defer func() {
				<-turns
				if found := recover(); found != nil {
					errs[i] = fmt.Errorf("panic: %v", found)
				}
			}()
			errs[i] = call(one)
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// readable are those namespaces whose Canaries a user may list.
func (s *Server) readable(ctx context.Context, u *User, namespaces []string) (map[string]bool, error) {
	all, err := s.Rights.Allowed(ctx, u, onCanaries("list", "", ""))
	if err != nil {
		return nil, err
	}
	may := make(map[string]bool, len(namespaces))
	if all {
		for _, ns := range namespaces {
			may[ns] = true
		}
		return may, nil
	}
	var mu sync.Mutex
	err = eachOf(namespaces, func(ns string) error {
		allowed, err := s.Rights.Allowed(ctx, u, onCanaries("list", ns, ""))
		mu.Lock()
		defer mu.Unlock()
		may[ns] = allowed
		return err
	})
	return may, err
}
