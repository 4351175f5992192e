package console

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/console"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
)

// What somebody may read is listed, filtered, counted and paged, and stays as it is in the cluster.
func TestList(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	other, secret := kubetest.Namespace(t), kubetest.Namespace(t)
	s.canary(s.ns, "podinfo")
	s.status(s.ns, "podinfo", s.pause)
	s.canary(s.ns, "frontend")
	s.status(s.ns, "frontend", func(c *v1beta1.CanaryStatus) {
		s.start(c)
		c.Phase, c.FailedChecks, c.Cause, c.Run.Outcome = v1beta1.PhaseFailed, 5, `request-success-rate 91.2 < 99 <img src=x onerror="document.title='hacked'">`, v1beta1.RunRolledBack
	})
	s.canary(other, "checkout")
	s.canary(secret, "payments")

	tab := s.browser().tab()
	tab.open("")
	tab.says("h1", "Log in")
	tab.accessible("the login")
	tab.run(chromedp.SendKeys(`#token`, "wrong\r"))
	tab.says(`[role="alert"]`, "not accepted")
	tab.login(s.account("anna", allVerbs, other))
	tab.says(`[role="status"]`, "3 Canaries")
	tab.says("button", "Waits for a person 1")
	tab.says("button", "Failed 1")
	require.NotContains(t, tab.shows(), "payments", "another namespace is not told")
	tab.says(".waits", "you: waits for promote")
	tab.says(".waits", `<img src=x onerror=`)
	tab.until(`document.images.length === 0 && document.title !== 'hacked'`)
	tab.accessible("the list")
	tab.scheme("dark")
	tab.accessible("the dark list")

	const names = `[...document.querySelectorAll('.list tbody a')].map((a) => a.textContent).join(' ')`
	tab.click(button("Waits for a person 1"))
	tab.until(names + ` === 'podinfo'`)
	tab.click(button("Failed 1"))
	tab.until(names + ` === 'frontend'`)
	tab.until(`location.search === '?show=failed'`)
	tab.click(button("All 3"))
	tab.run(chromedp.SetValue(`select`, other))
	js[bool](tab, `document.querySelector('select').dispatchEvent(new Event('change', {bubbles: true}))`)
	tab.until(names + ` === 'checkout'`)
	tab.open("?q=front")
	tab.until(names + ` === 'frontend'`)

	tab.open("")
	tab.says(`[role="status"]`, "3 Canaries")
	tab.size(780, 740)
	tab.until(`[...document.querySelectorAll('.list tbody a')].every((a) => a.getClientRects().length === 1)`)
	tab.size(1280, 900)
	s.status(s.ns, "podinfo", func(c *v1beta1.CanaryStatus) { s.step(c, 3, 50, 6) })
	tab.says(".list tr", "50 %")
	tab.says("button", "Waits for a person 0")
	for i := range 101 {
		s.canary(other, fmt.Sprintf("many-%03d", i))
	}
	tab.says(`[role="status"]`, "104 Canaries, the first 100 are shown")
	tab.click(button("Show more"))
	tab.until(`document.querySelectorAll('.list tbody tr').length === 104`)
	tab.size(360, 740)
	tab.until(`document.documentElement.scrollWidth <= 360`)
}

