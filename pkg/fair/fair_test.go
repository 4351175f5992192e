package fair

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// takeAll has a namespace take what it may, and says how many that are.
func takeAll(s *Shares, namespace string) int {
	n := 0
	for s.Take(namespace) {
		n++
	}
	return n
}

func TestShares(t *testing.T) {
	s := NewShares(4, 512)
	require.Equal(t, 4+256, takeAll(s, "a"), "One alone gets half of what is shared.")
	require.Equal(t, 4+128, takeAll(s, "b"), "The next one half of the rest.")
	for i := range 1000 {
		require.GreaterOrEqual(t, takeAll(s, fmt.Sprint(i)), 4, "Nobody can take what is a namespace's own.")
	}
	require.LessOrEqual(t, s.taken, 512)
	for _, namespace := range []string{"a", "b"} {
		for s.Held(namespace) > 0 {
			s.Give(namespace)
		}
	}
	require.Greater(t, takeAll(s, "c"), 4, "What was given back is there for all.")
}

func TestSharesAreGivenBack(t *testing.T) {
	s := NewShares(1, 3)
	for range 2 {
		n := takeAll(s, "a")
		require.Equal(t, 3, n)
		for range n {
			s.Give("a")
		}
		require.True(t, s.Idle())
		require.Zero(t, s.taken)
	}
}

// TestTurns gives what is had once to one after the other.
func TestTurns(t *testing.T) {
	turns := NewTurns[string](NewShares(0, 1))
	for _, line := range []string{"a/1", "a/2", "a/3", "b/1", "c/1"} {
		turns.Join(line[:1], line)
	}
	turns.Leave("a", "a/2")
	turns.Leave("c", "c/1")
	turns.Leave("d", "d/1") // nobody has waited there
	var served []string
	for line, ok := turns.Next(); ok; line, ok = turns.Next() {
		_, again := turns.Next()
		require.False(t, again, "There is only one.")
		served = append(served, line)
		turns.Give(line[:1])
	}
	require.Equal(t, []string{"a/1", "b/1", "a/3"}, served, "Namespaces take turns, and those who left have none.")
	require.True(t, turns.Idle())
}
