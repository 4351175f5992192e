package v1beta1_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

func TestPhaseMeans(t *testing.T) {
	words := map[string]func(v1beta1.CanaryPhase) bool{
		"AtRest": v1beta1.CanaryPhase.AtRest, "Settled": v1beta1.CanaryPhase.Settled, "Ended": v1beta1.CanaryPhase.Ended,
		"Analysing": v1beta1.CanaryPhase.Analysing, "UnderWay": v1beta1.CanaryPhase.UnderWay, "Unfinished": v1beta1.CanaryPhase.Unfinished,
		"Leaving": v1beta1.CanaryPhase.Leaving,
	}
	cases := map[v1beta1.CanaryPhase][]string{
		"":                            nil,
		"Dreaming":                    nil, // of another version
		v1beta1.PhaseInitializing:     {"Unfinished"},
		v1beta1.PhaseInitialized:      {"AtRest", "Settled"},
		v1beta1.PhaseWaiting:          {"AtRest", "Unfinished"},
		v1beta1.PhaseProgressing:      {"Analysing", "UnderWay", "Unfinished"},
		v1beta1.PhaseWaitingPromotion: {"Analysing", "UnderWay", "Unfinished"},
		v1beta1.PhasePromoting:        {"UnderWay", "Unfinished"},
		v1beta1.PhaseFinalising:       {"UnderWay", "Unfinished"},
		v1beta1.PhaseSucceeded:        {"AtRest", "Settled", "Ended"},
		v1beta1.PhaseFailed:           {"AtRest", "Settled", "Ended"},
		v1beta1.PhaseTerminating:      {"Leaving"},
		v1beta1.PhaseTerminated:       {"Leaving"},
	}
	for phase, want := range cases {
		t.Run(string(phase), func(t *testing.T) {
			var got []string
			for word, means := range words {
				if means(phase) {
					got = append(got, word)
				}
			}
			require.ElementsMatch(t, want, got)
		})
	}
}
