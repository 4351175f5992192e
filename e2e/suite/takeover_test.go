package suite

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/e2e/internal/install"
	"github.com/sluice-cd/sluice/e2e/internal/traffic"
	"github.com/sluice-cd/sluice/e2e/internal/walk"
)

// legacy is a Canary as another controller of its API left it, in testdata/flagger.
type legacy struct {
	reason          string
	target, primary string // versions
	stopped         bool   // the target
	weight          int    // of the canary, as its routes have it
	then            func(*heir)
}

func legacies() map[string]legacy {
	return map[string]legacy{
		"Succeeded": {
			reason: "Nothing happens at rest, and the next release is like any other.",
			target: "3.1.0", primary: "3.1.0", stopped: true,
			then: func(h *heir) {
				h.rests("Succeeded 0")
				h.releases("3.1.1")
			},
		},
		"Failed": {
			reason: "A revision that failed is not tried again; the next one is, and after that the finalizer is honoured.",
			target: "3.1.1", primary: "3.1.0", stopped: true,
			then: func(h *heir) {
				h.rests("Failed 0")
				h.releases("3.1.2")
				h.goes()
			},
		},
		"Progressing": {
			reason: "A rollout goes on from the weight that it has.",
			target: "3.1.1", primary: "3.1.0", weight: 30,
			then: func(h *heir) {
				h.reach("Succeeded", h.began)
				require.NoError(h.t, walk.Sequence(h.rows(h.began), "Progressing 60", "Promoting 60", "Finalising 0", "Succeeded 0"))
				h.weighs(30, 60, 0)
				h.settled()
				h.only(h.users, "3.1.1", time.Now())
			},
		},
		"Promoting": {
			reason: "A primary that has the new revision is not restarted, and requests come back to it.",
			target: "3.1.1", primary: "3.1.1", weight: 60,
			then: func(h *heir) {
				h.reach("Succeeded", h.began)
				require.NoError(h.t, walk.Sequence(h.rows(h.began), "Finalising 0", "Succeeded 0"))
				h.weighs(60, 0)
				require.Equal(h.t, h.pods, h.primaries(), "the primary's pods")
				h.settled()
				h.only(h.users, "3.1.1", time.Now())
			},
		},
	}
}

// heir is a scene with a Canary that was inherited.
type heir struct {
	*scene
	users  *traffic.Client
	routes *walk.Journal
	pods   []string // of the primary, before anybody took over
	began  time.Time
}

// takeover leaves one Canary of each kind while no operator is there, and then starts ours. Users ask all the while.
func takeover(t *testing.T, w *world) {
	scenes := map[string]*scene{}
	for phase := range legacies() {
		scenes[phase] = stage(t, w, "heir-"+phase)
	}
	operators(t.Context(), t, w, "0")
	t.Cleanup(func() { operators(context.WithoutCancel(t.Context()), t, w, "1") })
	heirs := map[string]*heir{}
	for phase, l := range legacies() {
		heirs[phase] = leave(scenes[phase], phase, l)
	}
	for phase, l := range legacies() {
		heirs[phase].meet(l)
	}
	began := time.Now()
	operators(t.Context(), t, w, "1")
	for phase, l := range legacies() {
		t.Run(phase, func(t *testing.T) {
			t.Parallel()
			h := heirs[phase]
			h.t, h.began = t, began
			t.Log(l.reason)
			h.said(began, "Adopted podinfo."+h.namespace+" in phase "+phase)
			l.then(h)
			h.lossless(h.users)
		})
	}
}

// operators sets how many there are, and waits until that is so.
func operators(ctx context.Context, t *testing.T, w *world, n string) {
	t.Helper()
	_, err := w.Quiet(ctx, "scale", "deployment/sluice", "-n", install.Namespace, "--replicas="+n)
	require.NoError(t, err)
	_, err = w.Quiet(ctx, "rollout", "status", "deployment/sluice", "-n", install.Namespace, "--timeout=120s")
	require.NoError(t, err)
	if n == "0" {
		_, err = w.Quiet(ctx, "wait", "pods", "-n", install.Namespace, "-l", "app.kubernetes.io/name=sluice", "--for=delete", "--timeout=120s")
		require.NoError(t, err)
	}
}

