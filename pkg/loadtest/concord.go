package loadtest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

const (
	concordEndpoint = "/api/v1/process"
	concordEvery    = 5 * time.Second
	concordPatience = 30 * time.Second
)

// concord is a flow of a Concord project that is started as a process and judged by how that ends.
// https://concord.walmartlabs.com/docs/api/process.html
type concord struct {
	remote
	endpoint        string
	fields          map[string]string
	every, patience time.Duration
}

// newConcord reads server, org, project, repo, entrypoint and apiKeyPath; optional are endpoint, pollInterval,
// pollTimeout and arguments.*, which are handed over.
func newConcord(m map[string]string) (job, error) {
	server, err := address(m, "server")
	if err != nil {
		return job{}, err
	}
	key, err := required(m, "apiKeyPath")
	if err != nil {
		return job{}, err
	}
	c := concord{
		remote:   newRemote(server, keyIn(key)),
		endpoint: "/" + strings.Trim(cmp.Or(m["endpoint"], concordEndpoint), "/"),
		fields:   map[string]string{},
	}
	for field, from := range map[string]string{"org": "org", "project": "project", "repo": "repo", "entryPoint": "entrypoint"} {
		if c.fields[field], err = required(m, from); err != nil {
			return job{}, err
		}
	}
	for k, v := range m {
		if strings.HasPrefix(k, "arguments.") {
			c.fields[k] = v
		}
	}
	if c.every, err = span(m, "pollInterval", concordEvery); err != nil {
		return job{}, err
	}
	if c.patience, err = span(m, "pollTimeout", concordPatience); err != nil {
		return job{}, err
	}
	name := fmt.Sprintf("%s/%s/%s %s on %s", m["org"], m["project"], m["repo"], m["entrypoint"], server)
	return job{name: name, do: c.do}, nil
}

// keyIn reads the key at each request: it is a mounted Secret that may have been renewed.
func keyIn(file string) func(*http.Request) error {
	return func(r *http.Request) error {
		key, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("reading metadata.apiKeyPath: %w", err)
		}
		r.Header.Set("Authorization", strings.TrimSpace(string(key)))
		return nil
	}
}

func (c concord) do(ctx context.Context, out io.Writer) error {
	within, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	body, kind, err := c.form()
	if err != nil {
		return err
	}
	var begun struct {
		ID string `json:"instanceId"`
	}
	if err := c.ask(within, http.MethodPost, c.endpoint, kind, body, &begun); err != nil {
		return fmt.Errorf("starting the process: %w", err)
	}
	if begun.ID == "" {
		return errors.New("starting the process: the answer has no instanceId")
	}
	fmt.Fprintf(out, "process %s\n", begun.ID)
	err = until(within, c.every, func() (bool, error) { return c.over(within, begun.ID) })
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return fmt.Errorf("process %s has not ended within %s", begun.ID, c.patience)
	}
	return err
}

func (c concord) over(ctx context.Context, id string) (bool, error) {
	var now struct {
		Status string `json:"status"`
	}
	if err := c.ask(ctx, http.MethodGet, concordEndpoint+"/"+url.PathEscape(id), "", nil, &now); err != nil {
		return false, fmt.Errorf("asking for process %s: %w", id, err)
	}
	switch now.Status {
	case "FINISHED":
		return true, nil
	case "FAILED", "CANCELLED", "TIMED_OUT":
		return true, fmt.Errorf("process %s ended as %s", id, now.Status)
	}
	return false, nil
}

// form is what a process is started with; the fields are sorted, so that servers log the same for the same.
func (c concord) form() (body io.Reader, kind string, err error) {
	text := &bytes.Buffer{}
	w := multipart.NewWriter(text)
	for _, k := range slices.Sorted(maps.Keys(c.fields)) {
		if err := w.WriteField(k, c.fields[k]); err != nil {
			return nil, "", err
		}
	}
	return text, w.FormDataContentType(), w.Close()
}
