package console

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// mostBody is how many bytes a request may have.
const mostBody = 64 << 10

// failed is an error that the user is told.
type failed struct {
	code int
	text string
}

// Error is the text for people.
func (f *failed) Error() string { return f.text }

func failure(code int, text string) *failed { return &failed{code: code, text: text} }

// failureOf is what a user is told of an error: nothing of what only the operator's log is for.
func failureOf(err error) *failed {
	var f *failed
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &large):
		return failure(http.StatusRequestEntityTooLarge, "the request is too large")
	case errors.Is(err, context.DeadlineExceeded), apierrors.IsTimeout(err), apierrors.IsServerTimeout(err), apierrors.IsTooManyRequests(err):
		return failure(http.StatusServiceUnavailable, "the API server does not answer in time")
	}
	return failure(http.StatusServiceUnavailable, "the API server could not be asked; the operator's log says more")
}

// answer writes JSON.
func answer(w http.ResponseWriter, code int, v any) {
	text, err := json.Marshal(v)
	if err != nil { // nothing that is answered with has values that JSON lacks
		code, text = http.StatusInternalServerError, []byte(`{"error":"the answer cannot be written"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(text, '\n')) // who has gone away is not told
}

func answerError(w http.ResponseWriter, f *failed) {
	answer(w, f.code, map[string]string{"error": f.text})
}

// read reads the JSON of a request.
func read(r *http.Request, v any) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return failure(http.StatusBadRequest, "the request is no JSON")
	}
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		return unreadable(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return failure(http.StatusBadRequest, "the request has something behind its JSON")
	}
	return nil
}

func unreadable(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return err
	}
	return failure(http.StatusBadRequest, "the request cannot be read: "+err.Error())
}
