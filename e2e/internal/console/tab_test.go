package console

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	cdpruntime "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the screenshots of the documentation")

// patience is how long the page may take for anything.
const patience = 20 * time.Second

// chromium is where the browser is; empty: it is not installed.
func chromium() string {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return ""
	}
	return path
}

var allocator = sync.OnceValue(func() context.Context {
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium()), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1280, 900))
	ctx, _ := chromedp.NewExecAllocator(context.Background(), options...)
	return ctx
})

// browser is somebody's, with cookies of its own.
type browser struct {
	*scene
	ctx context.Context
}

func (s *scene) browser() *browser {
	s.Helper()
	ctx, quit := chromedp.NewContext(allocator())
	s.Cleanup(quit)
	require.NoError(s, chromedp.Do(ctx), "the browser starts")
	return &browser{scene: s, ctx: ctx}
}

// tab is a tab of a browser.
type tab struct {
	*scene
	ctx context.Context

	mu     sync.Mutex
	errors []string
}

// heard has each breach of the content policy be told.
const heard = `addEventListener('securitypolicyviolation', (e) => console.error('CSP: ' + e.violatedDirective + ' ' + e.blockedURI + ' ' + e.sample));`

// tab opens a tab. What its console tells of errors fails the test at its end.
func (b *browser) tab() *tab {
	b.Helper()
	ctx, shut := chromedp.NewContext(b.ctx)
	t := &tab{scene: b.scene, ctx: ctx}
	require.NoError(b, chromedp.Listen(ctx, t.listen))
	_, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: heard})
	require.NoError(b, err)
	b.Cleanup(func() {
		shut()
		t.mu.Lock()
		defer t.mu.Unlock()
		require.Empty(b, t.errors, "the browser's console is silent")
	})
	return t
}

func (t *tab) listen(event any) {
	text := ""
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError && e.Entry.Source != log.EntrySourceNetwork { // of those the page tells
			text = e.Entry.Text
		}
	case *cdpruntime.EventExceptionThrown:
		text = e.ExceptionDetails.Text
	case *cdpruntime.EventConsoleAPICalled:
		if e.Type == cdpruntime.ConsoleAPICalledTypeError {
			for _, arg := range e.Args {
				text += string(arg.Value)
			}
		}
	}
	if text != "" {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.errors = append(t.errors, text)
	}
}

func (t *tab) run(actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.ctx, patience)
	defer stop()
	if err := chromedp.Do(ctx, actions...); err != nil {
		require.NoError(t, err, "the page shows:\n%s", t.shows())
	}
}

// open goes to an address below the base path.
func (t *tab) open(path string) {
	t.Helper()
	t.run(chromedp.Navigate(t.url + path))
}

// shows is all text of the page.
func (t *tab) shows() (text string) {
	ctx, stop := context.WithTimeout(t.ctx, 5*time.Second)
	defer stop()
	text, _ = chromedp.Run(ctx, chromedp.Evaluate[string](`document.body.innerText`)) // it is for a message alone
	return text
}

// js is what an expression gives, once a promise of it is kept.
func js[T any](t *tab, expression string) T {
	t.Helper()
	ctx, stop := context.WithTimeout(t.ctx, patience)
	defer stop()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	require.NoError(t, err)
	return v
}

// until waits for an expression to be true.
func (t *tab) until(expression string) {
	t.Helper()
	for begin := time.Now(); !js[bool](t, `!!(`+expression+`)`); time.Sleep(50 * time.Millisecond) {
		require.Less(t, time.Since(begin), patience, "%s is not true; the page shows:\n%s", expression, t.shows())
	}
}

func quote(text string) string {
	quoted, _ := json.Marshal(text)
	return string(quoted)
}

// says waits for an element to have a text.
func (t *tab) says(selector, text string) {
	t.Helper()
	t.until(`[...document.querySelectorAll(` + quote(selector) + `)].some((e) => e.textContent.includes(` + quote(text) + `))`)
}

// button is the XPath of a button by its label.
func button(label string) string { return `//button[normalize-space()="` + label + `"]` }

func (t *tab) click(xpath string) {
	t.Helper()
	t.run(chromedp.Click(xpath, chromedp.NodeVisible))
}

// press presses a key once for each time.
func (t *tab) press(key string, times int) {
	t.Helper()
	for range times {
		t.run(chromedp.KeyEvent(key))
	}
}

// tabTo presses the tabulator until an element that has a text is in focus.
func (t *tab) tabTo(text string) {
	t.Helper()
	var focus []string
	for range 60 {
		t.press("\t", 1)
		is := js[string](t, `(document.activeElement.textContent || document.activeElement.value || '').trim()`)
		if is == text {
			return
		}
		focus = append(focus, is)
	}
	require.Fail(t, "the keyboard does not come to "+text, "%q", focus)
}

// login logs in by the form. A token is pasted: to type a thousand letters takes a busy browser longer than anybody waits.
func (t *tab) login(token string) {
	t.Helper()
	t.run(chromedp.WaitVisible(`#token`), chromedp.Focus(`#token`))
	_, err := chromedp.Call(t.ctx, input.InsertText, input.InsertTextParams{Text: token})
	require.NoError(t, err)
	t.press("\r", 1)
	t.until(`document.querySelector('header .user')`)
}

// scheme is light or dark.
func (t *tab) scheme(name string) {
	t.Helper()
	_, err := chromedp.Call(t.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}})
	require.NoError(t, err)
}

// size is that of the window.
func (t *tab) size(width, height int64) {
	t.Helper()
	t.run(chromedp.EmulateViewport(width, height))
}

// axeOf is the program that looks for what is hard to use for some; empty: the page's packages are not installed.
var axeOf = sync.OnceValue(func() string {
	text, err := os.ReadFile("../../../pkg/console/web/node_modules/axe-core/axe.min.js")
	if err != nil {
		return ""
	}
	return string(text)
})

// accessible has axe look at the page as it is.
func (t *tab) accessible(what string) {
	t.Helper()
	program := axeOf()
	if program == "" {
		fmt.Println("NOT CHECKED: whether the page is accessible; `make web` installs axe")
		return
	}
	found := js[[]string](t, program+`;axe.run().then((r) => r.violations.map((v) => v.id + ': ' + v.help + ': ' + v.nodes.map((n) => n.html).join(' ')))`)
	require.Empty(t, found, "axe has found in %s", what)
}

// picture writes a screenshot for the documentation.
func (t *tab) picture(name string) {
	t.Helper()
	png, err := chromedp.Run(t.ctx, chromedp.CaptureScreenshot())
	require.NoError(t, err)
	if !*update {
		return
	}
	require.Less(t, len(png), 150_000, "%s is small", name)
	path := filepath.Join("../../../docs/images", "console-"+name+".png")
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, png, 0o644))
}

// drawn says that the canvas below an element has something on it.
func drawn(selector string) string {
	return `(() => { const c = document.querySelector(` + quote(selector) + ` + ' canvas'); if (!c) return false; return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((v) => v > 0) })()`
}
