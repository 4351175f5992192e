package analysis

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

func TestHookCredentials(t *testing.T) {
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("sluice:s3cret"))
	cases := map[string]struct {
		reason  string
		secret  map[string]string // nil: there is none
		headers map[string]string
		want    string // Authorization
		err     string
	}{
		"Token":      {reason: "A token is a bearer token.", secret: map[string]string{"token": "t0ken"}, want: "Bearer t0ken"},
		"LineBreak":  {reason: "Files end with a line break, tokens don't.", secret: map[string]string{"token": "t0ken\n"}, want: "Bearer t0ken"},
		"Basic":      {reason: "A name and a password are basic authentication.", secret: map[string]string{"username": "sluice", "password": "s3cret"}, want: basic},
		"Both":       {reason: "The token goes first.", secret: map[string]string{"token": "t0ken", "username": "a", "password": "b"}, want: "Bearer t0ken"},
		"OverHeader": {reason: "The Secret goes before a header.", secret: map[string]string{"token": "t0ken"}, headers: map[string]string{"authorization": "Bearer other"}, want: "Bearer t0ken"},
		"NoPassword": {reason: "Half of it is nothing.", secret: map[string]string{"username": "sluice"}, err: `secret "keys" has neither the key token nor the keys username and password`},
		"OtherKeys":  {reason: "What is there instead is nobody's business.", secret: map[string]string{"private": "s3cret"}, err: `secret "keys" has neither the key token nor the keys username and password`},
		"Missing":    {reason: "A Secret that is not there is named.", err: `secret "keys": it does not exist`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var got string
			called := false
			h := v1beta1.CanaryWebhook{
				Name: "x", Headers: tc.headers, SecretRef: &v1beta1.SecretRef{Name: "keys"},
				URL: serve(t, func(_ http.ResponseWriter, r *http.Request) { got, called = r.Header.Get("Authorization"), true }),
			}
			a := impatient("")
			a.Library = &shelf{secrets: map[string]map[string]string{}}
			if tc.secret != nil {
				a.Library = &shelf{secrets: map[string]map[string]string{"test/keys": tc.secret}}
			}
			err := a.ask(t.Context(), podinfo(), h)
			if tc.err != "" {
				require.EqualError(t, err, tc.err, tc.reason)
				require.False(t, called, "Without its credentials a hook is not called.")
				return
			}
			require.NoError(t, err, tc.reason)
			require.Equal(t, tc.want, got, tc.reason)
		})
	}
}

func TestHookHeaders(t *testing.T) {
	var got http.Header
	var host string
	h := v1beta1.CanaryWebhook{
		Name: "x", Headers: map[string]string{"X-Team": "payments", "content-type": "text/plain", "Host": "gate.example"},
		URL: serve(t, func(_ http.ResponseWriter, r *http.Request) { got, host = r.Header, r.Host }),
	}
	require.NoError(t, impatient("").ask(t.Context(), podinfo(), h))
	require.Equal(t, "payments", got.Get("X-Team"), "Headers are sent along.")
	require.Equal(t, []string{"application/json"}, got.Values("Content-Type"), "The payload stays what it is.")
	require.Equal(t, "gate.example", host, "A gateway may need another host.")
}

