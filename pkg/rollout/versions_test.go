package rollout

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

func images(target, primary string) func(*Snapshot) {
	return func(s *Snapshot) { s.Target.Images, s.Primary.Images = target, primary }
}

func TestVersionsAreToldApart(t *testing.T) {
	cases := map[string]struct {
		reason          string
		given           func(*Snapshot)
		target, primary string
	}{
		"Tags":       {"As people call them.", images("ghcr.io/stefanprodan/podinfo:9.9.9", "ghcr.io/stefanprodan/podinfo:3.1.1"), "podinfo:9.9.9", "podinfo:3.1.1"},
		"Sidecar":    {"Only what differs.", images("app:2, envoy:1", "app:1, envoy:1"), "app:2", "app:1"},
		"Containers": {"All where there is another container.", images("app:1, envoy:1", "app:1"), "app:1, envoy:1", "app:1"},
		"Registry":   {"From elsewhere.", images("a.example/app:1", "b.example/app:1"), "a.example/app:1", "b.example/app:1"},
		"Config":     {"The same image with another configuration.", images("x/app:1", "x/app:1"), "app:1 (r1-v2)", "app:1 (r1-v1)"},
		"Digest":     {"As much as people compare.", images("x/app@sha256:0123456789abcdef0123", "x/app:1@sha256:ff"), "app@sha256:0123456789ab", "app:1"},
		"Unknown":    {"Of Knative's revisions they are not read.", images("", ""), "", ""},
		"Port":       {"A registry may have one.", images("r.example:5000/x/app:2", "r.example:5000/x/app:1"), "app:2", "app:1"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			target, primary := versions(&facts{Snapshot: snap(c.given)})
			require.Equal(t, c.target, target, c.reason)
			require.Equal(t, c.primary, primary, c.reason)
		})
	}
}

// TestConditionNamesVersions has the condition Promoted say, after the texts that scripts look for, what is with users.
func TestConditionNamesVersions(t *testing.T) {
	both := images("ghcr.io/stefanprodan/podinfo:9.9.9", "ghcr.io/stefanprodan/podinfo:3.1.1")
	good := []told{{"request-success-rate", v1beta1.Passed, ""}}
	cases := map[string]struct {
		reason string
		given  Snapshot
		want   string
	}{
		"Begins": {"What is rolled out, and instead of what.", snap(in(v1beta1.PhaseSucceeded), both, func(s *Snapshot) { s.Revision = "r1-v3" }),
			"New revision detected, progressing canary analysis. podinfo:9.9.9 is to replace podinfo:3.1.1."},
		"Fails": {"A target that was scaled to zero alone reads like an outage.", snap(both, func(s *Snapshot) { broken(&s.Target) }),
			"Canary analysis failed, Deployment scaled to zero. podinfo:9.9.9 was rolled back; podinfo:3.1.1 serves all requests. " +
				"Cause: canary cannot become ready podinfo.test: ImagePullBackOff: no such image."},
		"FailedBefore": {"It was not even tried.", snap(both, knownBad, func(s *Snapshot) { s.Revision, s.Target.Revision = "r1-bad", "r1-bad" }),
			"Canary analysis failed, Deployment scaled to zero. podinfo:9.9.9 is not tried again; podinfo:3.1.1 serves all requests. " +
				"Cause: podinfo.test is back at a revision that failed before, and is not tried again; it failed at 2026-01-01 11:00:00 UTC: too many 500s."},
		"PrimaryStuck": {"The canary is the healthy copy.", snap(promotion, both, func(s *Snapshot) { broken(&s.Primary) }),
			"Promotion failed, primary not ready: Deployment keeps serving all traffic. podinfo:9.9.9 serves all requests. " +
				"Cause: podinfo-primary.test: ImagePullBackOff: no such image."},
		"Succeeds": {"The primary has it.", snap(in(v1beta1.PhaseFinalising), images("x/podinfo:9.9.9", "x/podinfo:9.9.9"), func(s *Snapshot) {
			s.Status.LastPromotedSpec, s.Primary.Revision = "r1-v2", "r1-v2"
		}), "Canary analysis completed successfully, promotion finished. podinfo:9.9.9 serves all requests."},
		"Back": {"The target was put back.", snap(images("x/podinfo:3.1.1", "x/podinfo:3.1.1"), func(s *Snapshot) { s.Revision, s.Target.Revision = "r1-v1", "r1-v1" }),
			"Rollout called off at 10% of requests, podinfo.test is back at the promoted revision. podinfo:3.1.1 serves all requests."},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d := decide(c.given, nil)
			require.Equal(t, c.want, message(d.Status, v1beta1.ConditionPromoted), c.reason)
		})
	}
	require.Equal(t, "podinfo:9.9.9", decide(snap(both), good).Status.Image)
}

// TestInvalidSpecIsNoSilence has a spec that cannot be followed be seen in the list, and an image that is pushed meanwhile told.
func TestInvalidSpecIsNoSilence(t *testing.T) {
	wrong := &InvalidError{Field: "spec.analysis.interval", Problem: `"x" is not a duration`}
	s := snap(in(v1beta1.PhaseSucceeded), images("x/podinfo:3.1.1", "x/podinfo:3.1.1"))
	d := Refuse(s, wrong)
	require.Equal(t, string(WaitSpec), d.Status.WaitingFor)
	require.Len(t, d.Notices, 1)
	require.Equal(t, v1beta1.SeverityWarn, d.Notices[0].Alert.Severity)
	require.Equal(t, `Nothing is rolled out, the spec is invalid: spec.analysis.interval: "x" is not a duration`, d.Notices[0].Alert.Text)

	s.Status = d.Status
	require.Empty(t, Refuse(s, wrong).Notices, "once")
	s.Revision, s.Target.Revision, s.Target.Images = "r1-v3", "r1-v3", "x/podinfo:3.1.2"
	d = Refuse(s, wrong)
	require.Len(t, d.Notices, 1)
	require.NotNil(t, d.Notices[0].Alert)
	require.Equal(t, `Nothing is rolled out until the spec can be followed: spec.analysis.interval: "x" is not a duration. `+
		"podinfo:3.1.2 of podinfo.test is not rolled out, podinfo:3.1.1 serves.", message(d.Status, v1beta1.ConditionWaiting))
	s.Status = d.Status
	require.Empty(t, Refuse(s, wrong).Notices, "once")

	d = decide(s, nil)
	require.Equal(t, v1beta1.PhaseProgressing, d.Status.Phase, "once it can be followed it begins")
	require.NotEqual(t, string(WaitSpec), d.Status.WaitingFor)
}

// TestLastTransition has lastTransitionTime be since when things are as they are, not when they were looked at last.
func TestLastTransition(t *testing.T) {
	s := snap(func(s *Snapshot) {
		s.Plan.Hooks = []v1beta1.CanaryWebhook{{Name: "go", Type: v1beta1.ConfirmTrafficIncreaseHook}}
	}, func(s *Snapshot) { s.Plan.completeSteps() })
	closed := []told{{"request-success-rate", v1beta1.Passed, ""}, {"go", v1beta1.Failed, "go is closed"}}
	s.Status = decide(s, closed).Status
	require.Equal(t, string(WaitTrafficIncreaseApproval), s.Status.WaitingFor)
	require.Equal(t, noon, s.Status.LastTransitionTime.Time)
	s.Now = noon.Add(s.Plan.Interval)
	next := decide(s, closed).Status
	require.NotEqual(t, s.Status.NextCheck, next.NextCheck)
	require.Equal(t, noon, next.LastTransitionTime.Time, "it still waits at the same gate")
}
