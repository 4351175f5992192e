package controller

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// posted is what a chat service was sent.
type posted struct {
	Channel     string
	Username    string
	Attachments []struct {
		Color  string
		Author string `json:"author_name"`
		Text   string
		Fields []struct{ Title, Value string }
	}
}

// chat is a chat service that keeps what it is sent.
type chat struct {
	*httptest.Server
	mu   sync.Mutex
	said []posted
}

func newChat(t *testing.T) *chat {
	t.Helper()
	c := &chat{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var p posted
		if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.said = append(c.said, p)
		_, _ = w.Write([]byte("ok"))
	}))
	t.Cleanup(c.Close)
	return c
}

// texts are the texts of all messages so far.
func (c *chat) texts() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []string
	for _, p := range c.said {
		all = append(all, p.Attachments[0].Text)
	}
	return all
}

// provide makes an AlertProvider that leads to the chat service, its address in a Secret.
func (w *world) provide(name, secret, address string) {
	w.Helper()
	if address != "" {
		require.NoError(w, w.Create(w.Context(), &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: secret},
			Data:       map[string][]byte{"address": []byte(address)},
		}))
	}
	require.NoError(w, w.Create(w.Context(), &v1beta1.AlertProvider{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: name},
		Spec: v1beta1.AlertProviderSpec{
			Type: "slack", Channel: "on-call-alerts", Username: "flagger", SecretRef: &v1beta1.SecretRef{Name: secret},
		},
	}))
}

func alerted(name string, severity v1beta1.AlertSeverity) v1beta1.CanaryAlert {
	return v1beta1.CanaryAlert{Name: name, Severity: severity, ProviderRef: v1beta1.CrossNamespaceRef{Name: name}}
}

// tell runs the operator's queue, which the manager does in a real one.
func (w *world) tell(o *operator) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = o.reconcr.Announcer.Queue.Run(ctx) }()
	w.Cleanup(func() { cancel(); <-ended })
}

func TestAlertsReachThoseWhoAskForThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	all, errors := newChat(t), newChat(t)
	w.provide("everything", "everything-url", all.URL)
	w.provide("errors", "errors-url", errors.URL)
	w.provide("broken", "no-such-secret", "")
	o := w.begin(func(c *v1beta1.Canary) {
		c.Spec.Analysis.Alerts = []v1beta1.CanaryAlert{alerted("broken", ""), alerted("everything", ""), alerted("errors", v1beta1.SeverityError)}
	})
	w.tell(o)
	w.judge.fail(-1)
	w.setImage(imageTwo)
	w.awaitPhase(v1beta1.PhaseFailed)
	want := []string{
		"New Deployment detected, initialization completed.",
		"New revision detected, progressing canary analysis.",
		"Failed checks threshold reached 2. podinfo:2 was rolled back; podinfo:1 serves all requests.",
	}
	w.await("all messages arrive, whatever becomes of another channel", func() bool { return len(all.texts()) == len(want) })
	require.Equal(t, want, all.texts())
	w.await("the error arrives where only errors are wanted", func() bool { return len(errors.texts()) == 1 })
	require.Equal(t, want[2:], errors.texts())

	first, last := all.said[0], all.said[2]
	require.Equal(t, "on-call-alerts", first.Channel)
	require.Equal(t, "flagger", first.Username)
	require.Equal(t, "podinfo."+w.ns, first.Attachments[0].Author)
	require.Equal(t, "good", first.Attachments[0].Color)
	require.Equal(t, "danger", last.Attachments[0].Color)
	details := map[string]string{}
	for _, f := range all.said[1].Attachments[0].Fields {
		details[f.Title] = f.Value
	}
	revision := w.status().LastAppliedSpec
	require.Equal(t, map[string]string{
		"Target":                  "Deployment/podinfo." + w.ns,
		"Failed checks threshold": "2",
		"Progress deadline":       "1200s",
		"Traffic routing":         "Weight step: 50 max: 100",
		"Images":                  "podinfod: podinfo:1 → podinfo:2",
		"Revision":                revision,
		"Weight":                  "0%",
	}, details)
	clear(details)
	for _, f := range last.Attachments[0].Fields {
		details[f.Title] = f.Value
	}
	require.Equal(t, map[string]string{
		"Images":   "podinfod: podinfo:1 → podinfo:2",
		"Revision": revision,
		"Weight":   "50% → 0%",
		"Step":     "1 of 2",
		"Reason":   "2 failed checks of podinfo." + w.ns + ", the last: Halt advancement success rate 97.50% &lt; 99%",
	}, details, "what failed is told with what it was and how far it got")
}