// TestHookNeverTellsSecrets has a server that quotes everything it was sent.
func TestHookNeverTellsSecrets(t *testing.T) {
	parrot := func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		user, word, _ := r.BasicAuth()
		_, _ = io.WriteString(w, "no: "+r.Header.Get("Authorization")+" "+user+" "+word+" "+r.Header.Get("X-Api-Key")+" "+r.URL.String()+" "+r.URL.Query().Get("sig")+
			" "+strings.TrimPrefix(r.Header.Get("X-Auth"), "Bearer "))
	}
	cases := map[string]struct {
		reason string
		secret map[string]string
	}{
		"Token": {reason: "A token.", secret: map[string]string{"token": "t0ken-value"}},
		"Basic": {reason: "A password, also as it is encoded.", secret: map[string]string{"username": "sluice", "password": "p4ssword"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			a := impatient("")
			a.Library = &shelf{secrets: map[string]map[string]string{"test/keys": tc.secret}}
			h := v1beta1.CanaryWebhook{
				Name: "gate", Type: v1beta1.ConfirmPromotionHook, SecretRef: &v1beta1.SecretRef{Name: "keys"},
				Headers: map[string]string{"X-Api-Key": "ap1-key", "X-Auth": "Bearer he4der-token"},
				URL:     serve(t, parrot) + "/hooks/T0123456789012345678901/go?sig=s1gnature%2F",
			}
			found := ask(t.Context(), a, podinfo(), checks{Hooks: []v1beta1.CanaryWebhook{h}})
			require.Contains(t, found[0].Message, "Halt podinfo.test advancement waiting for promotion approval gate: 403 Forbidden: no: ", tc.reason)
			encoded := base64.StdEncoding.EncodeToString([]byte("sluice:p4ssword"))
			for _, secret := range []string{"t0ken-value", "p4ssword", encoded, "ap1-key", "he4der-token", "T0123456789012345678901", "s1gnature"} {
				require.NotContains(t, found[0].Message, secret, tc.reason)
			}
			require.Contains(t, found[0].Message, "***", "Something was left out.")
		})
	}
}

func TestHookCABundle(t *testing.T) {
	s := httptest.NewTLSServer(saying(200, ""))
	t.Cleanup(s.Close)
	own := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	other := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: expired(t).Certificate[0]})
	cases := map[string]struct {
		reason string
		bundle []byte
		want   string
	}{
		"Signed":     {reason: "The bundle's signer is trusted.", bundle: own},
		"None":       {reason: "Without a bundle the system's signers are.", want: "certificate"},
		"Other":      {reason: "With one, no other is.", bundle: other, want: "certificate"},
		"Unreadable": {reason: "What is no certificate is named.", bundle: []byte("-----BEGIN"), want: "the caBundle has no certificate in PEM"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := impatient("").ask(t.Context(), podinfo(), v1beta1.CanaryWebhook{Name: "x", URL: s.URL, CABundle: tc.bundle})
			if tc.want == "" {
				require.NoError(t, err, tc.reason)
				return
			}
			require.ErrorContains(t, err, tc.want, tc.reason)
		})
	}
}

// expired is a certificate for 127.0.0.1 that was valid yesterday, signed by itself.
func expired(t *testing.T) tls.Certificate {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	defer s.Close()
	pair := s.TLS.Certificates[0]
	template := *s.Certificate()
	template.SerialNumber = big.NewInt(2)
	template.NotBefore, template.NotAfter = time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour)
	raw, err := x509.CreateCertificate(rand.Reader, &template, &template, s.Certificate().PublicKey, pair.PrivateKey)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: pair.PrivateKey}
}

func TestHookExpiredCertificate(t *testing.T) {
	pair := expired(t)
	s := httptest.NewUnstartedServer(saying(200, ""))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	s.StartTLS()
	t.Cleanup(s.Close)
	bundle := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]})
	err := impatient("").ask(t.Context(), podinfo(), v1beta1.CanaryWebhook{Name: "x", URL: s.URL, CABundle: bundle})
	require.ErrorContains(t, err, "expired", "A certificate that has run out is not accepted, and that is said.")
}

func TestHookPhases(t *testing.T) {
	cases := map[string]struct {
		reason string
		moment v1beta1.HookType
		phase  v1beta1.CanaryPhase
		want   v1beta1.CanaryPhase
	}{
		"ConfirmRollout":  {reason: "A gate before the start is told where the Canary is.", moment: v1beta1.ConfirmRolloutHook, phase: v1beta1.PhaseWaiting, want: v1beta1.PhaseWaiting},
		"PreRollout":      {reason: "Checks hear Progressing.", moment: v1beta1.PreRolloutHook, phase: v1beta1.PhaseProgressing, want: v1beta1.PhaseProgressing},
		"Rollout":         {reason: "Also while the promotion waits.", moment: v1beta1.RolloutHook, phase: v1beta1.PhaseWaitingPromotion, want: v1beta1.PhaseProgressing},
		"NoType":          {reason: "One without a type is one of the rollout.", phase: v1beta1.PhaseWaitingPromotion, want: v1beta1.PhaseProgressing},
		"TrafficIncrease": {reason: "So do gates of a step.", moment: v1beta1.ConfirmTrafficIncreaseHook, phase: v1beta1.PhaseProgressing, want: v1beta1.PhaseProgressing},
		"Promotion":       {reason: "And that of the promotion.", moment: v1beta1.ConfirmPromotionHook, phase: v1beta1.PhaseWaitingPromotion, want: v1beta1.PhaseProgressing},
		"Rollback":        {reason: "Whoever may roll back is told where the Canary is.", moment: v1beta1.RollbackHook, phase: v1beta1.PhaseWaitingPromotion, want: v1beta1.PhaseWaitingPromotion},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			r := &recorder{}
			c := podinfo()
			c.Status.Phase = tc.phase
			require.NoError(t, impatient("").ask(t.Context(), c, v1beta1.CanaryWebhook{Name: "x", Type: tc.moment, URL: serve(t, r.ServeHTTP)}))
			require.Equal(t, tc.want, r.sent[0].Phase, tc.reason)
		})
	}
}

