package kubetest

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	admissionregv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"
)

// probe is a name that no test gives to anything.
const probe = "kubetest-conflicts"

// Conflicts makes the server answer the next n writes of a namespace that match with 409 Conflict, though nothing has
// changed: by an admission webhook, as a quota does that is counted by several at a time. It returns how many
// were answered so. Dry runs are let through.
func Conflicts(t testing.TB, ns string, n int, match func(*admissionv1.AdmissionRequest) bool) (answered func() int) {
	t.Helper()
	h := &conflicts{left: n, match: match}
	server := httptest.NewTLSServer(h)
	t.Cleanup(server.Close)
	api, err := kubernetes.NewForConfig(Config(t))
	require.NoError(t, err)
	hooks := api.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	_, err = hooks.Create(t.Context(), webhook(ns, server), metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = hooks.Delete(context.Background(), ns, metav1.DeleteOptions{}) })
	require.Eventually(t, func() bool {
		try := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: probe}}
		_, err := api.CoreV1().ConfigMaps(ns).Create(t.Context(), try, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err != nil
	}, patience, 20*time.Millisecond, "the webhook takes effect")
	return h.answered
}

func webhook(ns string, server *httptest.Server) *admissionregv1.ValidatingWebhookConfiguration {
	rule := admissionregv1.Rule{APIGroups: []string{"*"}, APIVersions: []string{"*"}, Resources: []string{"*/*"}}
	all := []admissionregv1.OperationType{admissionregv1.Create, admissionregv1.Update, admissionregv1.Delete}
	return &admissionregv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: ns},
		Webhooks: []admissionregv1.ValidatingWebhook{{
			Name:                    "conflicts.kubetest.dev",
			ClientConfig:            admissionregv1.WebhookClientConfig{URL: ptr.To(server.URL), CABundle: authority(server)},
			Rules:                   []admissionregv1.RuleWithOperations{{Operations: all, Rule: rule}},
			NamespaceSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: ns}},
			SideEffects:             ptr.To(admissionregv1.SideEffectClassNoneOnDryRun),
			AdmissionReviewVersions: []string{"v1"},
		}},
	}
}

func authority(server *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
}

// conflicts is the webhook's server.
type conflicts struct {
	match func(*admissionv1.AdmissionRequest) bool

	mu         sync.Mutex
	left, done int
}

// ServeHTTP answers an AdmissionReview.
func (c *conflicts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	review := &admissionv1.AdmissionReview{}
	if err := json.NewDecoder(r.Body).Decode(review); err != nil || review.Request == nil {
		http.Error(w, "no AdmissionReview", http.StatusBadRequest)
		return
	}
	review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: !c.refuses(review.Request)}
	if !review.Response.Allowed {
		review.Response.Result = &metav1.Status{
			Code: http.StatusConflict, Reason: metav1.StatusReasonConflict, Message: "try again",
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(review)
}

func (c *conflicts) refuses(r *admissionv1.AdmissionRequest) bool {
	if ptr.Deref(r.DryRun, false) {
		return r.Name == probe
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left == 0 || !c.match(r) {
		return false
	}
	c.left--
	c.done++
	return true
}

func (c *conflicts) answered() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.done
}
