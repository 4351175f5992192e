package walk

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

func event(uid, kind, name, text string, count int32) Entry {
	return Entry{At: began(), Type: watch.Modified, Object: &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{UID: types.UID(uid)},
		InvolvedObject: corev1.ObjectReference{Kind: kind, Name: name},
		Message:        text, Count: count, Type: corev1.EventTypeNormal,
	}}
}

func TestMessages(t *testing.T) {
	cases := map[string]struct {
		reason  string
		entries []Entry
		want    []string
	}{
		"InOrder": {
			reason:  "Events come in the order in which they were said.",
			entries: []Entry{event("a", "Canary", "podinfo", "one", 1), event("b", "Canary", "podinfo", "two", 1)},
			want:    []string{"one", "two"},
		},
		"Again": {
			reason:  "An event whose count grew was said again.",
			entries: []Entry{event("a", "Canary", "podinfo", "one", 1), event("b", "Canary", "podinfo", "two", 1), event("a", "Canary", "podinfo", "one", 2)},
			want:    []string{"one", "two", "one"},
		},
		"SeenAgain": {
			reason:  "A watch that began anew shows what was there: nobody said it twice.",
			entries: []Entry{event("a", "Canary", "podinfo", "one", 1), event("a", "Canary", "podinfo", "one", 1)},
			want:    []string{"one"},
		},
		"NoCount": {
			reason:  "An event without a count was said once.",
			entries: []Entry{event("a", "Canary", "podinfo", "one", 0)},
			want:    []string{"one"},
		},
		"Others": {
			reason:  "What is said of other objects is not the Canary's, whatever they are called.",
			entries: []Entry{event("a", "Deployment", "podinfo", "scaled", 1), event("b", "Canary", "other", "one", 1)},
			want:    []string{},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, Texts(Messages(tc.entries, "podinfo")), tc.reason)
		})
	}
}

func TestInOrder(t *testing.T) {
	said := []string{"New revision detected!", "Halt success rate 97.51% < 99%", "Rolling back", "Canary failed!"}
	cases := map[string]struct {
		reason  string
		want    []string
		wantErr string
	}{
		"All":      {reason: "The whole of it is in order.", want: said},
		"Some":     {reason: "Others may come between.", want: []string{"New revision detected!", "Canary failed!"}},
		"Star":     {reason: "A star stands for what differs from run to run.", want: []string{"Halt success rate * < 99%"}},
		"Swapped":  {reason: "The order is what is asked.", want: []string{"Canary failed!", "Rolling back"}, wantErr: `"Rolling back" was not said`},
		"Part":     {reason: "A part of a text is another text.", want: []string{"Rolling"}, wantErr: `"Rolling" was not said`},
		"Twice":    {reason: "What was said once is not there twice.", want: []string{"Rolling back", "Rolling back"}, wantErr: "not said"},
		"NoRegexp": {reason: "Nothing but the star is special.", want: []string{"New revision detected."}, wantErr: "not said"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := InOrder(said, tc.want...)
			if tc.wantErr == "" {
				require.NoError(t, err, tc.reason)
				return
			}
			require.ErrorContains(t, err, tc.wantErr, tc.reason)
		})
	}
	require.Equal(t, 1, Said(said, "Halt*"))
	require.Zero(t, Said(said, "Halt"))
}
