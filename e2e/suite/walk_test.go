package suite

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-cd/sluice/e2e/internal/install"
	"github.com/sluice-cd/sluice/e2e/internal/traffic"
	"github.com/sluice-cd/sluice/e2e/internal/walk"
)

// channel is the address of the chat channel as the operator's pod knows it.
const channel = "http://slack.istio-system/services/T000/B000/e2e"

// testWalk goes through the examples with the manifests as they are printed, intervals aside.
func testWalk(t *testing.T, w *world) {
	s := watch(t, w, "test")
	t.Cleanup(func() {
		if t.Failed() {
			s.report()
		}
	})
	anew(s)
	screen := s.screen()
	began := time.Now()
	require.NoError(t, w.Alerts(t.Context(), channel))
	initialise(s)
	users := s.ask(traffic.Config{URL: s.gateway, Host: "app.example.com", Rate: 50})
	promote(s, users)
	rollBack(s, users)
	s.lossless(users)
	chatted(s, began)
	printed(s, screen)
	users.Stop()
	deleted(s)
	walkBlueGreen(s)
}

// anew makes the namespace of the examples as it is before the walk.
func anew(s *scene) {
	s.t.Helper()
	s.kubectl("delete", "canary", "podinfo", "-n", "test", "--ignore-not-found")
	s.kubectl("delete", "deployment,hpa", "podinfo", "-n", "test", "--ignore-not-found")
	s.kubectl("wait", "deployment/podinfo-primary", "-n", "test", "--for=delete", "--timeout=120s")
	require.NoError(s.t, s.Walk(s.t.Context()))
	s.kubectl("wait", "deployment/podinfo", "-n", "test", "--for=jsonpath={.status.availableReplicas}=2", "--timeout=120s")
}

// screen is a terminal in which `kubectl get canary --watch` runs all the while.
func (s *scene) screen() func() []string {
	var mu sync.Mutex
	var lines []string
	ctx, stop := context.WithCancel(s.t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- s.Lines(ctx, func(line string) {
			mu.Lock()
			defer mu.Unlock()
			lines = append(lines, line)
		}, "get", "canary", "-n", s.namespace, "--watch")
	}()
	return func() []string {
		stop()
		require.NoError(s.t, <-ended)
		mu.Lock()
		defer mu.Unlock()
		return lines
	}
}

func (s *scene) example(file string, edits ...install.Edit) {
	s.t.Helper()
	edits = append(edits, install.Edit{Field: "interval", Value: "10s"})
	require.NoError(s.t, s.Apply(s.t.Context(), install.Manifest{Path: s.File("artifacts", "examples", file), Edits: edits}))
}

// initialise wants everything that is generated under the names and with the contents that the examples show.
func initialise(s *scene) {
	s.t.Helper()
	since := time.Now()
	s.example("podinfo-canary-alert.yaml")
	s.reach("Initialized", since)
	s.settled()
	s.runs("podinfo-primary", "3.1.0", 2)
	scaler := &autoscalingv2.HorizontalPodAutoscaler{}
	s.get("podinfo-primary", scaler)
	require.Equal(s.t, "podinfo-primary", scaler.Spec.ScaleTargetRef.Name)
	require.EqualValues(s.t, 2, *scaler.Spec.MinReplicas)
	require.EqualValues(s.t, 4, scaler.Spec.MaxReplicas)
	for name, app := range map[string]string{"podinfo": "podinfo-primary", "podinfo-primary": "podinfo-primary", "podinfo-canary": "podinfo"} {
		service := &corev1.Service{}
		s.get(name, service)
		require.Equal(s.t, map[string]string{"app": app}, service.Spec.Selector, "service %s", name)
		require.EqualValues(s.t, 9898, service.Spec.Ports[0].Port)
	}
	require.Equal(s.t, []string{
		"podinfo ['public-gateway.istio-system.svc.cluster.local'] ['app.example.com','podinfo']",
	}, s.table("virtualservice"))
	for i, name := range []string{"podinfo-canary", "podinfo-primary"} {
		require.Equal(s.t, name+" "+name, s.table("destinationrule")[i], "name and host")
	}
	s.said(since, "Initialization done! podinfo.test")
}

// table is what kubectl prints of a kind, without header and ages, each line's columns parted by one space.
func (s *scene) table(kind string) []string {
	s.t.Helper()
	var lines []string
	for line := range strings.Lines(s.kubectl("get", kind, "-n", s.namespace, "--no-headers")) {
		columns := strings.Fields(strings.ReplaceAll(line, `"`, "'"))
		lines = append(lines, strings.Join(columns[:len(columns)-1], " "))
	}
	return lines
}