// leave makes the objects, by the hand of the controller that was there before.
func leave(s *scene, phase string, l legacy) *heir {
	s.t.Helper()
	s.apply(s.left("canary", l, ""))
	owner := s.kubectl("get", "canary", "podinfo", "-n", s.namespace, "-o", "jsonpath={.metadata.uid}")
	s.kubectl("create", "--field-manager=flagger", "-f", s.file(s.left("objects", l, owner)))
	s.kubectl("patch", "canary", "podinfo", "-n", s.namespace, "--subresource=status", "--type=merge", "--field-manager=flagger",
		"--patch-file", s.file(s.left(strings.ToLower(phase), l, owner)))
	s.release(l.target)
	if l.stopped {
		s.kubectl("scale", "deployment/podinfo", "-n", s.namespace, "--replicas=0")
	}
	s.kubectl("rollout", "status", "deployment/podinfo", "-n", s.namespace, "--timeout=120s")
	s.kubectl("rollout", "status", "deployment/podinfo-primary", "-n", s.namespace, "--timeout=120s")
	routes := &unstructured.UnstructuredList{}
	routes.SetGroupVersionKind(virtualService().GroupVersion().WithKind("VirtualServiceList"))
	journal, err := walk.Follow(s.t.Context(), s.client, routes, client.InNamespace(s.namespace))
	require.NoError(s.t, err)
	return &heir{scene: s, users: s.users(), routes: journal}
}

// left is a file of testdata/flagger, filled in.
func (s *scene) left(name string, l legacy, owner string) string {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "flagger", name+".yaml"))
	require.NoError(s.t, err)
	return strings.NewReplacer("NAMESPACE", s.namespace, "HOST", s.host(), "OWNER", owner, "VERSION", l.primary,
		"KEPT", strconv.Itoa(100-l.weight), "GIVEN", strconv.Itoa(l.weight)).Replace(string(text))
}

func (s *scene) file(text string) string {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), "given.yaml")
	require.NoError(s.t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// meet sees what was left work, before anybody takes it over.
func (h *heir) meet(l legacy) {
	h.t.Helper()
	since := time.Now()
	require.NoError(h.t, h.answered(h.users, since, 100))
	seen := h.users.Since(since)
	if l.target != l.primary {
		require.NoError(h.t, traffic.Binomial(seen.ByVersion[l.target], seen.Total-seen.Failed, float64(l.weight)/100, 4), "%s", seen)
	}
	h.pods = h.primaries()
	require.Len(h.t, h.pods, 1)
}

// primaries are the UIDs of the primary's pods.
func (s *scene) primaries() []string {
	s.t.Helper()
	pods := &corev1.PodList{}
	require.NoError(s.t, s.client.List(s.t.Context(), pods, client.InNamespace(s.namespace), client.MatchingLabels{"app": "podinfo-primary"}))
	var ids []string
	for i := range pods.Items {
		ids = append(ids, string(pods.Items[i].UID))
	}
	slices.Sort(ids)
	return ids
}

// weighed are the canary's weights in the routes, from before the takeover on, each as it changed.
func (h *heir) weighed() []int64 {
	var weights []int64
	for _, e := range h.routes.Entries() {
		if u, ok := e.Object.(*unstructured.Unstructured); ok {
			weights = append(weights, weightsOf(u)["podinfo-canary"])
		}
	}
	return slices.Compact(weights)
}

// weighs waits until the routes are seen to have had just these weights: the status of the last comes after it, and
// yet another watch may tell of it first.
func (h *heir) weighs(want ...int64) {
	h.t.Helper()
	err := h.routes.Wait(within(h.t, patience), func([]walk.Entry) bool { return slices.Equal(want, h.weighed()) })
	require.NoError(h.t, err, "want %v, got %v", want, h.weighed())
}

// rests wants nothing to change for longer than an interval.
func (h *heir) rests(row string) {
	h.t.Helper()
	err := h.canaries.Wait(within(h.t, 12*time.Second), func(e []walk.Entry) bool {
		return walk.Last(walk.Rows(e, "podinfo")).String() != row
	})
	require.ErrorIs(h.t, err, context.DeadlineExceeded, "%v", h.rows(time.Time{}))
	require.Equal(h.t, []int64{0}, h.weighed())
	require.Equal(h.t, h.pods, h.primaries(), "the primary's pods")
	h.only(h.users, "3.1.0", h.began)
}

// releases wants the next release to go its usual way.
func (h *heir) releases(version string) {
	h.t.Helper()
	since := h.release(version)
	h.reach("Succeeded", since)
	require.NoError(h.t, walk.Sequence(h.rows(since),
		"Progressing 0", "Progressing 30", "Progressing 60", "Promoting 60", "Finalising 0", "Succeeded 0"))
	h.runs("podinfo-primary", version, 1)
	h.settled()
	h.only(h.users, version, time.Now())
}

// goes deletes the Canary, which takes what it made along and leaves the target running.
func (h *heir) goes() {
	h.t.Helper()
	h.users.Stop()
	h.kubectl("delete", "canary", "podinfo", "-n", h.namespace, "--timeout=120s")
	h.kubectl("wait", "deployment/podinfo-primary", "-n", h.namespace, "--for=delete", "--timeout=120s")
	h.kubectl("wait", "deployment/podinfo", "-n", h.namespace, "--for=jsonpath={.status.availableReplicas}=1", "--timeout=120s")
}
