package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// The page is served to who has the link, with the rights of the kubeconfig, until the command is interrupted.
func TestDashboard(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.canary("podinfo", func(c *v1beta1.Canary) { c.Spec.Provider = "" })
	command := s.start("dashboard")
	command.await("The page is at ")
	link := regexp.MustCompile(`(http://127\.0\.0\.1:\d+)/#token=(\S+)\n`).FindStringSubmatch(command.said())
	require.Len(t, link, 3)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	browser := http.Client{Jar: jar}
	ask := func(method, path string, body any) (int, string) {
		text, err := json.Marshal(body)
		require.NoError(t, err)
		r, err := http.NewRequestWithContext(t.Context(), method, link[1]+path, bytes.NewReader(text))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/json")
		answer, err := browser.Do(r)
		require.NoError(t, err)
		defer answer.Body.Close()
		said, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return answer.StatusCode, string(said)
	}
	code, _ := ask(http.MethodGet, "/api/v1/canaries", nil)
	require.Equal(t, http.StatusUnauthorized, code)
	code, _ = ask(http.MethodPost, "/auth/login", map[string]string{"token": link[2]})
	require.Equal(t, http.StatusNoContent, code)
	code, text := ask(http.MethodGet, "/api/v1/canaries?namespace="+s.ns, nil)
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, text, `"name":"podinfo"`)
	code, text = ask(http.MethodGet, "/api/v1/canaries/"+s.ns+"/podinfo", nil)
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, text, `"provider":"kubernetes"`, "what an operator would find")
	code, text = ask(http.MethodPost, "/api/v1/canaries/"+s.ns+"/podinfo/actions", map[string]any{"verb": "pause"})
	require.Equal(t, http.StatusAccepted, code, text)
	c := s.live("podinfo")
	require.Contains(t, c.Annotations[v1beta1.ActionAnnotation], "pause id=")
	require.NotEmpty(t, c.Annotations[v1beta1.ActionByAnnotation], "it is the user of the kubeconfig")
	command.stop()
	_, err = browser.Get(link[1])
	require.Error(t, err)
}

func TestToldProvider(t *testing.T) {
	cases := map[string]struct {
		reason string
		args   []string
		want   string
	}{
		"None":  {reason: "it looks for itself", args: []string{"-log-level=info", "mesh-provider=istio"}},
		"One":   {reason: "one dash", args: []string{"-mesh-provider=istio"}, want: "istio"},
		"Two":   {reason: "two dashes, and the value apart", args: []string{"--mesh-provider", "gatewayapi:v1", "-v"}, want: "gatewayapi:v1"},
		"Twice": {reason: "of a flag that is given twice the last counts", args: []string{"-mesh-provider=istio", "--mesh-provider=linkerd"}, want: "linkerd"},
		"Empty": {reason: "nothing follows", args: []string{"-mesh-provider"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, toldProvider(tc.args), tc.reason) })
	}
}
