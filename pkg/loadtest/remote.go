package loadtest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-cd/sluice/pkg/outbound"
)

// remote is a server that runs tests and is asked by HTTP how they are doing.
type remote struct {
	client    *http.Client
	base      string
	authorize func(*http.Request) error
}

// newRemote keeps no connection: its client goes with its task.
func newRemote(base string, authorize func(*http.Request) error) remote {
	return remote{client: outbound.NewClient(outbound.Options{Brief: true, Redirects: true}), base: base, authorize: authorize}
}

const (
	// remoteTimeout is what one request may take. The test itself takes as long as it may.
	remoteTimeout = 30 * time.Second

	// farewell is what stopping a test may take after its caller has gone.
	farewell = 5 * time.Second
)

// address reads the base of a server's addresses.
func address(m map[string]string, key string) (string, error) {
	u, err := url.Parse(m[key])
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", fmt.Errorf("metadata.%s: %q is not the address of a web server", key, m[key])
	}
	return strings.TrimSuffix(u.String(), "/"), nil
}

// required returns the value of a key that must be there.
func required(m map[string]string, key string) (string, error) {
	if v := strings.TrimSpace(m[key]); v != "" {
		return v, nil
	}
	return "", fmt.Errorf("metadata.%s is missing", key)
}

// span reads a duration, or a number of seconds, that is above zero.
func span(m map[string]string, key string, otherwise time.Duration) (time.Duration, error) {
	text := m[key]
	if text == "" {
		return otherwise, nil
	}
	if n, err := strconv.Atoi(text); err == nil {
		text = strconv.Itoa(n) + "s"
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("metadata.%s: %q is neither seconds nor a duration such as 5s", key, m[key])
	}
	return d, nil
}

// ask sends a request and reads the JSON of the answer into what. Answers other than 2xx are errors with
// what the server said, and show no secret.
func (r remote) ask(ctx context.Context, method, path, kind string, body io.Reader, what any) (err error) {
	var secrets outbound.Secrets
	secrets.AddURL(r.base)
	defer func() { err = secrets.HideError(err) }()
	within, cancel := context.WithTimeout(ctx, remoteTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(within, method, r.base+path, body)
	if err != nil {
		return err
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	if err := r.authorize(req); err != nil {
		return err
	}
	secrets.AddHeader("Authorization", req.Header.Get("Authorization"))
	resp, err := r.client.Do(req)
	if err != nil {
		return fmt.Errorf("%s %s%s: %w", method, r.base, path, outbound.Cause(err))
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("%s %s%s: %w", method, r.base, path, outbound.Cause(err))
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s%s: %s: %.1000s", method, r.base, path, resp.Status, text)
	}
	if what == nil {
		return nil
	}
	if err := json.Unmarshal(text, what); err != nil {
		return fmt.Errorf("%s %s%s: %w", method, r.base, path, err)
	}
	return nil
}

// until looks every so often, at once at first, until look says that it is over.
func until(ctx context.Context, every time.Duration, look func() (over bool, err error)) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		over, err := look()
		if over || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
