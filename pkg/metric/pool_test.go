package metric

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPoolKeepsProviders(t *testing.T) {
	p := NewPool(nil)
	first, err := p.Prometheus("http://a:9090")
	require.NoError(t, err)
	again, err := p.Prometheus("http://a:9090")
	require.NoError(t, err)
	require.Same(t, first, again, "A provider is made once for an address, not once a round.")
	other, err := p.Prometheus("http://b:9090")
	require.NoError(t, err)
	require.NotSame(t, first, other, "Another address is another server.")
}

func TestPoolIsBounded(t *testing.T) {
	p := NewPool(nil)
	for i := range 10 * poolSize {
		_, err := p.Prometheus(fmt.Sprintf("http://host-%d:9090", i))
		require.NoError(t, err)
		require.LessOrEqual(t, p.known.Len(), poolSize, "Anybody may write addresses into a Canary.")
	}
}

func TestPoolRemembersNoMistakes(t *testing.T) {
	p := NewPool(nil)
	_, err := p.Prometheus("nowhere")
	require.Error(t, err)
	require.Zero(t, p.known.Len(), "What could not be made is not kept.")
}

func TestPoolIsSharedByRollouts(t *testing.T) {
	p := NewPool(nil)
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			_, err := p.Prometheus(fmt.Sprintf("http://host-%d:9090", i%5))
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	require.Equal(t, 5, p.known.Len(), "However many ask at once.")
}
