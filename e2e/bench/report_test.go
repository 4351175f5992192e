package bench

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

func TestReport(t *testing.T) {
	m := &Moments{}
	for i, second := range []int{14, 12, 13} {
		m.note(event(i, v1beta1.PhasePromoting, 50), at(second))
	}
	r := &Report{}
	r.section("At rest", "nothing happens")
	r.row("requests", "0", "0", fromAudit)
	r.counts("who asked", []Count{{What: "get canaries", N: 5}}, 2)
	r.way(m, at(2))
	r.trace([]string{"one", "two"})
	var out bytes.Buffer
	r.print(&out)
	text := out.String()
	require.Regexp(t, `nothing happens \(load average [\d.]+\) +measured +target +from\n  requests +0 +0 +the API server's audit log\n`, text)
	require.Contains(t, text, "who asked\n      2.5  get canaries\n", "counts are for each of the Canaries")
	require.Contains(t, text, "    10.00    11.00    12.00  Promoting\n", "first, median and last, from the trigger")
	require.NotContains(t, text, "Succeeded", "a point that none has reached is left out")
	require.Contains(t, text, "since its trigger\none\ntwo\n")
}

func TestUnits(t *testing.T) {
	require.Equal(t, "52.82 s", seconds(52820*time.Millisecond))
	require.Equal(t, "1.5 ms", millis(150*time.Millisecond, 100), "a share of what all took")
	require.Equal(t, "47.5 MiB", mebibytes(47<<20+1<<19))
	require.Equal(t, "0.1", per(7, 100))
}

func TestTrace(t *testing.T) {
	mine := Request{At: at(3), Client: "sluice", Verb: "patch", Resource: "canaries/status", Namespace: key(0).Namespace, Name: key(0).Name, Code: 200}
	generated, other, elsewhere := mine, mine, mine
	generated.Name = ""
	other.Name = key(1).Name
	elsewhere.Namespace = key(10).Namespace
	lines := trace([]Request{mine, generated, other, elsewhere}, at(1))
	require.Len(t, lines, 2, "the first Canary's own, and those whose object got its name later")
	require.Regexp(t, `^ +2\.000  sluice +patch +canaries/status +app-0 +200$`, lines[0])
}