// exposed are the operator's own metrics, by name and labels: `flagger_canary_total namespace=test`. Of a histogram it is the count.
func exposed(t *testing.T, o *operator) map[string]float64 {
	t.Helper()
	families, err := o.metrics.Gather()
	require.NoError(t, err)
	values := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetName() + "=" + l.GetValue()
			}
			values[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return values
}

func TestMetricsFollowTheCanary(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.begin()
	w.judge.hold(50)
	w.setImage(imageTwo)
	w.await("the canary has half of the requests", func() bool {
		return exposed(t, o)["flagger_canary_weight namespace="+w.ns+" workload=podinfo"] == 50
	})
	all := exposed(t, o)
	require.InDelta(t, 50, all["flagger_canary_weight namespace="+w.ns+" workload=podinfo-primary"], 0)
	require.InDelta(t, 0, all["flagger_canary_status name=podinfo namespace="+w.ns], 0)
	require.InDelta(t, 1, all["flagger_canary_total namespace="+w.ns], 0)
	require.InDelta(t, 1, all["flagger_info mesh_provider=istio version=test"], 0)

	w.judge.goOn()
	w.awaitPhase(v1beta1.PhaseSucceeded)
	outcome := " analysis_status=completed deployment_strategy=canary name=podinfo namespace=" + w.ns
	w.await("the success is counted", func() bool { return exposed(t, o)["flagger_canary_successes_total"+outcome] == 1 })
	require.NotContains(t, exposed(t, o), "flagger_canary_failures_total"+outcome)
	of := " name=podinfo namespace=" + w.ns
	require.InDelta(t, 1, exposed(t, o)["sluice_rollout_duration_seconds"+of+" outcome=succeeded result=Promoted"], 0)
	require.Positive(t, exposed(t, o)["sluice_rollout_phase_seconds_total"+of+" phase=Progressing"])
	w.await("the cache has heard of the end, and so have its readers", func() bool {
		return exposed(t, o)["sluice_canary_phase_start_timestamp_seconds"+of+" phase=Succeeded"] > 0
	})
	require.Positive(t, exposed(t, o)["sluice_analysis_round_duration_seconds"])
	require.Positive(t, exposed(t, o)["flagger_canary_duration_seconds name=podinfo namespace="+w.ns])

	require.NoError(t, w.Delete(t.Context(), w.canary()))
	w.await("its series end with it", func() bool {
		for name := range exposed(t, o) {
			if strings.Contains(name, w.ns) {
				return false
			}
		}
		return true
	})
}

// amend changes an AlertProvider.
func (w *world) amend(name string, change func(*v1beta1.AlertProvider)) {
	w.Helper()
	p := &v1beta1.AlertProvider{}
	require.NoError(w, w.Get(w.Context(), client.ObjectKey{Namespace: w.ns, Name: name}, p))
	before := p.DeepCopy()
	change(p)
	require.NoError(w, w.Patch(w.Context(), p, client.MergeFrom(before)))
}

func TestAlertsThatCannotBeSentAreSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.begin(func(c *v1beta1.Canary) {
		c.Spec.Analysis.Alerts = []v1beta1.CanaryAlert{alerted("on-call", "")}
	})
	says := func() string {
		return meta.FindStatusCondition(w.status().Conditions, v1beta1.ConditionValid).Message
	}
	require.Contains(t, says(), "spec.analysis.alerts[0] is not sent: AlertProvider \""+w.ns+"/on-call\" does not exist.")
	require.NoError(t, w.Create(t.Context(), &v1beta1.AlertProvider{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "on-call"},
		Spec:       v1beta1.AlertProviderSpec{Type: "msteams", Address: "http://teams.example", Template: "{{ .Canry }}"},
	}))
	w.await("it exists, and its template names what there is not", func() bool {
		return strings.Contains(says(), "spec.analysis.alerts[0] is sent without the template of AlertProvider \""+w.ns+"/on-call\"") &&
			strings.Contains(says(), "can't evaluate field Canry")
	})
	w.amend("on-call", func(p *v1beta1.AlertProvider) { p.Spec.Template, p.Spec.CABundle = "", []byte("no PEM") })
	w.await("nobody could be trusted", func() bool {
		return strings.Contains(says(), "is not sent: caBundle of AlertProvider \""+w.ns+"/on-call\": no certificate")
	})
	w.amend("on-call", func(p *v1beta1.AlertProvider) { p.Spec.CABundle = nil })
	w.await("nothing is wrong with it", func() bool { return says() == "The spec is valid for provider istio." })
	require.Contains(t, strings.Join(o.events(), "\n"), "Warning AlertUnsent spec.analysis.alerts[0] is not sent")
}
