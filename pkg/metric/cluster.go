package metric

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// Cluster is the Kubernetes API, for what is measured through it.
type Cluster interface {
	// Do makes one request. The path begins with a slash and may have a query: `/api/v1/pods?limit=1`. The
	// body is JSON; nil: none. An answer of 400 and above is an error that apierrors.ReasonForError understands.
	Do(ctx context.Context, method, path string, body []byte) ([]byte, error)
}

// pollEvery is the time between two looks at what runs in the cluster.
const pollEvery = time.Second

// read asks the cluster and reads the JSON that it answers into out.
func read(ctx context.Context, c Cluster, path string, out any) error {
	text, err := c.Do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("the answer of the Kubernetes API cannot be read: %w", unreadable(err))
	}
	return nil
}

// poll looks until there is nothing left to wait for.
func poll(ctx context.Context, look func() (ended bool, err error)) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if ended, err := look(); ended || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
