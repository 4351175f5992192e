package metric

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"

	"github.com/sluice-cd/sluice/pkg/outbound"
)

// File stackdriver.go asks Google Cloud Monitoring, whose former name the type keeps.

// monitoringRead is the right to read series, and nothing else.
const monitoringRead = "https://www.googleapis.com/auth/monitoring.read"

// stackdriver is asked by its REST API: the vendor's client would bring gRPC along.
type stackdriver struct {
	server *rest
	config
	login *login
}

func newStackdriver(c config) (Provider, error) {
	server, err := newRest(c, http.Header{})
	if err != nil {
		return nil, err
	}
	key := c.Secret["serviceAccountKey"]
	if len(key) == 0 {
		if err := c.identity(googleHosts); err != nil {
			return nil, err
		}
	}
	// One login for a key, whichever templates use it: tokens are exchanged once an hour, not once a query. The key is
	// hashed, as bundles of certificates are.
	l, err := kept(c.Pool, "google "+outbound.Trust{CA: key}.Key(), func() (*login, error) { return newLogin(key) })
	if err != nil {
		return nil, err
	}
	return &stackdriver{server: server, config: c, login: l}, nil
}

// Query runs MQL and takes the first, which is the newest, point of the first series.
//
// Source: https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.timeSeries/query
func (s *stackdriver) Query(ctx context.Context, query string) (float64, error) {
	by := s.client
	if len(s.login.key) == 0 {
		by = s.Pool.own // what is known of the operator may be at an address that others are refused
	}
	token, err := s.login.token(ctx, by)
	if err != nil {
		return 0, err
	}
	body, err := json.Marshal(map[string]string{"query": query})
	if err != nil {
		return 0, err
	}
	var answer mqlAnswer
	// With a header of this query alone: the server is shared, and the token changes.
	asked := &rest{client: s.client, base: s.server.base, header: s.server.header.Clone()}
	asked.header.Set("Authorization", "Bearer "+token)
	path := "/v3/projects/" + url.PathEscape(s.secret("project")) + "/timeSeries:query"
	if err := asked.ask(ctx, http.MethodPost, path, nil, body, &answer); err != nil {
		// The guard hides what it was given, and this token came later.
		return 0, outbound.Secrets{token}.HideError(err)
	}
	return answer.value()
}

// mqlAnswer has the kinds that can be compared with a threshold; a distribution or a text is an error below.
type mqlAnswer struct {
	Series []struct {
		Points []struct {
			Values []struct {
				Double *float64 `json:"doubleValue"`
				Int    *string  `json:"int64Value"` // JSON has no whole numbers of that size
			}
		} `json:"pointData"`
	} `json:"timeSeriesData"`
}

// value takes the first point, since the newest comes first; of several columns the first.
func (a mqlAnswer) value() (float64, error) {
	if len(a.Series) == 0 || len(a.Series[0].Points) == 0 || len(a.Series[0].Points[0].Values) == 0 {
		return 0, ErrNoData
	}
	switch v := a.Series[0].Points[0].Values[0]; {
	case v.Double != nil:
		return *v.Double, nil
	case v.Int != nil:
		number, err := strconv.ParseInt(*v.Int, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("the newest point is %s, not a number", shown(*v.Int))
		}
		return float64(number), nil
	}
	return 0, errors.New("the newest point is neither a double nor an int64")
}

// login exchanges the key of a service account for a token that lives an hour.
type login struct {
	key []byte // empty: those of the place that the operator runs at
	mu  sync.Mutex
	has *oauth2.Token
}

func newLogin(key []byte) (*login, error) {
	// Read here already, so that a broken key is found when the provider is made. The error does not quote the key.
	if len(key) > 0 {
		if _, err := google.JWTConfigFromJSON(key, monitoringRead); err != nil {
			return nil, errors.New(`key "serviceAccountKey" of the secret is not the key of a service account`)
		}
	}
	return &login{key: key}, nil
}

// token holds the lock while it asks, so that ten metrics of a round log in once. It keeps the token and not the
// source, which would go on with the context of the query that made it, long after that has ended.
func (l *login) token(ctx context.Context, c *http.Client) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	// Valid leaves some seconds before it expires, and knows that there is none yet.
	if l.has.Valid() {
		return l.has.AccessToken, nil
	}
	// Its own errors repeat the address, and do not wrap what went wrong.
	own, seen := *c, &failureRecorder{next: c.Transport}
	own.Transport = seen
	source, err := l.source(context.WithValue(ctx, oauth2.HTTPClient, &own))
	if err != nil {
		return "", err
	}
	// Under the query's deadline, which the context of the source has.
	got, err := source.Token()
	if err != nil && seen.err != nil {
		err = seen.err
	}
	if err != nil {
		return "", fmt.Errorf("logging in: %w", refused(err))
	}
	l.has = got
	return got.AccessToken, nil
}

// source makes a key's own, or that of the place: a file, or the metadata server of the machine.
func (l *login) source(ctx context.Context) (oauth2.TokenSource, error) {
	if len(l.key) == 0 {
		found, err := google.FindDefaultCredentials(ctx, monitoringRead)
		if err != nil {
			return nil, errors.New(`no credentials: neither the secret's key "serviceAccountKey" nor those of the environment are there`)
		}
		return found.TokenSource, nil
	}
	cfg, err := google.JWTConfigFromJSON(l.key, monitoringRead)
	if err != nil {
		return nil, errors.New(`key "serviceAccountKey" of the secret is not the key of a service account`)
	}
	return cfg.TokenSource(ctx), nil
}

// refused leaves the answer out, which repeats what was sent.
func refused(err error) error {
	var told *oauth2.RetrieveError
	if errors.As(err, &told) && told.Response != nil {
		return &StatusError{Code: told.Response.StatusCode, Said: said(told.ErrorCode)}
	}
	return outbound.Cause(err)
}

// failureRecorder remembers why the last request failed.
type failureRecorder struct {
	next http.RoundTripper
	err  error
}

func (n *failureRecorder) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := n.next.RoundTrip(r)
	n.err = err
	return resp, err
}