// promote wants the rows, the events and the split of requests of a good rollout.
func promote(s *scene, users *traffic.Client) {
	s.t.Helper()
	since := s.release("3.1.1")
	s.reach("Succeeded", since)
	rows := s.rows(since)
	require.NoError(s.t, walk.Sequence(rows, "Progressing 0", "Progressing 10", "Progressing 20", "Progressing 30", "Progressing 40",
		"Progressing 50", "Promoting 50", "Finalising 0", "Succeeded 0"))
	lag := s.lag(users, rows[1])
	for i, r := range rows {
		if r.Phase == "Progressing" {
			s.divided(users, r.At.Add(lag), rows[i+1].At, r.Weight)
		}
	}
	s.settled()
	s.runs("podinfo-primary", "3.1.1", 2)
	s.only(users, "3.1.1", time.Now())
	s.said(since,
		"New revision detected! Scaling up podinfo.test*podinfo:3.1.1 is to replace podinfo:3.1.0",
		"Starting canary analysis for podinfo.test",
		"Pre-rollout check acceptance-test passed",
		"Advance podinfo.test canary weight 10",
		"Advance podinfo.test canary weight 20",
		"Advance podinfo.test canary weight 30",
		"Advance podinfo.test canary weight 40",
		"Advance podinfo.test canary weight 50",
		"Copying podinfo.test template spec to podinfo-primary.test",
		"Routing all traffic to primary",
		"Promotion completed! Scaling down podinfo.test*podinfo:3.1.1 serves all requests",
	)
}

// rollBack sends errors to the canary, as the examples do, until it is given up.
func rollBack(s *scene, users *traffic.Client) {
	s.t.Helper()
	since := s.release("3.1.2")
	calm := s.trouble()
	s.reach("Failed", since)
	calm()
	require.NoError(s.t, walk.Sequence(s.rows(since), "Progressing 0", "Progressing 10", "Failed 0"))
	require.EqualValues(s.t, 5, s.status("failedChecks"))
	s.said(since,
		"New revision detected! Scaling up podinfo.test*podinfo:3.1.2 is to replace podinfo:3.1.1",
		"Starting canary analysis for podinfo.test",
		"Pre-rollout check acceptance-test passed",
		"Advance podinfo.test canary weight 10",
		"Halt podinfo.test advancement success rate * < 99%",
		"Rolling back podinfo.test failed checks threshold reached 5",
		"Canary failed! Scaling down podinfo.test*podinfo:3.1.2 was rolled back; podinfo:3.1.1 serves all requests",
	)
	require.Equal(s.t, 5, walk.Said(s.texts(since), "Halt podinfo.test advancement success rate * < 99%"))
	s.stopped()
	s.runs("podinfo-primary", "3.1.1", 2)
	s.only(users, "3.1.1", time.Now())
}

// trouble asks the canary for errors from within the load tester, until it is told to stop.
func (s *scene) trouble() (calm func()) {
	s.t.Helper()
	tester := []string{"exec", "-n", "test", "deployment/flagger-loadtester", "--", "sh", "-c"}
	ended := make(chan error, 1)
	go func() {
		_, err := s.Quiet(s.t.Context(), append(tester,
			"rm -f /tmp/enough; until [ -e /tmp/enough ]; do curl -s http://podinfo-canary.test:9898/status/500; sleep 0.1; done")...)
		ended <- err
	}()
	return func() {
		s.kubectl(append(tester, "touch /tmp/enough")...)
		require.NoError(s.t, <-ended)
	}
}

