package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/lru"
)

// reviews is an API server that knows two tokens, of which one may read metrics. A third is asked about while it fails.
func reviews(t *testing.T, asked *int) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked++
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/apis/authentication.k8s.io/v1/tokenreviews":
			var review authenticationv1.TokenReview
			require.NoError(t, json.NewDecoder(r.Body).Decode(&review))
			switch review.Spec.Token {
			case "breaks":
				w.WriteHeader(http.StatusInternalServerError)
				return
			case "prometheus", "tenant":
				review.Status = authenticationv1.TokenReviewStatus{Authenticated: true, User: authenticationv1.UserInfo{Username: review.Spec.Token, Groups: []string{"g"}}}
			}
			require.NoError(t, json.NewEncoder(w).Encode(review))
		case "/apis/authorization.k8s.io/v1/subjectaccessreviews":
			var review authorizationv1.SubjectAccessReview
			require.NoError(t, json.NewDecoder(r.Body).Decode(&review))
			require.Equal(t, &authorizationv1.NonResourceAttributes{Path: "/metrics", Verb: "get"}, review.Spec.NonResourceAttributes)
			require.Equal(t, []string{"g"}, review.Spec.Groups)
			review.Status.Allowed = review.Spec.User == "prometheus"
			require.NoError(t, json.NewEncoder(w).Encode(review))
		default:
			t.Errorf("%s is asked", r.URL)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func TestMetricsAreForWhoMayReadThem(t *testing.T) {
	asked, now := 0, time.Now()
	as := rest.ContentConfig{ContentType: "application/json", AcceptContentTypes: "application/json"}
	clients, err := kubernetes.NewForConfig(&rest.Config{Host: reviews(t, &asked).URL, ContentConfig: as})
	require.NoError(t, err)
	r := &reviewer{clients: clients, now: func() time.Time { return now }, known: lru.New(reviewsKept)}
	served, err := r.filter(logr.Discard(), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("flagger_info 1")) }))
	require.NoError(t, err)
	call := func(header string) (int, string) {
		w := httptest.NewRecorder()
		req := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		if header != "" {
			req.Header.Set("Authorization", header)
		}
		served.ServeHTTP(w, req)
		return w.Code, w.Body.String()
	}
	for header, want := range map[string]int{
		"": 401, "Basic prometheus": 401, "Bearer ": 401, "Bearer nobody": 401, "Bearer tenant": 403, "bearer prometheus": 200, "Bearer breaks": 500,
	} {
		code, text := call(header)
		require.Equal(t, want, code, header)
		require.Equal(t, want == 200, text == "flagger_info 1", "%s: %s", header, text)
	}
	before := asked
	for range 10 {
		code, _ := call("Bearer prometheus")
		require.Equal(t, 200, code)
	}
	require.Equal(t, before, asked, "a scrape costs no request")
	now = now.Add(reviewTTL)
	call("Bearer prometheus")
	require.Equal(t, before+2, asked, "a right that was taken is noticed")
}