// A rollout is followed from its beginning to its end, as it is told by the stream.
func TestRollout(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.canary(s.ns, "podinfo")
	tab := s.browser().tab()
	path := "ns/" + s.ns + "/podinfo"
	tab.open(path)
	tab.login(s.account("anna", allVerbs))
	tab.says("h1", "Initialized")
	tab.says(".short", "There was no rollout yet")

	s.status(s.ns, "podinfo", func(c *v1beta1.CanaryStatus) { s.start(c); s.step(c, 1, 5, 0); s.measured(c, 1, 99.9, 210) })
	tab.says(".short", "Judging podinfod 6.0.0 → 6.0.1: 5 % of requests go to the canary, step 1 of 4")
	tab.says(`.steps [aria-current="step"]`, "first users")
	tab.until(drawn(`[aria-label^="Weight over time"]`))
	s.status(s.ns, "podinfo", func(c *v1beta1.CanaryStatus) { s.step(c, 2, 20, 2); s.measured(c, 2, 99.7, 260) })
	tab.says(`[aria-live]`, "podinfo: Progressing, 20 %, step 2 of 4")
	s.status(s.ns, "podinfo", func(c *v1beta1.CanaryStatus) {
		s.step(c, 3, 50, 5)
		c.StepUntil = &metav1.Time{Time: time.Now().Add(10 * time.Minute)}
		s.measured(c, 6, 97.25, 430)
	})
	tab.says(`.card.degraded`, "97.25")
	tab.says(`.card.degraded`, "✖ Failed")
	tab.says(`.card.healthy`, "request-duration")
	tab.until(drawn(`[aria-label^="request-success-rate"]`))
	tab.says(`.steps [aria-current="step"]`, "left")
	tab.says(`.facts`, "1 of 5 failed, last: request-success-rate 97.25 is not >= 99")
	s.status(s.ns, "podinfo", func(c *v1beta1.CanaryStatus) {
		c.StepUntil = nil
		s.step(c, 4, 80, 9)
		s.measured(c, 10, 99.8, 300)
	})
	tab.until(`[...document.querySelectorAll('table')].some((e) => e.caption?.textContent === 'Weights' && e.tBodies[0].rows.length === 4)`)
	s.status(s.ns, "podinfo", func(c *v1beta1.CanaryStatus) { c.Phase, c.Promoting = v1beta1.PhasePromoting, "r1-two" })
	tab.says(".short", "The canary has passed. The primary is being given podinfod 6.0.0 → 6.0.1")
	s.status(s.ns, "podinfo", func(c *v1beta1.CanaryStatus) {
		c.Phase, c.CanaryWeight, c.Step, c.StepStarted, c.LastPromotedSpec, c.Promoting = v1beta1.PhaseSucceeded, 0, 0, nil, "r1-two", ""
		c.Run.Outcome, c.Run.Finished = v1beta1.RunPromoted, new(metav1.Now())
	})
	tab.says("h1", "✔ Succeeded")
	tab.says(`[aria-live]`, "podinfo: Succeeded")
	tab.until(`document.querySelectorAll('.steps .done').length === 4`)

	tab.click(`//dd/a[text()="17"]`)
	tab.says("h1", "Run 17")
	tab.says("h1", "✔ Promoted")
	tab.accessible("a run")
	tab.run(chromedp.NavigateBack())
	tab.says("h1", "podinfo")
	require.NoError(t, s.Delete(t.Context(), &v1beta1.Canary{ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: "podinfo"}}))
	tab.says(`[role="alert"]`, "This Canary was deleted")
}

// An action is confirmed, written as it was confirmed, and answered on the page.
func TestActions(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	failed := func(c *v1beta1.CanaryStatus) {
		s.start(c)
		c.Phase, c.Run.Outcome, c.Run.Finished = v1beta1.PhaseFailed, v1beta1.RunRolledBack, new(metav1.Now())
	}
	succeeded := func(c *v1beta1.CanaryStatus) {
		s.start(c)
		c.Phase, c.LastPromotedSpec, c.Run.Outcome, c.Run.Finished = v1beta1.PhaseSucceeded, "r1-two", v1beta1.RunPromoted, new(metav1.Now())
	}
	anna, guest := s.browser().tab(), s.browser().tab()
	anna.open("")
	anna.login(s.account("anna", allVerbs))
	guest.open("")
	guest.login(s.account("guest", []string{"get", "list"}))
	for _, tc := range []struct {
		verb, label string
		status      func(*v1beta1.CanaryStatus)
		step        int
		result      v1beta1.ActionResult
	}{
		{"promote", "Promote", s.pause, 2, v1beta1.ActionAccepted},
		{"abort", "Abort", s.pause, 2, v1beta1.ActionRefused},
		{"retry", "Retry", failed, 0, v1beta1.ActionAccepted},
		{"rollback", "Roll back", succeeded, 0, v1beta1.ActionExpired},
	} {
		s.canary(s.ns, tc.verb)
		s.status(s.ns, tc.verb, tc.status)
		anna.open("ns/" + s.ns + "/" + tc.verb)
		anna.says(".bar-of-actions", tc.label)
		anna.click(button(tc.label))
		anna.says("dialog", "r1-two")
		anna.says("dialog", "podinfod 6.0.0 → 6.0.1")
		if tc.step > 0 {
			anna.says("dialog", fmt.Sprintf("step %d of 4", tc.step))
		}
		anna.run(chromedp.SendKeys(`dialog textarea`, "looks good"))
		anna.click(`//dialog` + button(tc.label))
		text := s.answer(s.ns, tc.verb, tc.result, "the operator's word on "+tc.verb)
		require.Regexp(t, fmt.Sprintf(`^%s id=\S+ revision=r1-two step=%d reason=looks good$`, tc.verb, tc.step), text)
		anna.says("dialog .answer", string(tc.result)+": the operator's word on "+tc.verb)
		anna.click(button("Close"))
		anna.until(`!document.querySelector('dialog')`)

		guest.open("ns/" + s.ns + "/" + tc.verb)
		guest.until(`document.querySelectorAll('.bar-of-actions button[aria-disabled="true"]').length === 8`)
		guest.says("#no-"+tc.verb, "you may not: this takes the verb "+tc.verb)
		guest.run(chromedp.Click(`//div[@class="bar-of-actions"]` + button(tc.label)))
		guest.until(`!document.querySelector('dialog')`)
		guest.open("ns/" + s.ns + "/" + tc.verb + "?do=" + tc.verb)
		guest.says("dialog", "This is not possible: you may not")
		guest.until(`document.querySelector('dialog [type="submit"]').disabled`)
	}
}