// chatted wants the four messages of the examples, as the channel's readers see them.
func chatted(s *scene, since time.Time) {
	s.t.Helper()
	want := []struct{ color, text string }{
		{"good", "New Deployment detected, initialization completed."},
		{"good", "New revision detected, progressing canary analysis."},
		{"good", "Canary analysis completed successfully, promotion finished. podinfo:3.1.1 serves all requests."},
		{"good", "New revision detected, progressing canary analysis."},
		{"danger", "Failed checks threshold reached 5. podinfo:3.1.2 was rolled back; podinfo:3.1.1 serves all requests."},
	}
	var posts []walk.Post
	require.Eventually(s.t, func() bool {
		var err error
		posts, err = s.chat.Posts(s.t.Context(), "podinfo.test", since)
		return err == nil && len(posts) >= len(want)
	}, patience, 200*time.Millisecond)
	require.Len(s.t, posts, len(want))
	for i, p := range posts {
		require.Equal(s.t, want[i].color, p.Color, p.Text)
		require.Equal(s.t, want[i].text, p.Text)
		require.Equal(s.t, "on-call-alerts", p.Channel)
		require.Equal(s.t, "flagger", p.Username)
	}
	for _, i := range []int{0, 1, 3} {
		for name, value := range map[string]string{
			"Target": "Deployment/podinfo.test", "Failed checks threshold": "5",
			"Progress deadline": "60s", "Traffic routing": "Weight step: 10 max: 50",
		} {
			require.Equal(s.t, value, posts[i].Fields[name], "%s in %q", name, posts[i].Text)
		}
	}
	for i, images := range map[int]string{1: "podinfo:3.1.0 → *podinfo:3.1.1", 3: "podinfo:3.1.1 → *podinfo:3.1.2", 4: "podinfo:3.1.1 → *podinfo:3.1.2"} {
		require.Equal(s.t, 1, walk.Said([]string{posts[i].Fields["Images"]}, "*"+images), "%q says %v", posts[i].Text, posts[i].Fields)
	}
	require.Contains(s.t, posts[4].Fields["Failed metrics"], "request-success-rate", "%v", posts[4].Fields)
}

// printed wants what a terminal showed: the columns of the examples, and the rows in their order.
func printed(s *scene, screen func() []string) {
	s.t.Helper()
	lines := screen()
	s.t.Log("kubectl get canary --watch:\n" + strings.Join(lines, "\n"))
	require.Equal(s.t, "NAME STATUS WEIGHT LASTTRANSITIONTIME WAITING SINCE IMAGE", strings.Join(strings.Fields(lines[0]), " "))
	var rows []walk.Row
	for _, line := range lines {
		row, ok := walk.ParseRow(line, time.Time{})
		if ok && (len(rows) == 0 || walk.Last(rows).String() != row.String()) {
			rows = append(rows, row)
		}
	}
	require.NoError(s.t, walk.Sequence(rows, "Initializing 0", "Initialized 0",
		"Progressing 0", "Progressing 10", "Progressing 20", "Progressing 30", "Progressing 40", "Progressing 50",
		"Promoting 50", "Finalising 0", "Succeeded 0",
		"Progressing 0", "Progressing 10", "Failed 0"))
}

// deleted wants all that was generated to go with the Canary.
func deleted(s *scene) {
	s.t.Helper()
	s.kubectl("delete", "canary", "podinfo", "-n", "test")
	for _, object := range []string{
		"deployment/podinfo-primary", "hpa/podinfo-primary", "service/podinfo", "service/podinfo-primary", "service/podinfo-canary",
		"virtualservice/podinfo", "destinationrule/podinfo-primary", "destinationrule/podinfo-canary",
	} {
		s.kubectl("wait", object, "-n", "test", "--for=delete", "--timeout=120s")
	}
}

// walkBlueGreen is the examples' second half, with fewer iterations.
func walkBlueGreen(s *scene) {
	s.t.Helper()
	s.release("3.1.0")
	s.kubectl("scale", "deployment/podinfo", "-n", "test", "--replicas=2")
	s.kubectl("rollout", "status", "deployment/podinfo", "-n", "test", "--timeout=120s")
	since := time.Now()
	s.example("podinfo-bg.yaml", install.Edit{Field: "iterations", Value: "3"})
	s.reach("Initialized", since)
	users := s.ask(traffic.Config{URL: s.gateway, Host: "app.example.com", Rate: 20})
	since = s.release("3.1.1")
	s.reach("Succeeded", since)
	require.NoError(s.t, walk.Sequence(s.rows(since), "Progressing 0", "Progressing 100", "Promoting 100", "Finalising 0", "Succeeded 0"))
	var want []string
	for i := range 3 {
		want = append(want, fmt.Sprintf("Advance podinfo.test canary iteration %d/3", i+1))
	}
	s.said(since, append(want, "Routing all traffic to canary", "Copying podinfo.test template spec to podinfo-primary.test",
		"Routing all traffic to primary", "Promotion completed! Scaling down podinfo.test*")...)
	primary := &appsv1.Deployment{}
	s.get("podinfo-primary", primary)
	require.EqualValues(s.t, 2, primary.Status.AvailableReplicas)
	s.lossless(users)
}
