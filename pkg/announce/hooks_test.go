package announce

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/tools/record"

	"github.com/sluice-cd/sluice/pkg/analysis"
	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/notify"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

func TestHooksAreTriedOnce(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	told, err := NewTelemetry(prometheus.NewRegistry(), nil, "test", "istio")
	require.NoError(t, err)
	q := notify.NewQueue(notify.Limits{Backoff: time.Hour}, logr.Discard())
	h := &Announcer{Hooks: analysis.New("", "istio"), Queue: q, Telemetry: told, Events: record.NewFakeRecorder(10), EventURL: closed.URL + "/s3cret"}
	h.record(&v1beta1.Canary{}, rollout.Notice{Message: "hello"})
	require.Equal(t, 1, q.Waiting())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- q.Run(ctx) }()
	require.Eventually(t, func() bool { return q.Dropped() == 1 }, time.Minute, time.Millisecond, "how often a hook is tried is its own affair")
	cancel()
	require.NoError(t, <-ended)
}

func TestHooksSayNoSecret(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	told, err := NewTelemetry(prometheus.NewRegistry(), nil, "test", "istio")
	require.NoError(t, err)
	events := record.NewFakeRecorder(10)
	h := &Announcer{Hooks: analysis.New("", "istio"), Telemetry: told, Events: events}
	bad := []v1beta1.CanaryWebhook{{Name: "clean", Type: v1beta1.PostRolloutHook, URL: closed.URL + "/t0ken?key=s3cret"}}
	err = h.postRollout(t.Context(), &v1beta1.Canary{}, bad)
	require.ErrorContains(t, err, `post-rollout hook "clean": `)
	said := <-events.Events
	require.Contains(t, said, "Warning HookFailed Post-rollout hook clean failed ")
	for _, text := range []string{err.Error(), said} {
		require.NotContains(t, text, "t0ken")
		require.NotContains(t, text, "s3cret")
	}
}
