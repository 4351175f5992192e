package main

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestReclaimer lets a burst leave garbage behind, and looks at what the process holds after a calm time.
func TestReclaimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shrunk := 0
		r := &reclaimer{shrink: func() { shrunk++ }}
		burst := func() {
			sum := 0
			for range 64 {
				sum += len(make([]byte, 1<<20))
			}
			require.Positive(t, sum)
		}
		burst()
		before := held()
		r.touch()
		time.Sleep(calm / 2)
		r.touch()
		time.Sleep(calm / 2)
		require.Zero(t, r.left, "something has happened within the time")
		time.Sleep(calm)
		synctest.Wait()
		require.Positive(t, r.left)
		require.Less(t, r.left, before, "the burst was given back")
		require.Equal(t, 1, shrunk)

		left := r.left
		r.touch()
		time.Sleep(2 * calm)
		synctest.Wait()
		require.Equal(t, left, r.left, "the heap has not grown")
	})
}
