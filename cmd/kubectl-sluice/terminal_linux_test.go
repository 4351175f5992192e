package main

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
)

// emulator is a terminal that understands what is written to it.
type emulator struct {
	program *os.File // what the program writes to
	width   int
	height  int

	mu       sync.Mutex
	rows     []string
	row      int
	scrolled int
	fresh    bool   // what comes next is the beginning of a line
	left     string // of a sequence that is not whole yet
}

func newEmulator(t *testing.T, width, height int) *emulator {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	require.NoError(t, unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(height), Col: uint16(width)}))
	program, err := os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	e := &emulator{program: program, width: width, height: height, rows: make([]string, height)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		buffer := make([]byte, 4096)
		for {
			n, err := master.Read(buffer)
			if err != nil {
				return
			}
			e.write(string(buffer[:n]))
		}
	}()
	t.Cleanup(func() { _ = program.Close(); <-ended; _ = master.Close() })
	return e
}

var sequence = regexp.MustCompile(`^\x1b\[([0-9]*)([A-Za-z])`)

// write takes what a terminal is sent; the kernel has made \r\n of each \n.
func (e *emulator) write(text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	text = e.left + text
	e.left = ""
	for text != "" {
		if text[0] == '\x1b' {
			m := sequence.FindStringSubmatch(text)
			if m == nil {
				e.left = text
				return
			}
			e.obey(m[1], m[2])
			text = text[len(m[0]):]
			continue
		}
		switch text[0] {
		case '\r':
			e.fresh = true
		case '\n':
			if e.row++; e.row == e.height {
				e.rows, e.row, e.scrolled = append(e.rows[1:], ""), e.height-1, e.scrolled+1
			}
		default:
			end := strings.IndexAny(text, "\r\n\x1b")
			if end < 0 {
				end = len(text)
			}
			if e.fresh {
				e.rows[e.row], e.fresh = "", false
			}
			e.rows[e.row] += text[:end]
			text = text[end:]
			continue
		}
		text = text[1:]
	}
}

func (e *emulator) obey(number, command string) {
	n, _ := strconv.Atoi(number)
	switch command {
	case "A":
		e.row = max(e.row-n, 0)
	case "J":
		for i := e.row; i < e.height; i++ {
			e.rows[i] = ""
		}
	}
}

func (e *emulator) shown() (string, int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return strings.Join(e.rows, "\n"), e.scrolled
}

// lazily is a text of when it is printed.
type lazily func() string

func (l lazily) String() string { return l() }

// On a terminal the tree is drawn over itself, and never scrolls.
func TestRedraw(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	kubetest.Deployments(t, s.ns)
	s.deployment("podinfo", "podinfo:2", 1, nil)
	s.deployment("podinfo-primary", "podinfo:1", 20, nil)
	s.canary("podinfo", running)
	e := newEmulator(t, 200, 16)
	c := s.startOn(e.program, "get", "podinfo", "-w", "--color", "never")
	shows := func(text string) {
		t.Helper()
		require.Eventually(t, func() bool { shown, _ := e.shown(); return strings.Contains(shown, text) }, patience, 25*time.Millisecond, "the terminal shows %s: %s", text, lazily(func() string { shown, _ := e.shown(); return shown }))
	}
	shows("pods:20/20")
	for step := 1; step <= 3; step++ {
		s.edit("podinfo", func(st *v1beta1.CanaryStatus) { st.Step, st.CanaryWeight = step, 20*step })
		shows(fmt.Sprintf("Step: %d/3   Weight: %d", step, 20*step))
	}
	c.stop()
	shown, scrolled := e.shown()
	require.Zero(t, scrolled)
	require.Equal(t, 1, strings.Count(shown, "Name:"), shown)
	require.Equal(t, 1, strings.Count(shown, "NAME "), shown)
}
