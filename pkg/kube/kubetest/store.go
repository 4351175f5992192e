package kubetest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// storeFile holds the address of etcd, beside the kubeconfig.
const storeFile = "etcd.address"

// Store puts a custom resource into the server's store as it is: with its UID, its status and the time at which it was
// deleted, none of which a client can set. plural is the last part of its CRD's name.
func Store(t testing.TB, u *unstructured.Unstructured, plural string) {
	t.Helper()
	address, err := os.ReadFile(filepath.Join(filepath.Dir(os.Getenv(Kubeconfig)), storeFile))
	require.NoError(t, err, "only a server that was started by Main has a store that is known")
	value, err := u.MarshalJSON()
	require.NoError(t, err)
	key := strings.Join([]string{"/registry", u.GroupVersionKind().Group, plural, u.GetNamespace(), u.GetName()}, "/")
	// Of etcd's interface for HTTP; both are sent in base64.
	body, err := json.Marshal(map[string][]byte{"key": []byte(key), "value": value})
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+string(address)+"/v3/kv/put", bytes.NewReader(body))
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
}
