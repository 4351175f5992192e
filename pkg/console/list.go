package console

import (
	"cmp"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/view"
)

// The bounds of one page of the list.
const (
	fewRows  = 100
	mostRows = 500
)

// listed is a row with what its user may do.
type listed struct {
	view.Row
	Can map[string]bool `json:"can"`
}

// list is a page of Canaries.
type list struct {
	Items      []listed `json:"items"`
	Continue   string   `json:"continue,omitempty"`
	Total      int      `json:"total"` // that the filter lets through
	Counts     counts   `json:"counts"`
	Namespaces []string `json:"namespaces"` // that the user may read
}

// counts are about all that the user may read, in the namespace that is asked for.
type counts struct {
	Waiting  int `json:"waiting"` // for a person
	Failed   int `json:"failed"`
	UnderWay int `json:"underway"`
	All      int `json:"all"`
}

// filter says which Canaries a list has.
type filter struct {
	namespace, words string
	phase            v1beta1.CanaryPhase
	waiting, failed  bool
	limit            int
	after            string // namespace/name of the last one of the page before
}

func filterOf(q url.Values) (f filter, err error) {
	f = filter{
		namespace: q.Get("namespace"), words: strings.ToLower(q.Get("q")), phase: v1beta1.CanaryPhase(q.Get("phase")),
		waiting: q.Get("waiting") == "true", failed: q.Get("failed") == "true", limit: fewRows,
	}
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return f, failure(http.StatusBadRequest, "limit is not a number above zero")
		}
		f.limit = min(n, mostRows)
	}
	after, err := base64.RawURLEncoding.DecodeString(q.Get("continue"))
	if err != nil {
		return f, failure(http.StatusBadRequest, "continue is not what a list has given")
	}
	f.after = string(after)
	return f, nil
}

func (f *filter) match(c *v1beta1.Canary) bool {
	switch {
	case f.phase != "" && c.Status.Phase != f.phase, f.waiting && !view.WaitsForPerson(c), f.failed && c.Status.Phase != v1beta1.PhaseFailed:
		return false
	}
	for word := range strings.FieldsSeq(f.words) {
		if !strings.Contains(strings.ToLower(c.Namespace+"/"+c.Name), word) && !strings.Contains(strings.ToLower(c.Status.Image), word) {
			return false
		}
	}
	return true
}

// place is where a Canary stands in the order of a list.
func place(c *v1beta1.Canary) string { return c.Namespace + "/" + c.Name }

func (s *Server) serveList(w http.ResponseWriter, r *http.Request, u *User) error {
	f, err := filterOf(r.URL.Query())
	if err != nil {
		return err
	}
	select {
	case s.listing <- struct{}{}:
		defer func() { <-s.listing }()
	case <-r.Context().Done():
		return r.Context().Err()
	}
	all := &v1beta1.CanaryList{}
	if err := s.Cache.List(r.Context(), all, client.UnsafeDisableDeepCopy); err != nil {
		return err
	}
	found := map[string]bool{}
	for i := range all.Items {
		found[all.Items[i].Namespace] = true
	}
	l := list{Items: []listed{}, Namespaces: []string{}}
	for ns := range found {
		l.Namespaces = append(l.Namespaces, ns)
	}
	may, err := s.readable(r.Context(), u, l.Namespaces)
	if err != nil {
		return err
	}
	l.Namespaces = slices.DeleteFunc(l.Namespaces, func(ns string) bool { return !may[ns] })
	slices.Sort(l.Namespaces)
	page := s.page(all.Items, f, may, &l)
	if err := s.addCan(r, u, page, &l); err != nil {
		return err
	}
	answer(w, http.StatusOK, l)
	return nil
}

// page counts what a user may read, and picks one page of what passes the filter.
func (s *Server) page(all []v1beta1.Canary, f filter, may map[string]bool, l *list) (page []*v1beta1.Canary) {
	var passing []*v1beta1.Canary
	for i := range all {
		c := &all[i]
		if !may[c.Namespace] || f.namespace != "" && f.namespace != c.Namespace {
			continue
		}
		l.Counts.All++
		if view.WaitsForPerson(c) {
			l.Counts.Waiting++
		}
		switch phase := c.Status.Phase; {
		case phase == v1beta1.PhaseFailed:
			l.Counts.Failed++
		case phase.UnderWay():
			l.Counts.UnderWay++
		}
		if f.match(c) {
			passing = append(passing, c)
		}
	}
	l.Total = len(passing)
	slices.SortFunc(passing, func(a, b *v1beta1.Canary) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	if f.after != "" {
		ns, name, _ := strings.Cut(f.after, "/")
		passing = slices.DeleteFunc(passing, func(c *v1beta1.Canary) bool {
			return cmp.Or(strings.Compare(c.Namespace, ns), strings.Compare(c.Name, name)) <= 0
		})
	}
	if len(passing) > f.limit {
		passing = passing[:f.limit]
		l.Continue = base64.RawURLEncoding.EncodeToString([]byte(place(passing[f.limit-1])))
	}
	return passing
}

// addCan adds the rows of a page, with what the user may do in each namespace.
func (s *Server) addCan(r *http.Request, u *User, page []*v1beta1.Canary, l *list) error {
	var namespaces []string
	for _, c := range page {
		if len(namespaces) == 0 || namespaces[len(namespaces)-1] != c.Namespace {
			namespaces = append(namespaces, c.Namespace)
		}
	}
	var mu sync.Mutex
	can := map[string]map[string]bool{}
	err := eachOf(namespaces, func(ns string) error {
		may, err := s.can(r.Context(), u, ns, "")
		mu.Lock()
		defer mu.Unlock()
		can[ns] = may
		return err
	})
	if err != nil {
		return err
	}
	for _, c := range page {
		l.Items = append(l.Items, listed{Row: s.row(c), Can: can[c.Namespace]})
	}
	return nil
}

// row is the row of a Canary, made once for all who are shown it.
func (s *Server) row(c *v1beta1.Canary) view.Row {
	key := string(c.UID) + " " + c.ResourceVersion
	s.rowsMu.Lock()
	if row, known := s.rows.Get(key); known {
		s.rowsMu.Unlock()
		return row.(view.Row)
	}
	s.rowsMu.Unlock()
	row := hiddenRow(c, view.RowOf(c))
	s.rowsMu.Lock()
	defer s.rowsMu.Unlock()
	s.rows.Add(key, row)
	return row
}
