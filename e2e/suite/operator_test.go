package suite

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/e2e/internal/install"
	"github.com/sluice-cd/sluice/e2e/internal/walk"
)

// testOperator lets the operator itself fail.
func testOperator(t *testing.T, w *world) {
	t.Run("KilledMidway", func(t *testing.T) { killedMidway(stage(t, w, "killed")) })
	t.Run("LeaderLost", func(t *testing.T) { leaderLost(stage(t, w, "leader")) })
	t.Run("TakingOver", func(t *testing.T) { takeover(t, w) })
	t.Run("RestartWithSettled", func(t *testing.T) { restartWithSettled(stage(t, w, "settled")) })
}

// killedMidway takes the operator away in the middle of a rollout, without a moment to prepare for it.
func killedMidway(s *scene) {
	s.begin(twoSteps)
	users := s.users()
	since := s.release("3.1.1")
	s.reach("Progressing 20", since)
	s.kill()
	s.reach("Succeeded", since)
	require.NoError(s.t, walk.Sequence(s.rows(since),
		"Progressing 0", "Progressing 20", "Progressing 40", "Promoting 40", "Finalising 0", "Succeeded 0"))
	s.said(since, "Advance podinfo."+s.namespace+" canary weight 40", "Promotion completed! Scaling down podinfo."+s.namespace)
	require.LessOrEqual(s.t, walk.Said(s.texts(since), "Advance podinfo."+s.namespace+" canary weight 20"), 1, "nothing is said twice")
	s.runs("podinfo-primary", "3.1.1", 1)
	s.settled()
	s.lossless(users)
}

// leaderLost takes the leader of two operators away, for good and without a moment to hand over.
func leaderLost(s *scene) {
	s.kubectl("scale", "deployment/sluice", "-n", install.Namespace, "--replicas=2")
	s.t.Cleanup(func() {
		_, _ = s.Quiet(context.WithoutCancel(s.t.Context()), "scale", "deployment/sluice", "-n", install.Namespace, "--replicas=1")
	})
	s.kubectl("rollout", "status", "deployment/sluice", "-n", install.Namespace, "--timeout=120s")
	s.begin(twoSteps)
	users := s.users()
	since := s.release("3.1.1")
	s.reach("Progressing 20", since)
	holder := s.lease()
	name := strings.Split(holder, "_")[0]
	leader := &corev1.Pod{}
	require.NoError(s.t, s.client.Get(s.t.Context(), client.ObjectKey{Namespace: install.Namespace, Name: name}, leader))
	if pid := processOf(leader); pid != 0 {
		require.NoError(s.t, syscall.Kill(pid, syscall.SIGKILL))
	}
	s.kubectl("delete", "pod", name, "-n", install.Namespace, "--grace-period=0", "--force")
	lost := time.Now()
	require.Eventually(s.t, func() bool { return s.lease() != holder }, patience, 200*time.Millisecond, "nobody took the lead")
	s.t.Logf("another operator leads after %.1f s", time.Since(lost).Seconds())
	require.Less(s.t, time.Since(lost), 30*time.Second, "a lease is 15 seconds long")
	s.reach("Succeeded", since)
	require.NoError(s.t, walk.Sequence(s.rows(since),
		"Progressing 0", "Progressing 20", "Progressing 40", "Promoting 40", "Finalising 0", "Succeeded 0"))
	require.LessOrEqual(s.t, walk.Said(s.texts(since), "Advance podinfo."+s.namespace+" canary weight 40"), 1, "nothing is said twice")
	s.lossless(users)
}

// kill ends the operator by SIGKILL where its process is on this machine, else by deleting its pod at once.
func (s *scene) kill() {
	s.t.Helper()
	pod := s.operator()
	if pid := processOf(pod); pid != 0 {
		s.t.Logf("kill -9 %d, which is %s", pid, pod.Name)
		require.NoError(s.t, syscall.Kill(pid, syscall.SIGKILL))
		return
	}
	s.kubectl("delete", "pod", pod.Name, "-n", install.Namespace, "--grace-period=0", "--force")
}

