package loadtest

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const ngrinderEvery = time.Second

// ngrinder is a load test of an nGrinder controller that is cloned, started, and stopped when it is no longer
// wanted. https://github.com/naver/ngrinder/wiki/REST-API-PerfTest
type ngrinder struct {
	remote
	clone string
	every time.Duration
}

// newNgrinder reads server, clone (the id of a test), username and passwd (in base64); optional is pollInterval.
func newNgrinder(m map[string]string) (job, error) {
	server, err := address(m, "server")
	if err != nil {
		return job{}, err
	}
	n := ngrinder{}
	if n.clone, err = required(m, "clone"); err != nil {
		return job{}, err
	}
	user, err := required(m, "username")
	if err != nil {
		return job{}, err
	}
	password, err := base64.StdEncoding.DecodeString(strings.TrimSpace(m["passwd"]))
	if err != nil {
		return job{}, errors.New("metadata.passwd is not base64") // what it is instead stays out of the answer
	}
	if n.every, err = span(m, "pollInterval", ngrinderEvery); err != nil {
		return job{}, err
	}
	n.remote = newRemote(server, func(r *http.Request) error {
		r.SetBasicAuth(user, string(password))
		return nil
	})
	return job{name: fmt.Sprintf("test %s on %s", n.clone, server), do: n.do}, nil
}

// perfTest is the part of nGrinder's answer that is looked at.
type perfTest struct {
	ID     int64  `json:"id"`
	Status string `json:"status"`
}

func (n ngrinder) do(ctx context.Context, out io.Writer) error {
	var test perfTest
	if err := n.ask(ctx, http.MethodPost, "/perftest/api/"+url.PathEscape(n.clone)+"/clone_and_start", "", nil, &test); err != nil {
		return fmt.Errorf("starting the test: %w", err)
	}
	path := fmt.Sprintf("/perftest/api/%d", test.ID)
	fmt.Fprintf(out, "test %d\n", test.ID)
	err := until(ctx, n.every, func() (bool, error) { return n.over(ctx, path) })
	if ctx.Err() == nil {
		return err
	}
	// Nobody waits for it any more, and it would go on loading a canary that is somebody else's by then.
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	return errors.Join(ctx.Err(), n.ask(within, http.MethodPut, path+"?action=stop", "", nil, nil))
}

func (n ngrinder) over(ctx context.Context, path string) (bool, error) {
	var test perfTest
	if err := n.ask(ctx, http.MethodGet, path, "", nil, &test); err != nil {
		return false, fmt.Errorf("asking for the test: %w", err)
	}
	switch status := strings.ToUpper(test.Status); {
	case status == "FINISHED":
		return true, nil
	case strings.HasPrefix(status, "STOP"), strings.HasPrefix(status, "CANCEL"):
		return true, fmt.Errorf("the test ended as %s", status)
	}
	return false, nil
}
