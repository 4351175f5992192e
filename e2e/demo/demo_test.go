package demo

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-cd/sluice/e2e/internal/walk"
)

// Nobody watches for longer than that.
func TestActsAreShort(t *testing.T) {
	var whole time.Duration
	for _, a := range acts() {
		whole += a.about
	}
	require.LessOrEqual(t, whole, 8*time.Minute)
}

func TestPlay(t *testing.T) {
	out := &bytes.Buffer{}
	d := &demo{out: out}
	over, played := errors.New("over"), 0
	one := func(*demo, context.Context) error { played++; return nil }
	err := d.play(t.Context(), []act{
		{"One", 80 * time.Second, one}, {"Two", 5 * time.Second, func(*demo, context.Context) error { return over }}, {"Three", 0, one},
	})
	require.ErrorIs(t, err, over, "an act that fails is the last")
	require.Equal(t, 1, played)
	require.Equal(t, "This takes about 1:25.\n\n1 of 3 · 0:00 of about 1:25 · One\n"+strings.Repeat("=", 33)+
		"\n\n2 of 3 · 0:00 of about 1:25 · Two\n"+strings.Repeat("=", 33)+"\n", out.String())
}

func TestWaitingFor(t *testing.T) {
	entry := func(reason string) walk.Entry {
		return walk.Entry{Object: &unstructured.Unstructured{Object: map[string]any{"status": map[string]any{"waitingFor": reason}}}}
	}
	require.Empty(t, waitingFor(nil))
	require.Equal(t, "Baking", waitingFor([]walk.Entry{entry("StepPaused"), entry("Baking")}), "the newest counts")
}

// What was pressed before a person was asked is none of their answer.
func TestListen(t *testing.T) {
	d := &demo{out: &bytes.Buffer{}}
	d.listen(nil)
	require.Nil(t, d.enter)
	d.listen(strings.NewReader("\n\n\n"))
	select {
	case <-d.enter:
	case <-time.After(time.Minute):
		require.FailNow(t, "nobody heard it")
	}
}
