package walk

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
)

// CanaryKind is the kind that is walked through.
func CanaryKind() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: "flagger.app", Version: "v1beta1", Kind: "Canary"}
}

// Row is what `kubectl get canary` prints of one: how far it is.
type Row struct {
	At     time.Time
	Phase  string
	Weight int // percent of requests
}

// String is the row's columns: `Progressing 10`.
func (r Row) String() string { return r.Phase + " " + strconv.Itoa(r.Weight) }

// Canaries is a list to follow Canaries by.
func Canaries() *unstructured.UnstructuredList {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(CanaryKind().GroupVersion().WithKind("CanaryList"))
	return list
}

// Rows are those of one Canary, each only where it differs from the one before, as a reader of
// `kubectl get canary --watch` would tell them.
func Rows(entries []Entry, name string) []Row {
	var rows []Row
	for _, e := range entries {
		u, ok := e.Object.(*unstructured.Unstructured)
		if !ok || u.GetName() != name || e.Type == watch.Deleted {
			continue
		}
		row := rowOf(u, e.At)
		if len(rows) == 0 || rows[len(rows)-1].String() != row.String() {
			rows = append(rows, row)
		}
	}
	return rows
}

func rowOf(u *unstructured.Unstructured, at time.Time) Row {
	phase, _, _ := unstructured.NestedString(u.Object, "status", "phase")
	weight, _, _ := unstructured.NestedInt64(u.Object, "status", "canaryWeight")
	return Row{At: at, Phase: phase, Weight: int(weight)}
}

// ParseRow reads a line of `kubectl get canary`, the header's included: that has no row.
func ParseRow(line string, at time.Time) (Row, bool) {
	fields := strings.Fields(line)
	if len(fields) < 3 || fields[0] == "NAME" {
		return Row{}, false
	}
	weight, err := strconv.Atoi(fields[2])
	if err != nil {
		return Row{}, false
	}
	return Row{At: at, Phase: fields[1], Weight: weight}, true
}

// From leaves out the rows before a moment.
func From(rows []Row, moment time.Time) []Row {
	for i, r := range rows {
		if !r.At.Before(moment) {
			return rows[i:]
		}
	}
	return nil
}

// Last is the newest row.
func Last(rows []Row) Row {
	if len(rows) == 0 {
		return Row{}
	}
	return rows[len(rows)-1]
}

// First finds the first row that reads as wanted.
func First(rows []Row, want string) (Row, bool) {
	for _, r := range rows {
		if r.String() == want || r.Phase == want {
			return r, true
		}
	}
	return Row{}, false
}

// Sequence says whether the rows are those wanted, no more and no fewer. A wanted row is `Phase weight`, or
// `Phase` alone where the weight does not matter.
func Sequence(rows []Row, want ...string) error {
	for i := range max(len(rows), len(want)) {
		if i < len(rows) && i < len(want) && reads(rows[i], want[i]) {
			continue
		}
		return fmt.Errorf("row %d differs\nwant: %s\nhave: %s", i+1, strings.Join(want, ", "), describe(rows))
	}
	return nil
}

func reads(r Row, want string) bool { return r.String() == want || r.Phase == want }

// describe lists rows with the seconds that passed since the first.
func describe(rows []Row) string {
	texts := make([]string, len(rows))
	for i, r := range rows {
		texts[i] = fmt.Sprintf("%s (+%.1fs)", r, r.At.Sub(rows[0].At).Seconds())
	}
	return strings.Join(texts, ", ")
}
