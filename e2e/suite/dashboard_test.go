package suite

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"regexp"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/e2e/internal/walk"
)

// looks are rollouts that people follow by the page and the plugin alone.
func looks() map[string]scenario {
	return map[string]scenario{
		"Dashboard": {
			reason: "Who has only the page sees which rollout waits for them and why, promotes it, takes it back, tries it again and has everybody get it.",
			play:   byPage,
		},
		"CrashLoop": {
			reason: "A container that ends again and again is named where people look, long before the deadline; the revision before, put back, is no rollout.",
			play:   crashLoop,
		},
	}
}

// dashboard is the page as a browser asks it, served by the plugin.
type dashboard struct {
	*scene
	address string
	browser http.Client
}

// shown is what it has of a Canary.
type shown struct {
	Name, State, Phase, Problem string
	Weight                      int
	Provider                    string
	Step                        struct{ Number, Of int }
	Waiting                     *struct {
		Reason, For string
		Person      bool
	}
	Action *struct{ Verb, By, Result, Message string }
	About  struct {
		Revision string
		Step     int
	}
	Allowed map[string]string
	Can     map[string]bool
	Runs    []struct{ Outcome, By string }
}

var link = regexp.MustCompile(`(http://127\.0\.0\.1:\d+)/#token=(\S+)`)

// openDashboard serves the page until the test ends, and logs in by the link that is printed.
func (s *scene) openDashboard() *dashboard {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(s.t, err)
	p := &dashboard{scene: s, browser: http.Client{Jar: jar, Timeout: 30 * time.Second}}
	ctx, stop := context.WithCancel(s.t.Context())
	links, ended := make(chan []string, 1), make(chan error, 1)
	go func() {
		ended <- s.Lines(ctx, func(line string) {
			if m := link.FindStringSubmatch(line); m != nil {
				links <- m
			}
		}, "sluice", "dashboard", "-n", s.namespace)
	}()
	s.t.Cleanup(func() {
		stop()
		require.NoError(s.t, <-ended)
	})
	select {
	case m := <-links:
		p.address = m[1]
		code, said := p.ask(http.MethodPost, "/auth/login", map[string]string{"token": m[2]})
		require.Equal(s.t, http.StatusNoContent, code, said)
	case <-time.After(patience):
		require.FailNow(s.t, "no link was printed")
	}
	return p
}

func (p *dashboard) ask(method, path string, body any) (int, string) {
	p.t.Helper()
	text, err := json.Marshal(body)
	require.NoError(p.t, err)
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.address+path, bytes.NewReader(text))
	require.NoError(p.t, err)
	r.Header.Set("Content-Type", "application/json")
	answer, err := p.browser.Do(r)
	require.NoError(p.t, err)
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	require.NoError(p.t, err)
	return answer.StatusCode, string(said)
}

func (p *dashboard) read(path string, into any) {
	p.t.Helper()
	code, said := p.ask(http.MethodGet, path, nil)
	require.Equal(p.t, http.StatusOK, code, said)
	require.NoError(p.t, json.Unmarshal([]byte(said), into))
}

// canary is what the page has of the scene's Canary.
func (p *dashboard) canary() (seen shown) {
	p.t.Helper()
	p.read("/api/v1/canaries/"+p.namespace+"/podinfo", &seen)
	return seen
}

// shows waits until the page has the Canary as it is wanted.
func (p *dashboard) shows(what string, so func(shown) bool) (seen shown) {
	p.t.Helper()
	p.eventually("the page to show "+what, func() bool {
		seen = p.canary()
		return so(seen)
	})
	return seen
}

// waits returns when the page says that a person is waited for.
func (p *dashboard) waits() shown {
	p.t.Helper()
	return p.shows("a pause", func(c shown) bool { return c.Waiting != nil && c.Waiting.Person })
}

// act clicks a button, which the page has to offer, and waits for the operator's answer.
func (p *dashboard) act(verb string) {
	p.t.Helper()
	before := p.shows(verb, func(c shown) bool { return c.Can[verb] && c.Allowed[verb] == "" })
	code, said := p.ask(http.MethodPost, "/api/v1/canaries/"+p.namespace+"/podinfo/actions",
		map[string]any{"verb": verb, "revision": before.About.Revision, "step": before.About.Step, "reason": "by the page"})
	require.Equal(p.t, http.StatusAccepted, code, said)
	p.shows("the answer to "+verb, func(c shown) bool { return c.Action != nil && c.Action.Verb == verb && c.Action.Result == "Accepted" })
}

