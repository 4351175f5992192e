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

// probe begins a name that no test gives to anything.
const probe = "kubetest-probe-"

// Conflicts makes the server answer the next n writes of a namespace that match with 409 Conflict, though nothing has
// changed: by an admission webhook, as a quota does that is counted by several at a time. It returns how many
// were answered so. Dry runs are let through.
func Conflicts(t testing.TB, ns string, n int, match func(*admissionv1.AdmissionRequest) bool) (answered func() int) {
	t.Helper()
	again := metav1.Status{Code: http.StatusConflict, Reason: metav1.StatusReasonConflict, Message: "try again"}
	return admit(t, ns, &Denial{left: n, match: match, status: again}).Answered
}

// Denial is an admission webhook that denies what it matches.
type Denial struct {
	status metav1.Status
	hangs  bool // it never answers what it matches

	mu         sync.Mutex
	probe      string // name of what is denied in a dry run
	match      func(*admissionv1.AdmissionRequest) bool
	left, done int
}

// Denies makes the server deny all writes of a namespace that match, as a policy does, until that is lifted. Dry runs are
// let through.
func Denies(t testing.TB, ns, why string, match func(*admissionv1.AdmissionRequest) bool) *Denial {
	t.Helper()
	forbidden := metav1.Status{Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden, Message: why}
	return admit(t, ns, &Denial{left: -1, match: match, status: forbidden})
}

// Fails makes the server fail all writes of a namespace that match with 500, as it does when a webhook that it has to ask
// does not answer.
func Fails(t testing.TB, ns, why string, match func(*admissionv1.AdmissionRequest) bool) *Denial {
	t.Helper()
	broken := metav1.Status{Code: http.StatusInternalServerError, Reason: metav1.StatusReasonInternalError, Message: why}
	return admit(t, ns, &Denial{left: -1, match: match, status: broken})
}

// Hangs makes the server wait for an admission webhook that never answers the writes of a namespace that match, until it gives
// that up after a second and fails them.
func Hangs(t testing.TB, ns string, match func(*admissionv1.AdmissionRequest) bool) *Denial {
	t.Helper()
	return admit(t, ns, &Denial{left: -1, match: match, hangs: true})
}

// Lift lets everything through from now on.
func (d *Denial) Lift() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left = 0
}

// Answered is how many writes were denied.
func (d *Denial) Answered() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.done
}

// admit has the server ask a Denial, and waits until it does.
func admit(t testing.TB, ns string, d *Denial) *Denial {
	t.Helper()
	server := httptest.NewTLSServer(d)
	t.Cleanup(server.Close)
	api, err := kubernetes.NewForConfig(Config(t))
	require.NoError(t, err)
	hooks := api.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	var timeout *int32
	if d.hangs {
		timeout = ptr.To(int32(1)) // the shortest there is
	}
	made, err := hooks.Create(t.Context(), webhook(ns, server, timeout), metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = hooks.Delete(context.Background(), made.Name, metav1.DeleteOptions{}) })
	d.probeBy(probe + made.Name)
	require.Eventually(t, func() bool {
		try := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: probe + made.Name}}
		_, err := api.CoreV1().ConfigMaps(ns).Create(t.Context(), try, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err != nil
	}, patience, 20*time.Millisecond, "the webhook takes effect")
	return d
}

func webhook(ns string, server *httptest.Server, timeout *int32) *admissionregv1.ValidatingWebhookConfiguration {
	rule := admissionregv1.Rule{APIGroups: []string{"*"}, APIVersions: []string{"*"}, Resources: []string{"*/*"}}
	all := []admissionregv1.OperationType{admissionregv1.Create, admissionregv1.Update, admissionregv1.Delete}
	return &admissionregv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{GenerateName: ns + "-"},
		Webhooks: []admissionregv1.ValidatingWebhook{{
			Name:                    "policy.kubetest.dev",
			ClientConfig:            admissionregv1.WebhookClientConfig{URL: ptr.To(server.URL), CABundle: authority(server)},
			Rules:                   []admissionregv1.RuleWithOperations{{Operations: all, Rule: rule}},
			NamespaceSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: ns}},
			SideEffects:             ptr.To(admissionregv1.SideEffectClassNoneOnDryRun),
			FailurePolicy:           ptr.To(admissionregv1.Fail),
			TimeoutSeconds:          timeout,
			AdmissionReviewVersions: []string{"v1"},
		}},
	}
}

func authority(server *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
}

// ServeHTTP answers an AdmissionReview.
func (d *Denial) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	review := &admissionv1.AdmissionReview{}
	if err := json.NewDecoder(r.Body).Decode(review); err != nil || review.Request == nil {
		http.Error(w, "no AdmissionReview", http.StatusBadRequest)
		return
	}
	review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: !d.denies(review.Request)}
	if d.hangs && !review.Response.Allowed {
		<-r.Context().Done() // the server has given it up
		return
	}
	if !review.Response.Allowed {
		review.Response.Result = &d.status
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(review)
}

func (d *Denial) probeBy(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.probe = name
}

func (d *Denial) denies(r *admissionv1.AdmissionRequest) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if ptr.Deref(r.DryRun, false) {
		return r.Name == d.probe
	}
	if d.left == 0 || !d.match(r) {
		return false
	}
	if d.left > 0 {
		d.left--
	}
	d.done++
	return true
}
