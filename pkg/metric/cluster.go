package metric

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// File cluster.go is for the providers that have something run in the cluster, or read from it: external, job, keptn.

// Cluster is the Kubernetes API, for what is measured through it.
// It is raw, as pkg/kube has it: typed clients would bring kinds along that are in few clusters.
type Cluster interface {
	// Do makes one request. The path begins with a slash and may have a query: `/api/v1/pods?limit=1`. The
	// body is JSON; nil: none. An answer of 400 and above is an error that apierrors.ReasonForError understands.
	Do(ctx context.Context, method, path string, body []byte) ([]byte, error)
}

// pollEvery is the time between two looks at what runs in the cluster.
// Checks take seconds and minutes, so that a second more does not matter.
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

// poll looks until there is nothing left to wait for. The first look is at once: a round that is repeated may find
// that all is over.
func (c config) poll(ctx context.Context, look func() (ended bool, err error)) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if ended, err := look(); ended || err != nil {
			return err
		}
		if c.Waiting != nil {
			c.Waiting()
		}
		select {
		case <-ctx.Done():
			// It is the guard that makes a text of it, which has the time that was given.
			return ctx.Err()
		case <-tick.C:
		}
	}
}
