package observe

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// stored has one Deployment at a version; empty: none.
type stored struct {
	client.Reader
	version string
	reads   int
}

func (s *stored) Get(_ context.Context, key client.ObjectKey, o client.Object, _ ...client.GetOption) error {
	s.reads++
	if s.version == "" {
		return apierrors.NewNotFound(schema.GroupResource{Group: "apps", Resource: "deployments"}, key.Name)
	}
	o.SetNamespace(key.Namespace)
	o.SetName(key.Name)
	o.SetResourceVersion(s.version)
	return nil
}

// TestLiveReader has one call after the other read a target that others write.
func TestLiveReader(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		cached string        // version
		wrote  time.Duration // zero is never, else how long ago
		with   string        // version that it came back with, and the cache is not known to have
		past   time.Duration // since the call before
		live   int           // reads of both calls
		want   string
	}{
		"CaughtUp":      {reason: "the call before has read that", cached: "7", live: 1, want: "7"},
		"Newer":         {reason: "an event came since", cached: "8", live: 1, want: "8"},
		"Behind":        {reason: "the cache does not have what was read", cached: "6", live: 2, want: "7"},
		"Missing":       {reason: "nor when it has nothing", live: 2, want: "7"},
		"LongAgo":       {reason: "it may have changed since", cached: "7", past: freshFor, live: 2, want: "7"},
		"Written":       {reason: "our write was answered with it", cached: "7", past: freshFor, wrote: time.Second / 2, live: 1, want: "7"},
		"WrittenBehind": {reason: "the cache does not have our write", cached: "7", past: freshFor, wrote: time.Second / 2, with: "8", live: 2, want: "7"},
		"WrittenBefore": {reason: "it may have changed since our write", cached: "7", past: freshFor, wrote: time.Minute, live: 2, want: "7"},
	} {
		t.Run(name, func(t *testing.T) {
			server, cache, recent := &stored{version: "7"}, &stored{}, &recentReads{}
			var wrote time.Duration
			call := func() string {
				l := &LiveReader{Reader: server, cache: cache, recent: recent, wrote: func(client.ObjectKey, client.Object) (string, time.Duration, bool) {
					return tc.with, wrote, wrote > 0
				}}
				d := &appsv1.Deployment{}
				for range 2 {
					require.NoError(t, l.Get(t.Context(), client.ObjectKey{Namespace: "test", Name: "podinfo"}, d))
				}
				return d.ResourceVersion
			}
			require.Equal(t, "7", call())
			cache.version, wrote = tc.cached, tc.wrote
			for k, read := range recent.all {
				read.at = read.at.Add(-tc.past)
				recent.all[k] = read
			}
			require.Equal(t, tc.want, call(), tc.reason)
			require.Equal(t, tc.live, server.reads, tc.reason)
		})
	}
}

// TestRecentReadsAreForgotten bounds what is remembered by what is read within a moment.
func TestRecentReadsAreForgotten(t *testing.T) {
	now, r := time.Now(), &recentReads{}
	r.note("a", recentRead{version: "1", at: now})
	r.note("b", recentRead{version: "1", at: now.Add(freshFor / 2)})
	r.note("c", recentRead{version: "1", at: now.Add(freshFor)})
	require.Len(t, r.all, 2)
	require.Zero(t, r.of("a"))
}
