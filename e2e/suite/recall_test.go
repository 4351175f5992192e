package suite

import (
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/e2e/internal/walk"
)

// recalls are promotions that somebody regrets when the primary has the new revision already.
func recalls() map[string]scenario {
	return map[string]scenario{
		"PromotionTakenBack": {
			reason: "A rollback that is asked for while users come back brings the primary back to what it ran, the target as it is.",
			play:   promotionTakenBack,
		},
		"DaemonSetTakenBack": {
			reason: "A DaemonSet keeps its former template elsewhere, and returns to it as well.",
			play:   daemonSetTakenBack,
		},
	}
}

// recallable is an analysis whose promotion takes two intervals.
const recallable = `{interval: 10s, threshold: 1, stepWeights: [60], stepWeightPromotion: 20,
    webhooks: [{name: stop, type: rollback, url: "http://flagger-loadtester.test/rollback/check"}]}`

// takenBack are the rows of such a rollout, from 60% back to 40%, and to none.
func takenBack() []string {
	return []string{"Progressing 0", "Progressing 60", "Promoting 60", "Promoting 40", "Promoting 0", "Failed 0"}
}

func promotionTakenBack(s *scene) {
	s.begin("\n  analysis: " + recallable + "\n")
	s.settled()
	users, served := s.users(), s.serving("podinfo-primary")
	since := s.release("3.1.1")
	s.reach("Promoting 40", since)
	require.NotEqual(s.t, served, s.serving("podinfo-primary"), "the primary has the new revision")
	s.turn("/rollback/open")
	s.reach("Failed", since)
	require.NoError(s.t, walk.Sequence(s.rows(since), takenBack()...))
	s.said(since, "Rollback check stop passed",
		"Rolling back podinfo."+s.namespace+" manual webhook invoked, returning podinfo-primary."+s.namespace+" to the promoted revision",
		"podinfo-primary."+s.namespace+" is back at the promoted revision", "Canary failed! Scaling down podinfo."+s.namespace+"*")
	s.runs("podinfo-primary", "3.1.0", 1)
	require.Equal(s.t, served, s.serving("podinfo-primary"), "not a copy of it: the very same template")
	s.stopped()
	s.only(users, "3.1.0", time.Now())

	s.turn("/rollback/close")
	since = s.release("3.1.2")
	s.reach("Succeeded", since)
	s.runs("podinfo-primary", "3.1.2", 1)
	s.lossless(users)
}

// serving names the ReplicaSet of a Deployment that has pods.
func (s *scene) serving(deployment string) string {
	s.t.Helper()
	var found []string
	s.eventually("one ReplicaSet to be left", func() bool {
		sets := &appsv1.ReplicaSetList{}
		require.NoError(s.t, s.client.List(s.t.Context(), sets, client.InNamespace(s.namespace), client.MatchingLabels{"app": deployment}))
		found = nil
		for i := range sets.Items {
			if sets.Items[i].Status.Replicas > 0 {
				found = append(found, sets.Items[i].Name)
			}
		}
		return len(found) == 1
	})
	return found[0]
}

func daemonSetTakenBack(s *scene) {
	since := time.Now()
	text := strings.NewReplacer("NAMESPACE", s.namespace, "HOST", s.host(), "{interval: 10s, threshold: 1, stepWeights: [50]}", recallable).Replace(agent)
	s.apply(text)
	s.reach("Initialized", since)
	users := s.users()
	s.eventually("the target to be stopped", func() bool { return s.scheduled("agent") == 0 })
	was := s.daemons("agent-primary").Spec.Template
	since = time.Now()
	s.kubectl("set", "image", "daemonset/agent", "podinfod=stefanprodan/podinfo:3.1.1", "-n", s.namespace)
	s.reach("Promoting 40", since)
	s.turn("/rollback/open")
	s.reach("Failed", since)
	require.NoError(s.t, walk.Sequence(s.rows(since), takenBack()...))
	require.Equal(s.t, was, s.daemons("agent-primary").Spec.Template)
	s.eventually("the target to be stopped again", func() bool { return s.scheduled("agent") == 0 })
	s.only(users, "3.1.0", time.Now())
	s.lossless(users)
}

func (s *scene) daemons(name string) *appsv1.DaemonSet {
	s.t.Helper()
	d := &appsv1.DaemonSet{}
	s.get(name, d)
	return d
}
