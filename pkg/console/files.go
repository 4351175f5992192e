package console

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"strings"
)

// basePath is what a base path looks like: it stands in index.html, and in patterns of addresses.
var basePath = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)

// baseTag is what index.html has for all addresses to begin with.
const baseTag = `<base href="/">`

// indexOf is index.html for a base path.
func indexOf(files fs.FS, base string) ([]byte, error) {
	text, err := fs.ReadFile(files, "index.html")
	if err != nil {
		return nil, fmt.Errorf("read the page: %w", err)
	}
	if !bytes.Contains(text, []byte(baseTag)) {
		return nil, fmt.Errorf("the page's index.html has no %s", baseTag)
	}
	return bytes.Replace(text, []byte(baseTag), []byte(`<base href="`+html.EscapeString(base)+`/">`), 1), nil
}

// serveFile serves the files of the page; any address that is none is the page's to understand.
func (s *Server) serveFile(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		answerError(w, failure(http.StatusMethodNotAllowed, "this can only be read"))
		return
	}
	name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
	if name == "" || name == "index.html" || !fs.ValidPath(name) {
		s.serveIndex(w)
		return
	}
	asset := strings.HasPrefix(name, "assets/")
	switch info, err := fs.Stat(s.Files, name); {
	case err == nil && !info.IsDir():
		w.Header().Set("Cache-Control", "no-cache")
		if asset { // its name has a hash of what it holds
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		http.ServeFileFS(w, r, s.Files, name)
	case asset && (err == nil || errors.Is(err, fs.ErrNotExist)):
		answerError(w, failure(http.StatusNotFound, "there is no such file"))
	default:
		s.serveIndex(w)
	}
}

func (s *Server) serveIndex(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(s.index) // who has gone away is not told
}
