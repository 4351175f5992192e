package loadtest

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

// TestLoadThatIsAskedForNearItsEnd is about `hey -z 1m` at an interval of 1m: it ends a moment after the check that asks for it,
// and the next interval would have no load.
func TestLoadThatIsAskedForNearItsEnd(t *testing.T) {
	cases := map[string]struct {
		reason string
		near   bool
		err    error
		runs   int
	}{
		"Near":   {"It runs once more.", true, nil, 2},
		"Long":   {"What was asked for long before its end had its run.", false, nil, 1},
		"Failed": {"What fails is left to the next check.", true, io.ErrUnexpectedEOF, 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := newRunner(t.Context(), Options{Log: logr.Discard(), Timeout: time.Minute, Commands: 1}, prometheus.NewRegistry())
			r.near = func(asked, _, _ time.Time) bool { return c.near && !asked.IsZero() }
			begun, end := make(chan struct{}), make(chan struct{})
			load := task{kind: typeCmd, canary: "podinfo.test", job: job{name: "hey", do: func(context.Context, io.Writer) error {
				begun <- struct{}{}
				<-end
				return c.err
			}}}
			require.NoError(t, r.start(load))
			<-begun
			require.NoError(t, r.start(load))
			for range c.runs - 1 {
				end <- struct{}{}
				<-begun
			}
			end <- struct{}{}
			r.wait()
			require.Empty(t, r.running, c.reason)
		})
	}
}

func TestNearEnd(t *testing.T) {
	began := time.Now()
	at := func(ms int) time.Time { return began.Add(time.Duration(ms) * time.Millisecond) }
	cases := map[string]struct {
		reason       string
		asked, ended int // milliseconds since it began
		want         bool
	}{
		"Check":  {"A check asks for it while it counts as running still.", 60000, 60020, true},
		"Before": {"Half a minute before its end it has load to give.", 30000, 60020, false},
		"Long":   {"Of one that takes long it is the last seconds that count.", 1800000, 1806000, false},
		"Short":  {"One that is over in a moment is not run twice for being asked for twice.", 1, 1000, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, nearEnd(at(c.asked), began, at(c.ended)), c.reason) })
	}
	require.False(t, nearEnd(time.Time{}, began, at(60000)), "nobody has asked")
}
