package console

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/view"
)

// A hundred tabs on a thousand Canaries cost the API server the watch that is there anyway, and reviews once for each user.
func TestManyTabs(t *testing.T) {
	t.Parallel()
	const canaries, users, tabs = 1000, 10, 10
	still := time.Now()
	now := func() time.Time { return still } // no review is forgotten
	s := newScene(t, func(c *Config) {
		c.Limits.Coalesce = 0 // as installations have it
		c.Login.(*TokenLogin).Now, c.Rights.(*Reviews).Now = now, now
	})
	var names []string
	for i := range canaries {
		names = append(names, fmt.Sprintf("app-%04d", i))
	}
	require.NoError(t, eachOf(names, func(name string) error { s.canary(name); return nil }))
	var people []*browser
	for i := range users {
		people = append(people, s.loggedIn(s.everywhere(fmt.Sprintf("user-%d", i), "get", "list", "promote")))
	}
	require.Eventually(t, func() bool {
		var l list
		people[0].json("/api/v1/canaries?namespace="+s.ns, &l)
		return l.Total == canaries
	}, 30*time.Second, 50*time.Millisecond)

	var streams []<-chan told
	open := func(b *browser) {
		var l list
		b.json("/api/v1/canaries?limit=100&namespace="+s.ns, &l)
		require.Len(t, l.Items, 100)
		code, events := b.stream("?namespace=" + s.ns)
		require.Equal(t, http.StatusOK, code)
		next(t, events, "ping")
		streams = append(streams, events)
	}
	for _, b := range people {
		open(b)
	}
	first := s.asked.take()
	for what, n := range first {
		switch what {
		case "GET api", "GET apis": // what kinds there are
		case "GET canaries": // a list and the watch, or both in one
			require.LessOrEqual(t, n, 2)
		case "POST tokenreviews":
			require.Equal(t, users, n)
		case "POST subjectaccessreviews":
		default:
			require.Fail(t, "what is asked for", what)
		}
	}
	require.LessOrEqual(t, first["POST subjectaccessreviews"], users*2*(1+len(verbs)), "who may in all namespaces costs no review for each")
	for _, b := range people {
		for range tabs - 1 {
			open(b)
		}
	}
	require.Empty(t, s.asked.take(), "a further tab costs nothing")

	changed := s.live(names[7])
	changed.Status.CanaryWeight = 77
	began := time.Now()
	require.NoError(t, s.Status().Update(t.Context(), changed))
	var late sync.WaitGroup
	took := make([]time.Duration, len(streams))
	for i, events := range streams {
		late.Go(func() {
			for e := range events {
				var row view.Row
				if e.event == "view" && json.Unmarshal([]byte(e.data), &row) == nil && row.Weight == 77 {
					took[i] = time.Since(began)
					return
				}
			}
		})
	}
	late.Wait()
	require.NotContains(t, took, time.Duration(0), "all are told")
	require.Empty(t, s.asked.take(), "nor does a change")
	t.Logf("%d reviews of rights; told after %v at most", first["POST subjectaccessreviews"], slices.Max(took))
}

// everywhere is the token of an account that has verbs on Canaries in all namespaces.
func (s *scene) everywhere(name string, verbs ...string) (token string) {
	s.Helper()
	token = s.account(name)
	meta := metav1.ObjectMeta{Name: s.ns + "-" + name}
	role := &rbacv1.ClusterRole{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{APIGroups: []string{"flagger.app"}, Resources: []string{"canaries"}, Verbs: verbs}}}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: meta.Name},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: s.ns, Name: name}},
	}
	require.NoError(s, s.Create(s.Context(), role))
	require.NoError(s, s.Create(s.Context(), binding))
	s.Cleanup(func() {
		ctx := context.WithoutCancel(s.Context())
		_ = s.Delete(ctx, binding) // of a server that ends with the tests
		_ = s.Delete(ctx, role)
	})
	return token
}
