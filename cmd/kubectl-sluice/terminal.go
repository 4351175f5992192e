package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sluice-cd/sluice/pkg/view"
)

// look are the flags for how lines are written.
type look struct {
	color string
	ascii bool
}

func (l *look) addFlags(c *cobra.Command) {
	c.Flags().StringVar(&l.color, "color", "auto", "auto, always or never; auto: on a terminal, unless NO_COLOR is set")
	c.Flags().BoolVar(&l.ascii, "ascii", false, "Write signs in ASCII")
}

// style is that of the output of a command now; on a terminal it has its size.
func (l *look) style(out io.Writer) (view.Style, error) {
	s := view.Style{Now: time.Now(), ASCII: l.ascii}
	width, height, on := terminal(out)
	if on {
		s.Width, s.Height = width, height-1
	}
	switch l.color {
	case "auto":
		s.Color = on && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	case "always":
		s.Color = true
	case "never":
	default:
		return s, usageError{fmt.Errorf("--color %q is none of auto, always, never", l.color)}
	}
	return s, nil
}

// terminal is the size of the terminal that something is written to, if it is one that takes commands.
func terminal(out io.Writer) (width, height int, on bool) {
	file, is := out.(*os.File)
	if !is || !term.IsTerminal(int(file.Fd())) || runtime.GOOS == "windows" && os.Getenv("WT_SESSION") == "" {
		return 0, 0, false
	}
	width, height, err := term.GetSize(int(file.Fd()))
	if err != nil || width < 1 || height < 3 {
		return 80, 24, true
	}
	return width, height, true
}

// screen draws lines over those that it drew before.
type screen struct {
	out   io.Writer
	drawn int
}

// draw is one write, which overwrites line by line: nothing is blank in between.
func (s *screen) draw(lines []string) {
	var text strings.Builder
	if s.drawn > 0 {
		fmt.Fprintf(&text, "\x1b[%dA", s.drawn)
	}
	for _, l := range lines {
		text.WriteString("\r" + l + "\x1b[K\n")
	}
	text.WriteString("\x1b[J")
	s.drawn = len(lines)
	fmt.Fprint(s.out, text.String())
}

func printLines(out io.Writer, lines []string) {
	for _, l := range lines {
		fmt.Fprintln(out, l)
	}
}