func byPage(s *scene) {
	s.begin(`
  analysis:
    interval: 10s
    threshold: 1
    steps: [{name: half, weight: 50, pause: {}}, {weight: 80, pause: {}}]
`)
	s.stopped()
	users, p := s.users(), s.openDashboard()
	since := s.release("3.1.1")
	seen := p.waits()
	require.Equal(s.t, "StepPaused", seen.Waiting.Reason)
	require.Equal(s.t, []int{50, 1, 2}, []int{seen.Weight, seen.Step.Number, seen.Step.Of})
	require.NotEmpty(s.t, seen.Provider)
	require.NotEmpty(s.t, seen.Allowed["retry"], "it says why that is not possible")
	var list struct {
		Items  []shown
		Counts struct{ Waiting int }
	}
	p.read("/api/v1/canaries?waiting=true&namespace="+s.namespace, &list)
	require.Equal(s.t, 1, list.Counts.Waiting)
	require.Equal(s.t, "podinfo", list.Items[0].Name)
	require.True(s.t, list.Items[0].Can["promote"])

	p.act("promote")
	s.reach("Progressing 80", since)
	p.act("abort")
	s.reach("Failed", since)
	s.only(users, "3.1.0", time.Now().Add(slowly))
	s.stopped()

	since = time.Now()
	p.act("retry")
	s.reach("Progressing 50", since)
	p.waits()
	p.act("promote-full")
	s.reach("Succeeded", since)
	require.NoError(s.t, walk.Sequence(s.rows(since), "Progressing 0", "Progressing 50", "Promoting 50", "Finalising 0", "Succeeded 0"))
	s.settled()
	s.endedEarly()
	s.runs("podinfo-primary", "3.1.1", 1)

	since = time.Now()
	p.act("rollback")
	s.reach("Failed", since)
	s.runs("podinfo-primary", "3.1.0", 1)
	last := p.shows("the run", func(c shown) bool { return len(c.Runs) > 0 && c.Runs[0].Outcome == "Reverted" })
	require.NotEmpty(s.t, last.Runs[0].By)
	s.lossless(users)
}

// unknownFlag has podinfo end at once, since it does not know the flag.
const unknownFlag = `[{"op":"add","path":"/spec/template/spec/containers/0/command/-","value":"--no-such-flag"}]`

func crashLoop(s *scene) {
	s.kubectl("patch", "deployment", "podinfo", "-n", s.namespace, "-p", `{"spec":{"progressDeadlineSeconds":180}}`)
	s.begin("  progressDeadlineSeconds: 180" + twoSteps)
	s.stopped()
	users, p := s.users(), s.openDashboard()
	since := time.Now()
	s.kubectl("patch", "deployment", "podinfo", "-n", s.namespace, "--type=json", "-p", unknownFlag)
	s.eventually("the plugin to name the crash", func() bool {
		return regexp.MustCompile(`CrashLoopBackOff.*restarts:[1-9]`).MatchString(s.kubectl("sluice", "get", "podinfo", "-n", s.namespace))
	})
	failed := s.reach("Failed", since)
	require.Less(s.t, failed.At.Sub(since), 150*time.Second, "the deadline is 180 seconds")
	require.NoError(s.t, walk.Sequence(s.rows(since), "Progressing 0", "Failed 0"))
	s.said(since, "Rolling back podinfo."+s.namespace+" *CrashLoopBackOff: podinfod: *exit code *")
	seen := p.shows("the cause", func(c shown) bool { return c.Phase == "Failed" })
	require.Regexp(s.t, "CrashLoopBackOff.*exit code", seen.Problem)
	require.Equal(s.t, "Degraded", seen.State)
	s.stopped()

	since = time.Now()
	s.sluice("undo", "podinfo")
	s.reach("Succeeded", since)
	require.NoError(s.t, walk.Sequence(s.rows(since), "Succeeded 0"))
	s.runs("podinfo", "3.1.0", 0)
	s.only(users, "3.1.0", time.Time{})
	s.lossless(users)
}
