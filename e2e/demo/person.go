package demo

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"time"

	"github.com/sluice-cd/sluice/e2e/internal/cluster"
	"github.com/sluice-cd/sluice/e2e/internal/walk"
)

// listen notes when somebody presses Enter.
func (d *demo) listen(person io.Reader) {
	if person == nil {
		return
	}
	d.enter = make(chan struct{}, 1)
	// It ends with the program: a terminal's reader cannot be called back.
	go func() {
		for typed := bufio.NewScanner(person); typed.Scan(); {
			select {
			case d.enter <- struct{}{}:
			default:
			}
		}
	}()
}

// promoted has a person leave the pause: by Enter, on the page, or by doing nothing for a while.
func (d *demo) promoted(ctx context.Context) error {
	if d.enter != nil {
		for len(d.enter) > 0 { // pressed before it was asked for
			<-d.enter
		}
		d.say("\nIt waits for you. Press Enter, and the plugin promotes it, or click Promote on the page. In a minute it is promoted for you.\n")
		left := make(chan struct{})
		waiting, done := context.WithTimeout(ctx, choice)
		defer done()
		go func() {
			if d.journal.Wait(waiting, func(e []walk.Entry) bool { return waitingFor(e) != "StepPaused" }) == nil {
				close(left)
			}
		}()
		select {
		case <-left:
			return nil
		case <-d.enter:
		case <-waiting.Done():
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	_, err := d.Run(ctx, "sluice", "promote", "podinfo", "-n", namespace, "--reason", "looks good")
	return err
}

// address is where the page is said to be, with the token that is good once.
var address = regexp.MustCompile(`(http://\S+/)#token=\S+`)

// openPage serves the page beside the acts that are to come.
func (d *demo) openPage(ctx context.Context) error {
	args := []string{"sluice", "dashboard", "-n", namespace}
	if d.enter != nil && os.Getenv("DISPLAY")+os.Getenv("WAYLAND_DISPLAY") != "" {
		args = append(args, "--open")
	}
	found, ended := make(chan string, 1), make(chan error, 1)
	d.besides.Go(func() {
		ended <- d.Lines(ctx, func(line string) {
			d.say("%s", line)
			if m := address.FindStringSubmatch(line); m != nil {
				found <- m[1]
			}
		}, args...)
	})
	select {
	case err := <-ended:
		return err
	case <-time.After(patience):
		return fmt.Errorf("the page is not served after %s", patience)
	case page := <-found:
		if err := cluster.Answers(page)(ctx); err != nil {
			return err
		}
	}
	d.say("It is there until the demonstration ends.")
	return nil
}
