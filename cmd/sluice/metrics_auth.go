package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/lru"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// File metrics_auth.go asks who reads metrics, with -metrics-secure-port: the API server says whose a token is, and whether that
// account may get /metrics. It is what controller-runtime's own filter does, which would bring a third of an API server along.

const (
	// reviewTTL is how long an answer of the API server is good for. Prometheus asks every few seconds.
	reviewTTL = time.Minute
	// reviewsKept bounds what callers without rights can fill.
	reviewsKept = 256
	// reviewDeadline bounds the two requests that an unknown token costs.
	reviewDeadline = 5 * time.Second
)

// reviewer knows which tokens may read metrics.
type reviewer struct {
	clients kubernetes.Interface
	now     func() time.Time

	mu    sync.Mutex
	known *lru.Cache // *review by the hash of a token
}

// review is what the API server said of a token: 200, 401 or 403.
type review struct {
	code int
	at   time.Time
}

// reviewed is a metricsserver.Filter's maker.
func reviewed(config *rest.Config, by *http.Client) (metricsserver.Filter, error) {
	clients, err := kubernetes.NewForConfigAndClient(config, by)
	if err != nil {
		return nil, fmt.Errorf("set up the client of token reviews: %w", err)
	}
	r := &reviewer{clients: clients, now: time.Now, known: lru.New(reviewsKept)}
	return r.filter, nil
}

func (r *reviewer) filter(log logr.Logger, next http.Handler) (http.Handler, error) {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		scheme, token, _ := strings.Cut(req.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "bearer") || token == "" {
			http.Error(w, "Unauthorized", http.StatusUnauthorized)
			return
		}
		code, err := r.judge(req.Context(), token, req.URL.Path)
		if err != nil {
			log.Error(err, "who reads metrics is not known")
			http.Error(w, "Internal Server Error", http.StatusInternalServerError)
			return
		}
		if code != http.StatusOK {
			http.Error(w, http.StatusText(code), code)
			return
		}
		next.ServeHTTP(w, req)
	}), nil
}

// judge asks the API server, unless it was asked a moment ago.
func (r *reviewer) judge(ctx context.Context, token, path string) (code int, err error) {
	key := sha256.Sum256([]byte(path + "\x00" + token))
	r.mu.Lock()
	if known, ok := r.known.Get(key); ok && r.now().Sub(known.(review).at) < reviewTTL {
		r.mu.Unlock()
		return known.(review).code, nil
	}
	r.mu.Unlock()
	ctx, stop := context.WithTimeout(ctx, reviewDeadline)
	defer stop()
	if code, err = r.ask(ctx, token, path); err != nil {
		return 0, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known.Add(key, review{code: code, at: r.now()})
	return code, nil
}

func (r *reviewer) ask(ctx context.Context, token, path string) (code int, err error) {
	who, err := r.clients.AuthenticationV1().TokenReviews().Create(ctx, &authenticationv1.TokenReview{
		Spec: authenticationv1.TokenReviewSpec{Token: token},
	}, metav1.CreateOptions{})
	if err != nil {
		return 0, fmt.Errorf("review a token: %w", err)
	}
	if !who.Status.Authenticated {
		return http.StatusUnauthorized, nil
	}
	user, extra := who.Status.User, map[string]authorizationv1.ExtraValue{}
	for key, value := range user.Extra {
		extra[key] = authorizationv1.ExtraValue(value)
	}
	may, err := r.clients.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{
			User: user.Username, UID: user.UID, Groups: user.Groups, Extra: extra,
			NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: path, Verb: "get"},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return 0, fmt.Errorf("review the rights of %q: %w", user.Username, err)
	}
	if !may.Status.Allowed {
		return http.StatusForbidden, nil
	}
	return http.StatusOK, nil
}
