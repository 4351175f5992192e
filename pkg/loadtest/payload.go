package loadtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// maxPayload is the most bytes that a call may have.
const maxPayload = 1 << 20

// payload is what a webhook sends.
type payload struct {
	Name      string            `json:"name"`
	Namespace string            `json:"namespace"`
	Phase     string            `json:"phase"`
	Checksum  string            `json:"checksum"` // of the revision
	Metadata  map[string]string `json:"metadata"`
}

// canary is how a payload's Canary is called everywhere.
func (p payload) canary() string { return p.Name + "." + p.Namespace }

// rollout is the same for as long as the same revision is rolled out; empty: a person has asked. One that waits for approval sends
// the checksum of the revision before.
func (p payload) rollout() string {
	if p.Checksum != "" && p.Phase == "Waiting" {
		return "waiting-" + p.Checksum
	}
	return p.Checksum
}

// read takes the whole body: only then does the server notice a caller that hangs up.
func read(w http.ResponseWriter, r *http.Request) (payload, error) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPayload))
	if err != nil {
		return payload{}, err
	}
	var p payload
	err = json.Unmarshal(text, &p)
	return p, err
}

// called reads the payload of a call and turns away whose namespace may not call.
func (s *Server) called(serve func(w http.ResponseWriter, r *http.Request, p payload)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p, err := read(w, r)
		if err != nil {
			answer(w, http.StatusBadRequest, fmt.Sprintf("reading the payload: %v", err))
			return
		}
		if only := s.options.Namespaces; only != nil && !only.MatchString(p.Namespace) {
			answer(w, http.StatusForbidden, fmt.Sprintf("namespace %q does not match %q", p.Namespace, only))
			return
		}
		serve(w, r, p)
	}
}
