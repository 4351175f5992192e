package bench

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

func event(i int, phase v1beta1.CanaryPhase, weight int) watch.Event {
	c := canary(key(i), 10*time.Second)
	c.Status.Phase, c.Status.CanaryWeight = phase, weight
	return watch.Event{Type: watch.Modified, Object: c}
}

func TestMomentsNote(t *testing.T) {
	m := &Moments{}
	m.note(event(0, v1beta1.PhaseProgressing, 10), at(1))
	m.note(event(0, v1beta1.PhaseProgressing, 10), at(2))
	m.note(event(1, v1beta1.PhaseProgressing, 10), at(3))
	m.note(event(0, v1beta1.PhaseProgressing, 20), at(4))
	m.note(event(0, v1beta1.PhasePromoting, 50), at(5))
	m.note(watch.Event{Type: watch.Bookmark, Object: &metav1.Status{}}, at(6))
	require.ElementsMatch(t, []time.Time{at(1), at(3)}, m.reached(point{v1beta1.PhaseProgressing, 10}),
		"each Canary counts once, when it was first seen there")
	require.Equal(t, []time.Time{at(4)}, m.reached(point{v1beta1.PhaseProgressing, 20}), "each weight is a point of its own")
	require.Equal(t, []time.Time{at(5)}, m.reached(point{phase: v1beta1.PhasePromoting}), "a phase of another kind is one point, at any weight")
	require.Empty(t, m.reached(point{phase: v1beta1.PhaseSucceeded}))
}

func TestMomentsDelay(t *testing.T) {
	m := &Moments{}
	require.Zero(t, m.delay(10*time.Second, 0.99), "no step was seen")
	for i := range 100 {
		m.note(event(i, v1beta1.PhaseProgressing, 10), at(i))
		m.note(event(i, v1beta1.PhaseProgressing, 20), at(2*i+10))
	}
	require.Equal(t, 99*time.Second, m.delay(10*time.Second, 0.99))
	require.Equal(t, 50*time.Second, m.delay(10*time.Second, 0.5), "of Canaries one by one, not of the fleet")
}

func TestMomentsAll(t *testing.T) {
	m := &Moments{}
	m.note(event(0, v1beta1.PhaseSucceeded, 0), at(8))
	m.note(event(1, v1beta1.PhaseSucceeded, 0), at(5))
	last, err := m.all(t.Context(), v1beta1.PhaseSucceeded, 2)
	require.NoError(t, err)
	require.Equal(t, at(8), last, "the last of all, not the last that was noted")

	m.end = errors.New("cut off")
	_, err = m.all(t.Context(), v1beta1.PhaseSucceeded, 3)
	require.ErrorContains(t, err, "2 of 3", "what can't come any more is not waited for")
	require.ErrorContains(t, err, "cut off")

	ctx, stop := context.WithCancel(t.Context())
	stop()
	m.end = nil
	_, err = m.all(ctx, v1beta1.PhaseSucceeded, 3)
	require.ErrorIs(t, err, context.Canceled)
}

func TestWay(t *testing.T) {
	names := []string{}
	for _, p := range way() {
		names = append(names, p.String())
	}
	require.Equal(t, []string{
		"Progressing 0%", "Progressing 10%", "Progressing 20%", "Progressing 30%", "Progressing 40%", "Progressing 50%",
		"Promoting", "Finalising", "Succeeded",
	}, names, "the way of the Canaries of the fleet")
}