// A step that runs is ended by who may do that, and says so.
func TestSkipStep(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.canary(s.ns, "podinfo")
	s.status(s.ns, "podinfo", func(c *v1beta1.CanaryStatus) { s.start(c); s.step(c, 1, 5, 0) })
	tab := s.browser().tab()
	tab.open("ns/" + s.ns + "/podinfo")
	tab.login(s.account("anna", allVerbs))
	tab.click(button("End this step before its time …"))
	tab.until(`document.querySelector('dialog [type="checkbox"]').checked`)
	tab.click(`//dialog` + button("Promote"))
	require.Regexp(t, `^promote id=\S+ revision=r1-two step=1 skip-step=true$`, s.answer(s.ns, "podinfo", v1beta1.ActionAccepted, "step 1 is over"))
	tab.says("dialog .answer", "✔ Accepted: step 1 is over")
}

// The address that `kubectl sluice dashboard` opens logs in once, and its token is not kept in the browser's history.
func TestLocal(t *testing.T) {
	t.Parallel()
	s, token := newScene(t), ""
	s.serve(func(c *console.Config, sessions *console.Sessions) {
		c.Login, token = console.NewLocalLogin(console.User{Name: "anna"}, sessions)
		c.Rights = &console.Reviews{Client: s.Client, Self: true, Now: time.Now}
	})
	s.canary(s.ns, "podinfo")
	tab, later := s.browser().tab(), s.browser().tab()
	tab.open("ns/" + s.ns + "/podinfo#token=" + token)
	tab.says("header .user", "anna")
	tab.says("h1", "Initialized")
	tab.until(`location.hash === ''`)
	later.open("#token=" + token)
	later.says("label", "One-time token")
}

// What all tests rely on: a breach of the content policy is heard.
func TestBreach(t *testing.T) {
	t.Parallel()
	tab := newScene(t).browser().tab()
	tab.open("")
	tab.says("h1", "Log in")
	js[bool](tab, `document.body.setAttribute('style', 'color: red') === undefined`)
	require.Eventually(t, func() bool {
		tab.mu.Lock()
		defer tab.mu.Unlock()
		return slices.ContainsFunc(tab.errors, func(text string) bool { return strings.Contains(text, "CSP: style-src-attr") })
	}, patience, 50*time.Millisecond)
	tab.mu.Lock()
	defer tab.mu.Unlock()
	tab.errors = nil
}

