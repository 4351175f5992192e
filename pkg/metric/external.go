package metric

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/api/validate/content"
)

// external asks the API that autoscalers read external metrics from: the cluster's, or a server of the same
// API at an address.
type external struct {
	config
	server *rest // nil: the cluster
}

func newExternal(c config) (Provider, error) {
	if c.address == "" {
		return &external{config: c}, nil
	}
	// Without a Secret a server in the cluster may let everybody in, so that the token is optional.
	h := http.Header{}
	if token := c.secret("token"); token != "" {
		h.Set("Authorization", "Bearer "+token)
	}
	server, err := newRest(c, h)
	return &external{config: c, server: server}, err
}

// Query takes `[namespace/]metric[?labelSelector=a%3Db]`, in the Canary's namespace unless it says so, and the
// value of the first item.
//
// Source: https://pkg.go.dev/k8s.io/metrics/pkg/apis/external_metrics/v1beta1
func (e *external) Query(ctx context.Context, query string) (float64, error) {
	path, values, err := e.target(query)
	if err != nil {
		return 0, err
	}
	var answer struct {
		Items []struct {
			Value string
		}
	}
	if err := e.ask(ctx, path, values, &answer); err != nil {
		return 0, err
	}
	if len(answer.Items) == 0 {
		return 0, ErrNoData
	}
	// Quantities, as of memory: `1500m` is 1.5.
	text := answer.Items[0].Value
	if tiny(text) {
		return 0, fmt.Errorf("the first item's value is %s, not a quantity", shown(text))
	}
	value, err := resource.ParseQuantity(text)
	if err != nil {
		return 0, fmt.Errorf("the first item's value is %s, not a quantity", shown(text))
	}
	return value.AsApproximateFloat64(), nil
}

// tiny says that a text is a quantity with a power of ten that the library must not be given: of 1e-2147483648 it writes
// all digits out, which takes gigabytes and does not end.
func tiny(text string) bool {
	at := strings.LastIndexAny(text, "eE")
	if at < 0 {
		return false
	}
	_, digits := strconv.ParseFloat(text[:at], 64)
	exponent, err := strconv.Atoi(text[at+1:])
	return (digits == nil || errors.Is(digits, strconv.ErrRange)) && err == nil && exponent < -100
}

func (e *external) ask(ctx context.Context, path string, values url.Values, out any) error {
	// At an address the paths are the same: adapters serve this API under it also outside the cluster's own.
	if e.server != nil {
		return e.server.ask(ctx, http.MethodGet, path, values, nil, out)
	}
	if len(values) > 0 {
		path += "?" + values.Encode()
	}
	return read(ctx, e.Cluster, path, out)
}

func (e *external) target(query string) (string, url.Values, error) {
	// Manifests write the query like the end of a URL, selector encoded, and so it is taken apart as one.
	name, rest, _ := strings.Cut(strings.TrimSpace(query), "?")
	values, err := url.ParseQuery(rest)
	if err != nil {
		return "", nil, errors.New("the query's part after ? is not the query string of a URL")
	}
	namespace := e.Namespace
	if before, after, found := strings.Cut(name, "/"); found {
		namespace, name = before, after
	}
	// A name with slashes, or "..", could lead out of this API, to any object that the operator may read.
	if namespace == "" || name == "" || len(content.IsPathSegmentName(namespace)) > 0 || len(content.IsPathSegmentName(name)) > 0 {
		return "", nil, fmt.Errorf("the query %s is not of the form [namespace/]metric?labelSelector=key%%3Dvalue", written(query))
	}
	// A server at an address of the template's is not asked in the operator's name.
	if e.server == nil {
		if err := e.mayRead(namespace); err != nil {
			return "", nil, err
		}
	}
	return "/apis/external.metrics.k8s.io/v1beta1/namespaces/" + url.PathEscape(namespace) + "/" + url.PathEscape(name), values, nil
}
