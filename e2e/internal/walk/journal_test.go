package walk

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/watch"
)

func TestJournal(t *testing.T) {
	feed := watch.NewFakeWithChanSize(10, false)
	j := &Journal{grown: make(chan struct{})}
	read := make(chan struct{})
	go func() {
		defer close(read)
		j.read(t.Context(), feed)
	}()
	phases := func(entries []Entry) []string {
		var texts []string
		for _, r := range Rows(entries, "podinfo") {
			texts = append(texts, r.String())
		}
		return texts
	}
	feed.Add(seen(0, watch.Added, "podinfo", "Initialized", 0).Object)
	feed.Modify(seen(0, watch.Modified, "podinfo", "Progressing", 10).Object)

	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	require.NoError(t, j.Wait(ctx, func(e []Entry) bool { return len(e) == 2 }), "what comes while one waits ends the wait")
	require.Equal(t, []string{"Initialized 0", "Progressing 10"}, phases(j.Entries()))
	require.NoError(t, j.Wait(ctx, func(e []Entry) bool { return len(e) > 0 }), "what is there already needs no wait")

	short, end := context.WithTimeout(t.Context(), time.Millisecond)
	defer end()
	require.ErrorIs(t, j.Wait(short, func(e []Entry) bool { return len(e) > 2 }), context.DeadlineExceeded, "what never comes ends with the deadline")

	feed.Stop()
	<-read // a watch that the API server ends is read to its end, and no further
	require.Len(t, j.Entries(), 2)
}