func TestCall(t *testing.T) {
	r := &recorder{}
	c := podinfo()
	c.Status.Phase = v1beta1.PhaseSucceeded
	mine := map[string]string{"as": "mine", "team": "payments"}
	h := v1beta1.CanaryWebhook{Name: "x", Type: v1beta1.EventHook, URL: serve(t, r.ServeHTTP), Metadata: mine}
	require.NoError(t, impatient("").Call(t.Context(), c, h, map[string]string{"as": "told", "eventMessage": "done"}))
	require.Equal(t, payload{
		Name: "podinfo", Namespace: "test", Phase: v1beta1.PhaseSucceeded, Checksum: checksum(c.Status),
		Metadata: map[string]string{"as": "told", "team": "payments", "eventMessage": "done"},
	}, r.sent[0], "The event's own words go before the user's.")
	require.Equal(t, "mine", mine["as"], "The Canary is left as it is.")
	h.Metadata = nil
	require.NoError(t, impatient("").Call(t.Context(), c, h, nil))
	require.Empty(t, r.sent[1].Metadata, "There may be none.")
	h.URL = serve(t, saying(500, "full"))
	require.EqualError(t, impatient("").Call(t.Context(), c, h, nil), "500 Internal Server Error: full", "What it answers is told.")
	h.SecretRef = &v1beta1.SecretRef{Name: "keys"}
	require.EqualError(t, impatient("").Call(t.Context(), c, h, nil), `secret "keys": nothing can be read from the cluster`,
		"An Analyst without a Library says so.")
}

func TestGateMessages(t *testing.T) {
	cases := map[string]struct {
		reason string
		moment v1beta1.HookType
		want   string
	}{
		"Rollout":   {reason: "Before the start.", moment: v1beta1.ConfirmRolloutHook, want: "Halt podinfo.test advancement waiting for approval gate: 403 Forbidden: ask Anna"},
		"Increase":  {reason: "Before a step.", moment: v1beta1.ConfirmTrafficIncreaseHook, want: "Halt podinfo.test advancement waiting for traffic increase approval gate: 403 Forbidden: ask Anna"},
		"Promotion": {reason: "Before the promotion.", moment: v1beta1.ConfirmPromotionHook, want: "Halt podinfo.test advancement waiting for promotion approval gate: 403 Forbidden: ask Anna"},
		"Rollback":  {reason: "One that does not roll back.", moment: v1beta1.RollbackHook, want: "Rollback of podinfo.test not asked for by hook gate: 403 Forbidden: ask Anna"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			ask := func(h http.HandlerFunc) rollout.Finding {
				hook := v1beta1.CanaryWebhook{Name: "gate", Type: tc.moment, URL: serve(t, h)}
				return ask(t.Context(), impatient(""), podinfo(), checks{Hooks: []v1beta1.CanaryWebhook{hook}})[0]
			}
			require.Equal(t, rollout.Finding{Verdict: v1beta1.Failed, Message: tc.want},
				ask(saying(403, "ask Anna")), tc.reason)
			require.Equal(t, rollout.Finding{Verdict: v1beta1.Passed}, ask(saying(204, "")),
				"Every 2xx agrees. %s", tc.reason)
		})
	}
}
