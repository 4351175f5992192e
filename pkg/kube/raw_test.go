package kube_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/sluice-cd/sluice/pkg/kube"
	"github.com/sluice-cd/sluice/pkg/kube/kubetest"
)

func newRaw(t *testing.T) *kube.Raw {
	t.Helper()
	r, err := kube.NewRaw(kubetest.Config(t))
	require.NoError(t, err)
	return r
}

func TestRawMakesReadsAndRemoves(t *testing.T) {
	r, ns := newRaw(t), kubetest.Namespace(t)
	path := "/api/v1/namespaces/" + ns + "/configmaps"
	body := []byte(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","labels":{"app":"podinfo"}},"data":{"k":"v"}}`)

	_, err := r.Do(t.Context(), http.MethodPost, path, body)
	require.NoError(t, err)
	text, err := r.Do(t.Context(), http.MethodGet, path+"?labelSelector=app%3Dpodinfo", nil)
	require.NoError(t, err)
	var found corev1.ConfigMapList
	require.NoError(t, json.Unmarshal(text, &found), "The answer is JSON: %s", text)
	require.Len(t, found.Items, 1)
	require.Equal(t, "v", found.Items[0].Data["k"])

	text, err = r.Do(t.Context(), http.MethodGet, path+"?labelSelector=app%3Dother", nil)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &found))
	require.Empty(t, found.Items, "The query of the path is sent.")

	_, err = r.Do(t.Context(), http.MethodDelete, path+"/a", nil)
	require.NoError(t, err)
	_, err = r.Do(t.Context(), http.MethodGet, path+"/a", nil)
	require.True(t, apierrors.IsNotFound(err), "got %v", err)
}

func TestRawErrors(t *testing.T) {
	r, ns := newRaw(t), kubetest.Namespace(t)
	path := "/api/v1/namespaces/" + ns + "/configmaps"
	body := []byte(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}`)
	_, err := r.Do(t.Context(), http.MethodPost, path, body)
	require.NoError(t, err)

	cases := map[string]struct {
		reason, method, path string
		body                 string
		is                   func(error) bool
		says                 string
	}{
		"NotFound": {
			reason: "Whoever asked for it wants to know that it is not there.",
			method: http.MethodGet, path: path + "/b", is: apierrors.IsNotFound, says: `"b" not found`,
		},
		"AlreadyExists": {
			reason: "The Job of a round is made once, and found then.",
			method: http.MethodPost, path: path, body: string(body), is: apierrors.IsAlreadyExists, says: `"a" already exists`,
		},
		"Invalid": {
			reason: "What is wrong with an object is said by the server.",
			method: http.MethodPost, path: path, body: `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"A_"}}`,
			is: apierrors.IsInvalid, says: "metadata.name",
		},
		"NoSuchAPI": {
			reason: "An API that is not installed is not found either.",
			method: http.MethodGet, path: "/apis/metrics.keptn.sh", is: apierrors.IsNotFound,
		},
		"NoJSON": {
			reason: "A mistake of ours is one of ours.",
			method: http.MethodPost, path: path, body: `{`, is: apierrors.IsBadRequest,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var body []byte
			if tc.body != "" {
				body = []byte(tc.body)
			}
			_, err := r.Do(t.Context(), tc.method, tc.path, body)
			require.Error(t, err, tc.reason)
			require.True(t, tc.is(err), "%s: %v", tc.reason, err)
			require.ErrorContains(t, err, tc.says, tc.reason)
			var status apierrors.APIStatus
			require.ErrorAs(t, err, &status)
			require.GreaterOrEqual(t, status.Status().Code, int32(400), "The code is there to be read.")
		})
	}
}

func TestRawIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := newRaw(t).Do(ctx, http.MethodGet, "/api/v1/namespaces", nil)
	require.ErrorIs(t, err, context.Canceled)
}

func TestRawWantsAServer(t *testing.T) {
	cfg := kubetest.Config(t)
	cfg.Host = "http://:bad:"
	_, err := kube.NewRaw(cfg)
	require.Error(t, err)
}