// A link of an alert leads to a confirmation, and to none once what it is about is over.
func TestLink(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.canary(s.ns, "podinfo")
	s.status(s.ns, "podinfo", s.pause)
	tab := s.browser().tab()
	path := "ns/" + s.ns + "/podinfo"
	tab.open(path + "?do=promote&revision=r1-two&step=2")
	tab.login(s.account("anna", allVerbs))
	tab.says("dialog", "A link asks for this")
	tab.accessible("a confirmation")
	require.Empty(t, s.asked(s.ns, "podinfo"), "nothing is done by opening a link")
	s.status(s.ns, "podinfo", func(c *v1beta1.CanaryStatus) { s.step(c, 3, 50, 6) })
	tab.says("dialog", "This is about step 2, and the rollout is at step 3 of 4 now. It cannot be confirmed any more.")
	tab.until(`!document.querySelector('dialog [type="submit"]')`)
	tab.click(button("Cancel"))
	tab.until(`!document.querySelector('dialog') && location.search === ''`)
	tab.open(path + "?do=abort&revision=r1-zero")
	tab.says("dialog", "This is about revision r1-zero, and the present one is r1-two.")
	tab.until(`!document.querySelector('dialog [type="submit"]')`)
	tab.open(path + "?do=delete&revision=r1-two")
	tab.says("h1", "podinfo")
	tab.until(`!document.querySelector('dialog')`)
}

// Tabs of a browser share one stream. One that breaks is told, and made up for.
func TestStream(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.canary(s.ns, "podinfo")
	s.status(s.ns, "podinfo", s.pause)
	b := s.browser()
	one, two, token := b.tab(), b.tab(), s.account("anna", allVerbs)
	one.open("ns/" + s.ns + "/podinfo")
	one.login(token)
	one.says("h1", "Paused")
	two.open("ns/" + s.ns + "/podinfo")
	two.says("h1", "Paused")
	s.status(s.ns, "podinfo", func(c *v1beta1.CanaryStatus) { s.step(c, 3, 50, 6) })
	one.says(".short", "50 % of requests")
	two.says(".short", "50 % of requests")
	require.Equal(t, int32(1), s.proxy.streams.Load(), "both tabs follow one stream")

	s.proxy.drop(true)
	for _, tab := range []*tab{one, two} {
		tab.says(".connection", "Connection lost, trying again")
	}
	s.status(s.ns, "podinfo", func(c *v1beta1.CanaryStatus) { s.step(c, 4, 80, 9) })
	s.proxy.drop(false)
	for _, tab := range []*tab{one, two} {
		tab.says(".short", "80 % of requests")
		tab.until(`document.querySelector('.connection').textContent === ''`)
	}

	s.serve()
	s.proxy.drop(false)
	for _, tab := range []*tab{one, two} {
		tab.says("h1", "Log in")
	}
	one.login(token)
	two.open("ns/" + s.ns + "/podinfo")
	one.says("h1", "Progressing")
	two.says("h1", "Progressing")
	one.click(button("Log out"))
	one.says("h1", "Log in")
	two.says("h1", "Log in")
}

