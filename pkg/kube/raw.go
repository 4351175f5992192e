package kube

import (
	"context"
	"encoding/json"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
)

// Raw asks the API server for what nobody has types for: metrics of other operators, Jobs as users wrote them,
// logs. Nothing is cached.
type Raw struct{ client rest.Interface }

// NewRaw makes a Raw for a server. It has a rate limiter of its own.
func NewRaw(cfg *rest.Config) (*Raw, error) {
	own := rest.CopyConfig(cfg)
	scheme := runtime.NewScheme()
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"}) // Status, as which errors come
	own.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	own.ContentType, own.AcceptContentTypes = runtime.ContentTypeJSON, ""
	client, err := rest.UnversionedRESTClientFor(own)
	if err != nil {
		return nil, err
	}
	return &Raw{client: client}, nil
}

// Do makes one request and returns the body of its answer. The path begins with a slash and may have a query.
// The body is JSON; nil: none. An answer of 400 and above is an *apierrors.StatusError, which has its code.
func (r *Raw) Do(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	req := r.client.Verb(method).RequestURI(path)
	if body != nil {
		req = req.SetHeader("Content-Type", runtime.ContentTypeJSON).Body(body)
	}
	text, err := req.Do(ctx).Raw()
	if err != nil {
		return nil, statusError(text, err)
	}
	return text, nil
}

// statusError is the server's own error, which says more than the status code that the client goes by.
func statusError(text []byte, err error) error {
	var status metav1.Status
	if json.Unmarshal(text, &status) != nil || status.Kind != "Status" || status.Code == 0 {
		return err
	}
	return &apierrors.StatusError{ErrStatus: status}
}
