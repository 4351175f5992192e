package simulate_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/simulate"
)

const all = rollout.Weighted | rollout.Mirrored | rollout.Matched | rollout.MatchedWeighted | rollout.Sticky

func analysed(t *testing.T, analysis string) (v1beta1.CanarySpec, rollout.Plan) {
	t.Helper()
	spec := v1beta1.CanarySpec{TargetRef: v1beta1.TargetRef{Kind: "Deployment", Name: "podinfo"}, Analysis: &v1beta1.CanaryAnalysis{}}
	require.NoError(t, yaml.UnmarshalStrict([]byte(analysis), spec.Analysis))
	plan, err := rollout.Compile(spec, all)
	require.NoError(t, err)
	return spec, plan
}

func podinfo(size int32) simulate.Target {
	return simulate.Target{Size: size, Names: rollout.Names{Namespace: "test", Canary: "podinfo", Kind: "Deployment", Target: "podinfo", Primary: "podinfo-primary"}}
}

// TestForecastIsWhatIsPlayed compares the phases and weights of a forecast with those of the same spec's script.
func TestForecastIsWhatIsPlayed(t *testing.T) {
	for name, analysis := range map[string]string{
		"Weighted":  "{interval: 10s, threshold: 3, stepWeight: 20, maxWeight: 60, metrics: [{name: request-success-rate, threshold: 99}]}",
		"Weights":   "{interval: 30s, threshold: 3, stepWeights: [1, 5, 50]}",
		"BlueGreen": "{interval: 10s, threshold: 3, iterations: 4}",
		"Back":      "{interval: 10s, threshold: 3, stepWeight: 50, stepWeightPromotion: 40}",
		"Mirrored":  "{interval: 10s, threshold: 3, stepWeight: 50, mirror: true}",
		"Bake":      "{interval: 10s, threshold: 3, steps: [{weight: 10, duration: 1m}, {weight: 40}], promotion: {bake: 2m}}",
	} {
		t.Run(name, func(t *testing.T) {
			spec, plan := analysed(t, analysis)
			forecast, err := simulate.Run(plan, podinfo(2), simulate.Circumstances{})
			require.NoError(t, err)
			require.Equal(t, simulate.Promoted, forecast.Outcome)
			var foreseen []string
			for _, r := range forecast.Rows {
				foreseen = append(foreseen, fmt.Sprintf("%s %d", r.Phase, r.Weight))
			}
			played, err := simulate.PlayOn(spec, all, podinfo(2), "until Initialized\nset image v2\nuntil Succeeded\n")
			require.NoError(t, err)
			_, played, _ = strings.Cut(played, "> until Succeeded")
			var seen []string
			for _, m := range regexp.MustCompile(`(?m)^ *\d+s (\w+) +weight=(\d+)`).FindAllStringSubmatch(played, -1) {
				seen = append(seen, m[1]+" "+m[2])
			}
			require.Equal(t, slices.Compact(seen), slices.Compact(foreseen))
		})
	}
}

