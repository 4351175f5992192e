package walk

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
)

// began is when the rows of these tests begin; each is a second after the one before.
func began() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

func seen(n int, kind watch.EventType, name, phase string, weight int64) Entry {
	u := &unstructured.Unstructured{Object: map[string]any{"status": map[string]any{"phase": phase, "canaryWeight": weight}}}
	u.SetName(name)
	return Entry{At: began().Add(time.Duration(n) * time.Second), Type: kind, Object: u}
}

func row(n int, phase string, weight int) Row {
	return Row{At: began().Add(time.Duration(n) * time.Second), Phase: phase, Weight: weight}
}

func TestRows(t *testing.T) {
	cases := map[string]struct {
		reason  string
		entries []Entry
		want    []Row
	}{
		"Changes": {
			reason: "A row is a change of phase or weight; the first time it was seen counts.",
			entries: []Entry{
				seen(0, watch.Added, "podinfo", "Progressing", 0),
				seen(1, watch.Modified, "podinfo", "Progressing", 10),
				seen(2, watch.Modified, "podinfo", "Progressing", 10),
				seen(3, watch.Modified, "podinfo", "Promoting", 10),
			},
			want: []Row{row(0, "Progressing", 0), row(1, "Progressing", 10), row(3, "Promoting", 10)},
		},
		"Return": {
			reason: "A weight that comes back is a row of its own.",
			entries: []Entry{
				seen(0, watch.Modified, "podinfo", "Progressing", 10),
				seen(1, watch.Modified, "podinfo", "Progressing", 0),
				seen(2, watch.Modified, "podinfo", "Progressing", 10),
			},
			want: []Row{row(0, "Progressing", 10), row(1, "Progressing", 0), row(2, "Progressing", 10)},
		},
		"Others": {
			reason: "Another Canary's rows are not this one's.",
			entries: []Entry{
				seen(0, watch.Added, "other", "Failed", 0),
				seen(1, watch.Added, "podinfo", "Initialized", 0),
			},
			want: []Row{row(1, "Initialized", 0)},
		},
		"Deleted": {
			reason: "What a deletion shows is the last state again, not a step back to it.",
			entries: []Entry{
				seen(0, watch.Added, "podinfo", "Terminated", 100),
				seen(1, watch.Deleted, "podinfo", "Terminating", 100),
			},
			want: []Row{row(0, "Terminated", 100)},
		},
		"Nothing": {reason: "Before anything is seen there is no row."},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, Rows(tc.entries, "podinfo"), tc.reason)
		})
	}
}

func TestSequence(t *testing.T) {
	rows := []Row{row(0, "Progressing", 0), row(5, "Progressing", 10), row(15, "Promoting", 10), row(18, "Succeeded", 0)}
	cases := map[string]struct {
		reason  string
		want    []string
		wantErr string
	}{
		"Exact": {
			reason: "Every row is wanted and every wanted row is there.",
			want:   []string{"Progressing 0", "Progressing 10", "Promoting 10", "Succeeded 0"},
		},
		"AnyWeight": {
			reason: "A phase alone leaves its weight open.",
			want:   []string{"Progressing 0", "Progressing 10", "Promoting", "Succeeded"},
		},
		"Missing": {
			reason:  "A row that was skipped is a fault, even if the end is right.",
			want:    []string{"Progressing 0", "Progressing 10", "Progressing 20", "Promoting 10", "Succeeded 0"},
			wantErr: "row 3 differs",
		},
		"Surplus": {
			reason:  "So is a row too many.",
			want:    []string{"Progressing 0", "Progressing 10", "Promoting 10"},
			wantErr: "row 4 differs",
		},
		"OtherWeight": {
			reason:  "The weight counts where it is given; the message shows when each row came.",
			want:    []string{"Progressing 0", "Progressing 20", "Promoting 10", "Succeeded 0"},
			wantErr: "Progressing 10 (+5.0s)",
		},
		"None": {
			reason:  "Wanting nothing is not being content with anything.",
			wantErr: "row 1 differs",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := Sequence(rows, tc.want...)
			if tc.wantErr == "" {
				require.NoError(t, err, tc.reason)
				return
			}
			require.ErrorContains(t, err, tc.wantErr, tc.reason)
		})
	}
	require.Error(t, Sequence(nil, "Succeeded 0"), "Rows that never came are missing.")
}

func TestParseRow(t *testing.T) {
	cases := map[string]struct {
		reason string
		line   string
		want   Row
		ok     bool
	}{
		"Row":    {reason: "The columns are those of kubectl.", line: "podinfo   Progressing   10   2021-07-21T10:14:46Z", want: row(0, "Progressing", 10), ok: true},
		"Header": {reason: "The header is no row.", line: "NAME      STATUS        WEIGHT   LASTTRANSITIONTIME"},
		"New":    {reason: "A Canary that nobody has looked at yet has a name only.", line: "podinfo"},
		"Empty":  {reason: "Nor is an empty line one."},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, ok := ParseRow(tc.line, began())
			require.Equal(t, tc.ok, ok, tc.reason)
			require.Equal(t, tc.want, got, tc.reason)
		})
	}
}

func TestPickRows(t *testing.T) {
	rows := []Row{row(0, "Progressing", 0), row(5, "Progressing", 10), row(15, "Failed", 0)}
	require.Equal(t, rows[1:], From(rows, began().Add(5*time.Second)), "a row of that very moment belongs to it")
	require.Empty(t, From(rows, began().Add(time.Minute)), "what comes later has not come yet")
	require.Equal(t, rows[2], Last(rows))
	require.Equal(t, Row{}, Last(nil), "before the first row there is an empty one")

	found, ok := First(rows, "Progressing")
	require.True(t, ok)
	require.Equal(t, rows[0], found, "a phase is entered with its first row")
	found, ok = First(rows, "Progressing 10")
	require.True(t, ok)
	require.Equal(t, rows[1], found)
	_, ok = First(rows, "Succeeded")
	require.False(t, ok)
}
