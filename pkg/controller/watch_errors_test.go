package controller

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// TestRemovedDefinitionIsToldOnce is about a custom resource definition that is removed: its watch ends every half minute.
func TestRemovedDefinitionIsToldOnce(t *testing.T) {
	var said bytes.Buffer
	logger := funcr.New(func(_, args string) { fmt.Fprintln(&said, args) }, funcr.Options{})
	ctx := logr.NewContext(klog.NewContext(t.Context(), logger), logger)
	o, err := ManagerOptions()
	require.NoError(t, err)
	watched := &unstructured.Unstructured{}
	watched.SetGroupVersionKind(schema.GroupVersionKind{Group: "networking.istio.io", Version: "v1", Kind: "VirtualService"})
	r := toolscache.NewReflectorWithOptions(nil, watched, nil, toolscache.ReflectorOptions{})
	gone := apierrors.NewNotFound(schema.GroupResource{Group: "networking.istio.io", Resource: "virtualservices"}, "")
	handle := o.Cache.DefaultWatchErrorHandler
	require.NotNil(t, handle)
	for range 3 {
		handle(ctx, r, fmt.Errorf("failed to list: %w", gone))
	}
	require.Equal(t, 1, strings.Count(said.String(), "\n"), said.String())
	require.Contains(t, said.String(), "VirtualService")
	handle(ctx, r, errors.New("connection refused"))
	require.Contains(t, said.String(), "connection refused", "what else goes wrong is told as ever")
}
