package suite

import (
	"fmt"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"

	"github.com/sluice-cd/sluice/e2e/internal/traffic"
	"github.com/sluice-cd/sluice/e2e/internal/walk"
)

// keeping are rollouts that bake, are rolled back by a person, and keep a canary that failed: for each kind of target that starts and
// stops in a way of its own.
func keeping() map[string]scenario {
	return map[string]scenario{
		"KeptRecreate": {
			reason: "A Deployment that stops all pods before it starts others bakes, goes back, and keeps what failed; nobody is turned away.",
			play:   kept{prepare: recreated}.play,
		},
		"KeptAutoscaled": {
			reason: "The same with an autoscaler, which never has less than its minimum.",
			play: kept{
				prepare: func(s *scene) { s.apply(fmt.Sprintf(scaler, s.namespace)) },
				spec:    "\n  autoscalerRef: {apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, name: podinfo}",
			}.play,
		},
		"KeptDaemonSet": {
			reason: "The same of a DaemonSet, which has no number of pods.",
			play:   kept{daemons: true}.play,
		},
		"KeptServicesAlone": {
			reason: "The same without a mesh, where the apex Service has everybody move.",
			play:   kept{spec: "\n  provider: kubernetes", neighbours: true}.play,
		},
	}
}

// kept is a target, and what its Canary says beside its analysis.
type kept struct {
	prepare    func(*scene)
	spec       string
	daemons    bool // a DaemonSet
	neighbours bool // users ask the apex Service
}

const keptAnalysis = `{interval: 10s, threshold: 1, onFailure: keep, steps: [{weight: 0}, {weight: 100}], promotion: {bake: 30s}}`

func recreated(s *scene) {
	s.kubectl("patch", "deployment", "podinfo", "-n", s.namespace, "--type=merge", "-p", `{"spec":{"strategy":{"type":"Recreate","rollingUpdate":null}}}`)
}

// begin applies the target and its Canary.
func (k kept) begin(s *scene) {
	s.t.Helper()
	if k.prepare != nil {
		k.prepare(s)
	}
	since := time.Now()
	if k.daemons {
		given := strings.NewReplacer("NAMESPACE", s.namespace, "HOST", s.host(), "{interval: 10s, threshold: 1, stepWeights: [50]}", keptAnalysis).Replace(agent)
		require.Contains(s.t, given, keptAnalysis)
		s.apply(given)
	} else {
		s.apply(s.canary(strings.TrimPrefix(k.spec, "\n") + "\n  analysis: " + keptAnalysis + "\n"))
	}
	s.reach("Initialized", since)
	k.stopped(s)
}

// release gives the target another image.
func (k kept) release(s *scene, version string) time.Time {
	s.t.Helper()
	if !k.daemons {
		return s.release(version)
	}
	since := time.Now()
	s.kubectl("set", "image", "daemonset/agent", "podinfod=stefanprodan/podinfo:"+version, "-n", s.namespace)
	return since
}

// stopped waits until the target does not run.
func (k kept) stopped(s *scene) {
	s.t.Helper()
	s.eventually("the target to be stopped", func() bool { return k.size(s) == 0 })
}

// size is how many pods the target is to have.
func (k kept) size(s *scene) int32 {
	s.t.Helper()
	if k.daemons {
		return s.scheduled("agent")
	}
	d := &appsv1.Deployment{}
	s.get("podinfo", d)
	return *d.Spec.Replicas
}

// primary is the image that it is to run.
func (k kept) primary(s *scene) string {
	s.t.Helper()
	if k.daemons {
		return s.daemons("agent-primary").Spec.Template.Spec.Containers[0].Image
	}
	d := &appsv1.Deployment{}
	s.get("podinfo-primary", d)
	return d.Spec.Template.Spec.Containers[0].Image
}

func (k kept) play(s *scene) {
	k.begin(s)
	meet := s.users
	if k.neighbours {
		meet = s.neighbours
	}
	users := meet()
	since := k.release(s, "3.1.1")
	promoted := []string{"Progressing 0", "Progressing 100", "Promoting 100", "Finalising 0", "Succeeded 0"}
	s.reach("Succeeded", since)
	require.NoError(s.t, walk.Sequence(s.rows(since), promoted...))
	k.stopped(s)

	since = time.Now()
	s.sluice("rollback", "podinfo", "--reason", "users complain")
	s.reach("Failed", since)
	k.serves(s, users, "3.1.0")
	k.stopped(s)
	since = time.Now()
	s.sluice("retry", "podinfo")
	s.reach("Succeeded", since)
	require.NoError(s.t, walk.Sequence(s.rows(since), promoted...))
	k.serves(s, users, "3.1.1")
	k.stopped(s)

	since = k.release(s, "3.1.2")
	s.reach("Progressing 100", since)
	s.refuse()
	s.reach("Failed", since)
	require.NoError(s.t, walk.Sequence(s.rows(since), "Progressing 0", "Progressing 100", "Failed 0"))
	k.serves(s, users, "3.1.1")
	require.Equal(s.t, true, s.status("canaryKept"))
	require.Positive(s.t, k.size(s), "it is there to be looked at")
	s.sluice("abort", "podinfo")
	k.stopped(s)
	s.lossless(users)
}

// serves wants the primary to run a version, and everybody to meet it.
func (k kept) serves(s *scene, users *traffic.Client, version string) {
	s.t.Helper()
	require.Equal(s.t, "stefanprodan/podinfo:"+version, k.primary(s))
	s.only(users, version, time.Now().Add(slowly))
}