// processOf finds a pod's process on this machine by the pod's UID, which is in the name of its control groups.
func processOf(pod *corev1.Pod) int {
	found, _ := filepath.Glob("/proc/[0-9]*/cgroup") // the pattern is sound
	for _, file := range found {
		groups, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(groups), string(pod.UID)) {
			continue
		}
		dir := filepath.Dir(file)
		if exe, err := os.Readlink(filepath.Join(dir, "exe")); err != nil || filepath.Base(exe) != "sluice" {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(dir)); err == nil {
			return pid
		}
	}
	return 0
}

// operator is the pod that runs it.
func (w *world) operatorPod(ctx context.Context) (*corev1.Pod, error) {
	pods := &corev1.PodList{}
	err := w.client.List(ctx, pods, client.InNamespace(install.Namespace), client.MatchingLabels{"app.kubernetes.io/name": "sluice"})
	if err != nil {
		return nil, err
	}
	for i := range pods.Items {
		if pods.Items[i].DeletionTimestamp.IsZero() {
			return &pods.Items[i], nil
		}
	}
	return nil, fmt.Errorf("no pod of the operator among %d", len(pods.Items))
}

func (s *scene) operator() *corev1.Pod {
	s.t.Helper()
	pod, err := s.operatorPod(s.t.Context())
	require.NoError(s.t, err)
	return pod
}

// restartWithSettled starts the operator anew beside Canaries at rest, and wants nothing to be written.
func restartWithSettled(s *scene) {
	s.begin(twoSteps)
	s.settled()
	require.Eventually(s.t, func() bool {
		target := &appsv1.Deployment{}
		s.get("podinfo", target)
		ending := target.Status.TerminatingReplicas
		return target.Status.ObservedGeneration == target.Generation && target.Status.Replicas == 0 && (ending == nil || *ending == 0)
	}, patience, 200*time.Millisecond, "the target's last pods never ended")
	s.kubectl("wait", "pods", "-l", "app=podinfo", "-n", s.namespace, "--for=delete", "--timeout=120s")
	before := s.versions()
	s.t.Log("objects:", strings.Join(slices.Sorted(maps.Keys(before)), " "))
	s.kubectl("rollout", "restart", "deployment/sluice", "-n", install.Namespace)
	s.kubectl("rollout", "status", "deployment/sluice", "-n", install.Namespace, "--timeout=120s")
	leader := s.operator()
	require.Eventually(s.t, func() bool {
		return strings.Contains(s.lease(), leader.Name)
	}, patience, 200*time.Millisecond, "the new pod never took the lead")
	s.probe()
	require.Equal(s.t, before, s.versions())
}

func (s *scene) lease() string {
	return s.kubectl("get", "lease", "flagger-leader-election", "-n", install.Namespace, "-o", "jsonpath={.spec.holderIdentity}")
}

// probe makes the operator do something elsewhere, so that it has surely looked at everything before that.
func (s *scene) probe() {
	s.t.Helper()
	other := watch(s.t, s.world, "test")
	since := time.Now()
	other.apply(strings.NewReplacer("podinfo", "probe", "NAMESPACE", "test").Replace(`
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: podinfo, namespace: NAMESPACE}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}
  service: {port: 9898}
  analysis: {interval: 10s, threshold: 1, stepWeight: 50}
`))
	s.t.Cleanup(func() {
		_, _ = s.Quiet(context.WithoutCancel(s.t.Context()), "delete", "canary", "probe", "-n", "test")
	})
	require.NoError(s.t, other.canaries.Wait(within(s.t, patience), func(e []walk.Entry) bool {
		return len(walk.From(walk.Rows(e, "probe"), since)) > 1
	}))
}

// versions are the resource versions of all that belongs to the scene's Canary, itself included.
func (s *scene) versions() map[string]string {
	s.t.Helper()
	versions := map[string]string{}
	for _, kind := range []string{"canary", "deployment", "service", "virtualservice", "destinationrule"} {
		out := s.kubectl("get", kind, "-n", s.namespace, "-o", `jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.resourceVersion}{"\n"}{end}`)
		for line := range strings.Lines(out) {
			name, version, _ := strings.Cut(strings.TrimSpace(line), " ")
			versions[name] = version
		}
	}
	require.Contains(s.t, versions, "Deployment/podinfo-primary")
	return versions
}