// All can be done by the keyboard, on small screens, in the dark, and with a screen reader.
func TestForAll(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.ns = "shop" // which stands in the documentation's pictures
	require.NoError(t, s.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.ns}}))
	s.canary(s.ns, "podinfo")
	s.canary(s.ns, "checkout")
	s.canary(s.ns, "frontend")
	s.status(s.ns, "checkout", func(c *v1beta1.CanaryStatus) {
		s.start(c)
		s.step(c, 1, 5, 0)
		c.Run.Number, c.Run.Images, c.Run.From.Images = 4, "checkout:1.4.0", "checkout:1.3.2"
	})
	s.status(s.ns, "frontend", func(c *v1beta1.CanaryStatus) {
		s.start(c)
		c.Phase, c.Cause, c.Run.Outcome, c.Run.Finished = v1beta1.PhaseFailed, "request-success-rate 91.2 is not >= 99", v1beta1.RunRolledBack, new(metav1.NewTime(s.began.Add(8*time.Minute)))
		for i, success := range []float64{99.9, 99.7, 96.1, 93.4, 92.8, 91.9, 91.2} {
			s.measured(c, i+1, success, 190+30*float64(i%2))
		}
		c.FailedChecks = 5
		c.Run.Track = []v1beta1.TrackPoint{{T: 0, Weight: 5, Step: 1}, {T: 180, Weight: 20, Step: 2}, {T: 480, Weight: 0}}
		c.Run.Number, c.Run.Images, c.Run.From.Images = 31, "frontend:9.1.0", "frontend:9.0.4"
	})
	s.status(s.ns, "podinfo", func(c *v1beta1.CanaryStatus) {
		s.pause(c)
		for i, success := range []float64{99.9, 99.8, 99.95, 98.6, 99.7, 99.9, 99.85, 99.93} {
			s.measured(c, i+2, success, 212+40*float64(i%3))
		}
		c.ActualWeight = new(20)
		c.Run.Actions = []v1beta1.RunAction{{Verb: "pause", By: "ben", At: metav1.NewTime(s.began.Add(90 * time.Second)), Step: 1, Reason: "lunch"}, {Verb: "resume", By: "ben", At: metav1.NewTime(s.began.Add(150 * time.Second)), Step: 1}}
	})
	require.NoError(t, s.Create(t.Context(), &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: "podinfo.1"}, InvolvedObject: corev1.ObjectReference{Kind: "Canary", Namespace: s.ns, Name: "podinfo"},
		Type: "Normal", Reason: "StepPaused", Message: "podinfo." + s.ns + " waits for promote", LastTimestamp: metav1.NewTime(s.began.Add(5 * time.Minute)), Count: 1,
	}))
	tab := s.browser().tab()
	tab.open("")
	tab.login(s.account("anna", allVerbs))
	tab.says(".waits", "you: waits for promote")

	for _, scheme := range []string{"light", "dark"} {
		tab.scheme(scheme)
		tab.size(1280, 420)
		tab.open("")
		tab.says(".list", "frontend")
		tab.picture("list-" + scheme)
		tab.open("ns/" + s.ns + "/podinfo")
		tab.says("h1", "Paused")
		tab.size(1280, 1060)
		tab.says("section", "StepPaused")
		tab.until(drawn(`[aria-label^="Weight over time"]`))
		tab.picture("canary-" + scheme)
		tab.accessible(scheme + " Canary")
		tab.size(360, 740)
		tab.until(`document.documentElement.scrollWidth <= 360`)
		tab.accessible(scheme + " Canary on a small screen")
		if scheme == "light" {
			tab.picture("small")
			tab.size(1280, 760)
			tab.open("ns/" + s.ns + "/frontend")
			tab.says("h1", "✖ Failed")
			tab.says("main", "request-success-rate 91.2 is not >= 99")
			tab.until(drawn(`[aria-label^="Weight over time"]`))
			tab.picture("failed")
		}
	}
	require.Equal(t, "rgb(18, 22, 28)", js[string](tab, `getComputedStyle(document.body).backgroundColor`), "dark is dark")

	tab.size(1280, 900)
	tab.open("")
	tab.says(".list", "podinfo")
	tab.tabTo("podinfo")
	tab.press(kb.Enter, 1)
	tab.says("h1", "Paused")
	tab.tabTo("Promote")
	tab.press(kb.Enter, 1)
	tab.until(`document.querySelector('dialog')?.open`)
	tab.press(kb.Escape, 1)
	tab.until(`!document.querySelector('dialog') && document.activeElement.textContent === 'Promote'`)
	tab.press(kb.Enter, 1)
	tab.until(`document.querySelector('dialog')?.open`)
	tab.run(chromedp.KeyEvent("by hand"))
	tab.tabTo("Promote")
	tab.press(kb.Enter, 1)
	require.Contains(t, s.answer(s.ns, "podinfo", v1beta1.ActionAccepted, "step 2 goes on"), "reason=by hand")
	tab.says("dialog .answer", "✔ Accepted: step 2 goes on")
	tab.press(kb.Escape, 1)
	tab.until(`!document.querySelector('dialog')`)

	tab.open("ns/" + s.ns + "/podinfo")
	tab.says("h1", "Paused")
	paint := js[float64](tab, `new Promise((done) => new PerformanceObserver((l) => done(l.getEntries().find((e) => e.name === 'first-contentful-paint')?.startTime ?? 0)).observe({type: 'paint', buffered: true}))`)
	t.Logf("first paint after %.0f ms", paint)
}