func TestForecast(t *testing.T) {
	const weighted = "{interval: 1m, threshold: 2, stepWeight: 25, maxWeight: 50, metrics: [{name: request-success-rate, threshold: 99}]}"
	cases := map[string]struct {
		reason   string
		analysis string
		meets    simulate.Circumstances
		want     simulate.Outcome
		least    time.Duration
		most     time.Duration
		acts     int
		peak     int32
	}{
		"Good":        {reason: "two steps of a minute", analysis: weighted, want: simulate.Promoted, least: 2 * time.Minute, most: 3 * time.Minute, peak: 9},
		"BadAtOnce":   {reason: "it never gets on", analysis: weighted, meets: simulate.Circumstances{BadAt: 25}, want: simulate.RolledBack, least: 2 * time.Minute, most: 3 * time.Minute},
		"BadLater":    {reason: "the second step fails twice", analysis: weighted, meets: simulate.Circumstances{BadAt: 50}, want: simulate.RolledBack, least: 3 * time.Minute, most: 4 * time.Minute},
		"FlakyOnce":   {reason: "one failed round is tolerated", analysis: weighted, meets: simulate.Circumstances{Flaky: 1}, want: simulate.Promoted, least: 3 * time.Minute, most: 4 * time.Minute},
		"FlakyTwice":  {reason: "two are not", analysis: weighted, meets: simulate.Circumstances{Flaky: 2}, want: simulate.RolledBack, least: 2 * time.Minute, most: 3 * time.Minute},
		"SlowPods":    {reason: "they are waited for, twice", analysis: weighted, meets: simulate.Circumstances{PodStart: 90 * time.Second}, want: simulate.Promoted, least: 5 * time.Minute, most: 7 * time.Minute},
		"NeverReady":  {reason: "the deadline is ten minutes", analysis: weighted, meets: simulate.Circumstances{PodStart: time.Hour}, want: simulate.RolledBack, least: 10 * time.Minute, most: 11 * time.Minute},
		"NoData":      {reason: "no data is a failed check", analysis: weighted, meets: simulate.Circumstances{NoData: true}, want: simulate.RolledBack, least: 2 * time.Minute, most: 3 * time.Minute},
		"NoDataPass":  {reason: "unless it is accepted", analysis: "{interval: 1m, threshold: 2, stepWeight: 50, metrics: [{name: request-success-rate, threshold: 99, onNoData: pass}]}", meets: simulate.Circumstances{NoData: true}, want: simulate.Promoted, least: time.Minute, most: 3 * time.Minute},
		"NewRevision": {reason: "it begins again", analysis: weighted, meets: simulate.Circumstances{NewRevisionAt: 50}, want: simulate.Promoted, least: 3 * time.Minute, most: 5 * time.Minute},
		"Person":      {reason: "a person ends the pause", analysis: "{interval: 1m, threshold: 2, steps: [{weight: 10, pause: {}}, {weight: 50}]}", want: simulate.Promoted, least: 2 * time.Minute, most: 4 * time.Minute, acts: 1},
		"TwoPauses":   {reason: "one follows the other in the same second", analysis: "{interval: 1m, threshold: 2, steps: [{weight: 10}, {weight: 50, pause: {}}], promotion: {auto: false}}", want: simulate.Promoted, least: 2 * time.Minute, most: 4 * time.Minute, acts: 2},
		"PauseAborts": {reason: "nobody ends it in time", analysis: "{interval: 1m, threshold: 2, steps: [{weight: 10, pause: {after: 10m, then: abort}}]}", want: simulate.RolledBack, least: 10 * time.Minute, most: 13 * time.Minute},
		"Timed":       {reason: "what lasts for a time ends then, between two checks", analysis: "{interval: 1m, threshold: 2, steps: [{weight: 10, duration: 90s}, {weight: 50, pause: {after: 20s}}], promotion: {bake: 70s}}", want: simulate.Promoted, least: 4 * time.Minute, most: 4*time.Minute + 20*time.Second},
		"OpenGate":    {reason: "it is asked, and agrees", analysis: `{interval: 1m, threshold: 2, stepWeight: 50, webhooks: [{name: gate, type: confirm-promotion, url: "http://g/"}]}`, want: simulate.Promoted, least: time.Minute, most: 4 * time.Minute, acts: 1},
		"ClosedGate":  {reason: "nobody opens it", analysis: `{interval: 1m, threshold: 2, stepWeight: 50, webhooks: [{name: gate, type: confirm-promotion, url: "http://g/"}]}`, meets: simulate.Circumstances{ClosedGates: true}, want: simulate.Waits, least: time.Hour, most: 3 * time.Hour, acts: 1},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, plan := analysed(t, tc.analysis)
			f, err := simulate.Run(plan, podinfo(4), tc.meets)
			require.NoError(t, err)
			require.Equal(t, tc.want, f.Outcome, "%s\n%s", tc.reason, f.Table())
			require.GreaterOrEqual(t, f.Took, tc.least, f.Table())
			require.LessOrEqual(t, f.Took, tc.most, f.Table())
			require.Len(t, f.Acts, tc.acts, f.Table())
			if tc.peak > 0 {
				require.Equal(t, tc.peak, f.Peak, f.Table())
			}
		})
	}
}
