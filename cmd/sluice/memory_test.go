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
		left := func() uint64 {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.left
		}
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
		require.Zero(t, left(), "something has happened within the time")
		time.Sleep(calm)
		synctest.Wait()
		require.Positive(t, left())
		require.Less(t, left(), before, "the burst was given back")
		require.Equal(t, 1, shrunk)

		then := left()
		r.touch()
		time.Sleep(2 * calm)
		synctest.Wait()
		require.Equal(t, then, left(), "the heap has not grown")
	})
}
