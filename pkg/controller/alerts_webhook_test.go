package controller

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/notify"
)

// notification is as much of the generic webhook's form as is looked at here.
type notification struct {
	Text, Phase, Revision, Rollout, Severity string
	Final                                    bool
	Images                                   []notify.Image
}

// TestAProgramIsToldOfARollout has an AlertProvider of type webhook, with a template, hear of a promotion and of a
// failure. What it is told at the end is about the same rollout as what it was told at the beginning.
func TestAProgramIsToldOfARollout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var mu sync.Mutex
	var got []notification
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var n notification
		_ = json.NewDecoder(r.Body).Decode(&n)
		mu.Lock()
		defer mu.Unlock()
		got = append(got, n)
	}))
	t.Cleanup(s.Close)
	require.NoError(t, w.Create(t.Context(), &v1beta1.AlertProvider{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "program"},
		Spec:       v1beta1.AlertProviderSpec{Type: "webhook", Address: s.URL, Template: "{{ .Severity }}: {{ .Text }}"},
	}))
	o := w.begin(func(c *v1beta1.Canary) { c.Spec.Analysis.Alerts = []v1beta1.CanaryAlert{alerted("program", "")} })
	w.tell(o)
	heard := func(n int) []notification {
		w.await("it is told", func() bool { mu.Lock(); defer mu.Unlock(); return len(got) == n })
		return got
	}
	w.setImage(imageTwo)
	w.awaitPhase(v1beta1.PhaseSucceeded)
	all := heard(3)
	first, last := all[1], all[2]
	change := []notify.Image{{Container: "podinfod", Old: imageOne, New: imageTwo}}
	revision := w.status().LastAppliedSpec
	require.Equal(t, notification{
		Text: "info: New revision detected, progressing canary analysis.", Phase: "Progressing", Severity: "info",
		Revision: revision, Rollout: string(w.named("podinfo").UID) + "/" + revision, Images: change,
	}, first)
	require.Equal(t, "info: Canary analysis completed successfully, promotion finished. podinfo:2 serves all requests.", last.Text)
	require.Equal(t, first.Rollout, last.Rollout)
	require.Equal(t, change, last.Images, "the primary runs it by now, and what it ran before is still told")
	require.True(t, last.Final)

	w.judge.fail(100)
	w.setImage(imageThree)
	w.awaitPhase(v1beta1.PhaseFailed)
	bad := heard(5)[4]
	require.Equal(t, "error: Failed checks threshold reached 2. podinfo:3 was rolled back; podinfo:2 serves all requests.", bad.Text)
	require.True(t, bad.Final)
	require.NotEqual(t, first.Rollout, bad.Rollout, "another rollout is another story")
	require.Equal(t, []notify.Image{{Container: "podinfod", Old: imageTwo, New: imageThree}}, bad.Images)
}
