package bench

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// auditPolicy has one line written for each request that is over, and for a watch
// when it begins: a watch is over only minutes later.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- level: Metadata
  verbs: [watch]
  omitStages: [RequestReceived, ResponseComplete, Panic]
- level: Metadata
  omitStages: [RequestReceived, ResponseStarted, Panic]
`

// Request is one request to the API server.
type Request struct {
	At        time.Time
	Client    string // name of the program
	User      string
	Verb      string
	Resource  string // with its subresource
	Namespace string
	Name      string
	Code      int
}

// entry is what is read of a line of the log, audit.k8s.io/v1 Event.
type entry struct {
	Received  time.Time `json:"requestReceivedTimestamp"`
	UserAgent string    `json:"userAgent"`
	URI       string    `json:"requestURI"`
	Verb      string    `json:"verb"`
	User      struct {
		Username string `json:"username"`
	} `json:"user"`
	Object struct {
		Resource    string `json:"resource"`
		Subresource string `json:"subresource"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
	} `json:"objectRef"`
	Response struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
}

func (e entry) request() Request {
	r := Request{
		At: e.Received, Client: program(e.UserAgent), User: e.User.Username, Verb: e.Verb,
		Resource:  path.Join(e.Object.Resource, e.Object.Subresource),
		Namespace: e.Object.Namespace, Name: e.Object.Name, Code: e.Response.Code,
	}
	if r.Resource == "" { // discovery, health, version
		r.Resource, _, _ = strings.Cut(e.URI, "?")
	}
	return r
}

// program is the name in a user agent, and for the many controllers that share
// one program the name of the controller, which is the last of its parts.
func program(agent string) string {
	name, _, _ := strings.Cut(agent, "/")
	if i := strings.LastIndexByte(agent, ':'); strings.Contains(agent, "/system:serviceaccount:") {
		return agent[i+1:]
	}
	return name
}

// Log follows the audit log. What was read once is kept, since a file of a hundred
// rollouts takes longer to read than what is measured with it.
type Log struct {
	file   string
	offset int64
	all    []Request
}

// between are the requests that arrived in a span of time, in their order.
func (l *Log) between(from, to time.Time) ([]Request, error) {
	if err := l.read(); err != nil {
		return nil, err
	}
	found := pick(l.all, func(r Request) bool { return !r.At.Before(from) && r.At.Before(to) })
	slices.SortStableFunc(found, func(a, b Request) int { return a.At.Compare(b.At) })
	return found, nil
}

// read adds what was written since it was called last.
func (l *Log) read() error {
	log, err := os.Open(l.file)
	if err != nil {
		return err
	}
	defer log.Close()
	if _, err := log.Seek(l.offset, io.SeekStart); err != nil {
		return err
	}
	found, n, err := parse(log)
	l.offset += n
	l.all = append(l.all, found...)
	return err
}

// parse reads whole lines, and says how many bytes these were: the last one may
// still be being written.
func parse(log io.Reader) (found []Request, n int64, err error) {
	lines := bufio.NewReader(log)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return found, n, nil
		}
		if err != nil {
			return found, n, err
		}
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			return found, n, fmt.Errorf("audit log: %w: %q", err, line)
		}
		n += int64(len(line))
		found = append(found, e.request())
	}
}

// lease says that a request only keeps the lease of whoever is in charge.
func (r Request) lease() bool { return r.Resource == "leases" }

// write says that a request changes something.
func (r Request) write() bool {
	switch r.Verb {
	case "create", "update", "patch", "delete", "deletecollection":
		return true
	}
	return false
}

// what is the kind of request that is counted together.
func (r Request) what() string { return r.Verb + " " + r.Resource }
