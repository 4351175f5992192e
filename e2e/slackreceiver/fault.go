package slackreceiver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// Fault is how the receiver answers messages instead of taking them.
type Fault struct {
	Status     int    `json:"status"`               // HTTP status, 400 to 599, as in 429
	Count      int    `json:"count"`                // how many messages; zero: until faults are ended
	RetryAfter int    `json:"retryAfter,omitempty"` // seconds for the header Retry-After; zero: no header
	Body       string `json:"body,omitempty"`       // of the answer; empty: the status in words
}

// Fail queues a fault; faults come one after the other.
func (r *Receiver) Fail(f Fault) error {
	if f.Status < 400 || f.Status > 599 || f.Count < 0 {
		return fmt.Errorf("a fault of status %d, %d times: want a status from 400 to 599", f.Status, f.Count)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = append(r.faults, f)
	return nil
}

func (r *Receiver) addFault(w http.ResponseWriter, q *http.Request) {
	var f Fault
	if err := json.NewDecoder(http.MaxBytesReader(w, q.Body, maxPayload)).Decode(&f); err != nil {
		http.Error(w, fmt.Sprintf("reading the fault: %v", err), http.StatusBadRequest)
		return
	}
	if err := r.Fail(f); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (r *Receiver) endFaults(w http.ResponseWriter, _ *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = nil
	w.WriteHeader(http.StatusNoContent)
}

// failed answers by the fault that is due, if one is.
func (r *Receiver) failed(w http.ResponseWriter) bool {
	f, ok := r.due()
	if !ok {
		return false
	}
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	body := f.Body
	if body == "" {
		body = http.StatusText(f.Status)
	}
	http.Error(w, body, f.Status)
	return true
}

// due takes the next fault, once less to come.
func (r *Receiver) due() (Fault, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.faults) == 0 {
		return Fault{}, false
	}
	f := r.faults[0]
	if f.Count == 1 {
		r.faults = r.faults[1:]
	} else if f.Count > 1 {
		r.faults[0].Count--
	}
	return f, true
}
