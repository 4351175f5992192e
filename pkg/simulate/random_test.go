package simulate

import (
	"flag"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var seeds = flag.Int("seeds", 2000, "number of random runs")
var show = flag.Int("show", -1, "seed to follow second by second")
var first = flag.Int("first", 0, "seed to begin with")

func TestNoRuleBreaks(t *testing.T) {
	broken := map[string][]int{}
	for n := range *seeds {
		seed := *first + n
		if wrong := Random(uint64(seed), None); len(wrong) > 0 {
			_, rule, _ := strings.Cut(wrong[0], ": ")
			rule = rule[:min(len(rule), 60)]
			if len(broken[rule]) == 0 {
				t.Logf("seed %d: %s", seed, wrong[0])
			}
			broken[rule] = append(broken[rule], seed)
		}
	}
	for rule, at := range broken {
		t.Logf("%d runs, the first of seed %d: %s", len(at), at[0], rule)
	}
	require.Empty(t, broken)
}

func TestShowSeed(t *testing.T) {
	if *show < 0 {
		return
	}
	s := newRandomRun(uint64(*show), None)
	for range 40 + s.rng.IntN(160) {
		s.faults()
		s.Second()
		s.w.checkLeft()
		t.Log(s.w.now, s.w.line(), brief(s.w.status))
		if len(s.w.violations) > 0 {
			t.Fatal(s.w.violations)
		}
	}
	s.endFaults()
	require.Empty(t, s.w.violations)
}

func TestEveryProtectionIsNeeded(t *testing.T) {
	cases := map[string]struct {
		reason  string
		without Protection
	}{
		"Routed":       {"A target stopped before the proxies left it loses requests.", Routed},
		"Lock":         {"A status decided on an old Canary overwrites a newer one.", Lock},
		"LiveTarget":   {"A step is taken for a revision that users have replaced.", LiveTarget},
		"OwnWrites":    {"A pass decides on the state before its own writes.", OwnWrites},
		"OnePass":      {"A decision takes for done what was only just written.", OnePass},
		"Judged":       {"A canary that fails keeps its requests for what has nothing to do with it.", Judged},
		"SameTemplate": {"The primary gets a revision that nobody judged.", SameTemplate},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(30000) {
				if wrong := Random(seed, c.without); len(wrong) > 0 {
					t.Logf("seed %d: %s", seed, wrong[0])
					return
				}
			}
			require.Fail(t, "no rule breaks", c.reason)
		})
	}
}
