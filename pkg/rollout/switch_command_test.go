package rollout

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

func TestTurnCommand(t *testing.T) {
	const body = `'{"name":"podinfo","namespace":"test"}'`
	cases := map[string]struct{ reason, url, want string }{
		"Tester":   {"As the examples have it.", "http://flagger-loadtester.test/gate/check", "kubectl -n test exec svc/flagger-loadtester -- curl -sd " + body + " http://flagger-loadtester.test/gate/open"},
		"Whole":    {"With the whole name and a port.", "http://tester.ops.svc.cluster.local:8080/gate/check", "kubectl -n ops exec svc/tester -- curl -sd " + body + " http://tester.ops.svc.cluster.local:8080/gate/open"},
		"Outside":  {"From wherever it can be reached.", "https://gates.example.com/gate/check", "curl -sd " + body + " https://gates.example.com/gate/open"},
		"Other":    {"Whoever approves otherwise is not known.", "http://jira.example/approve", ""},
		"Password": {"What is a secret is not told.", "http://a:b@tester.ops/gate/check", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := turnCommand(v1beta1.CanaryWebhook{URL: c.url}, snap().Names, "gate", "open")
			require.Equal(t, c.want, got, c.reason)
		})
	}
}

// TestWhatToDoIsSaid has a closed gate and a rollback by a switch say how they are turned.
func TestWhatToDoIsSaid(t *testing.T) {
	gate := v1beta1.CanaryWebhook{Name: "go", Type: v1beta1.ConfirmTrafficIncreaseHook, URL: "http://tester.test/gate/check"}
	stop := v1beta1.CanaryWebhook{Name: "stop", Type: v1beta1.RollbackHook, URL: "http://tester.test/rollback/check"}
	hooks := func(s *Snapshot) { s.Plan.Hooks = []v1beta1.CanaryWebhook{gate, stop}; s.Plan.completeSteps() }
	good := told{"request-success-rate", v1beta1.Passed, ""}

	d := decide(snap(hooks), []told{good, {"stop", v1beta1.Failed, ""}, {"go", v1beta1.Failed, "go is closed"}})
	require.Equal(t, `go is closed. Open it: kubectl -n test exec svc/tester -- curl -sd '{"name":"podinfo","namespace":"test"}' http://tester.test/gate/open. `+
		"Asked again at 12:00:10 UTC.", message(d.Status, v1beta1.ConditionWaiting))

	d = decide(snap(hooks), []told{good, {"stop", v1beta1.Passed, ""}, {"go", v1beta1.Passed, ""}})
	require.Equal(t, v1beta1.PhaseFailed, d.Status.Phase)
	require.Equal(t, `the rollback hook stop asked for it; close its switch: `+
		`kubectl -n test exec svc/tester -- curl -sd '{"name":"podinfo","namespace":"test"}' http://tester.test/rollback/close`, d.Status.Cause)
}
