package walk

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/e2e/slackreceiver"
)

const payload = `{"channel":"on-call-alerts","username":"flagger","attachments":[{"color":"good","author_name":"AUTHOR",
 "text":"New revision detected.","fields":[{"title":"Target","value":"Deployment/podinfo.test"}]}]}`

func TestChat(t *testing.T) {
	server := httptest.NewServer(slackreceiver.New(10))
	t.Cleanup(server.Close)
	chat := Chat{URL: server.URL}
	began := time.Now()
	for _, author := range []string{"other.test", "podinfo.test"} {
		resp, err := http.Post(server.URL+"/services/T/B/x", "application/json", strings.NewReader(strings.ReplaceAll(payload, "AUTHOR", author)))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusOK, resp.StatusCode)
	}

	posts, err := chat.Posts(t.Context(), "podinfo.test", began)
	require.NoError(t, err)
	require.Equal(t, []Post{{
		Channel: "on-call-alerts", Username: "flagger", Author: "podinfo.test", Color: "good", Text: "New revision detected.",
		Fields: map[string]string{"Target": "Deployment/podinfo.test"},
	}}, posts, "only this Canary's messages are shown, and in whole")

	posts, err = chat.Posts(t.Context(), "podinfo.test", time.Now().Add(time.Minute))
	require.NoError(t, err)
	require.Empty(t, posts, "earlier runs' messages are not this one's")

	_, err = Chat{URL: server.URL + "/nowhere"}.Posts(t.Context(), "podinfo.test", began)
	require.ErrorContains(t, err, "404", "a receiver that isn't there is no empty channel")
}
