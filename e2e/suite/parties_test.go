package suite

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

// order is some requests for a path of podinfo's, and what it answers to them.
type order struct {
	to           string // address without a path
	path         string
	many, status int
	least        time.Duration // that an answer takes
}

// party is a workload, what is asked of it, and how.
type party struct {
	workload string
	orders   []order
	send     func(order) []time.Duration
	took     []reply
}

// reply is how long an answer took at least, because podinfo waits, and at most, because its client had it by then.
type reply struct{ least, most time.Duration }

func (p *party) total() float64 { return sum(p.orders) }

// good is how many requests the built-in metrics take for successes: all but those answered by 5xx.
func (p *party) good() float64 {
	failed := func(o order) bool { return o.status >= http.StatusInternalServerError }
	return sum(slices.DeleteFunc(slices.Clone(p.orders), failed))
}

func sum(orders []order) (n float64) {
	for _, o := range orders {
		n += float64(o.many)
	}
	return n
}

// within is how many answers took no longer than a bound, in milliseconds: at least, and at most.
func (p *party) within(bound float64) (from, to float64) {
	for _, r := range p.took {
		if milliseconds(r.most+slack) <= bound {
			from++
		}
		if milliseconds(r.least) < bound {
			to++
		}
	}
	return from, to
}

// slowest is between which bounds the answer lies that is slower than 99 of 100: with fewer than that the last.
func (p *party) slowest(bounds []float64) (from, to float64) {
	var least, most time.Duration
	for _, r := range p.took {
		least, most = max(least, r.least), max(most, r.most+slack)
	}
	for _, b := range bounds {
		if b <= milliseconds(least) {
			from = b
		}
	}
	return from, bounds[slices.IndexFunc(bounds, func(b float64) bool { return b >= milliseconds(most) })]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// ask sends everything once, and keeps how long it took.
func (p *party) ask() {
	p.took = nil
	for _, o := range p.orders {
		for _, took := range p.send(o) {
			p.took = append(p.took, reply{least: o.least, most: took})
		}
	}
}

func (s *scene) primaryAsked() *party {
	to := s.gateway
	return &party{workload: "podinfo-primary", send: s.fromOutside, orders: []order{
		{to: to, path: "/status/200", many: 56, status: 200},
		{to: to, path: "/status/404", many: 20, status: 404}, // the user's fault
		{to: to, path: "/status/500", many: 4, status: 500},
	}}
}

func (s *scene) canaryAsked() *party {
	canary, web := "http://podinfo-canary."+s.namespace+":9898", "http://web."+s.namespace
	return &party{workload: "podinfo", send: s.fromPod, orders: []order{
		{to: canary, path: "/status/200", many: 10, status: 200},
		{to: canary, path: "/delay/1", many: 20, status: 200, least: time.Second},
		{to: canary, path: "/status/503", many: 6, status: 503},
		{to: web, path: "/status/200", many: 10, status: 200},
		{to: web, path: "/status/500", many: 4, status: 500},
	}}
}

// reached says that all addresses lead to podinfo by now.
func (p *party) reached() bool {
	return !slices.ContainsFunc(p.orders, func(o order) bool {
		took := p.send(order{to: o.to, path: "/status/200", many: 1})
		return len(took) == 0 || took[0] == 0
	})
}

// fromOutside asks one after the other. The time is zero where the answer is not the one wanted, if one is.
func (s *scene) fromOutside(o order) []time.Duration {
	s.t.Helper()
	var all []time.Duration
	for range o.many {
		began := time.Now()
		status := s.fetch(o.to + o.path)
		all = append(all, s.timed(o, status, time.Since(began)))
	}
	return all
}

// timed wants the status of an order, and while there is none takes success for the only answer.
func (s *scene) timed(o order, status int, took time.Duration) time.Duration {
	s.t.Helper()
	if o.status == 0 && status != http.StatusOK {
		return 0
	}
	require.Equal(s.t, cmp.Or(o.status, http.StatusOK), status, "%s%s", o.to, o.path)
	return took
}

// fetch is what is answered to this scene's host; zero: nothing.
func (s *scene) fetch(url string) int {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, url, nil)
	require.NoError(s.t, err)
	r.Host = s.host()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body) // so that the connection is used again
	return resp.StatusCode
}

// fromPod asks ten at a time, in the pod of the load tester.
func (s *scene) fromPod(o order) []time.Duration {
	s.t.Helper()
	out, err := s.Quiet(s.t.Context(), "exec", "-n", "test", "deployment/flagger-loadtester", "--",
		"curl", "-s", "--parallel", "--parallel-max", "10", "-o", "/dev/null", "-w", `%{http_code} %{time_total}\n`,
		fmt.Sprintf("%s%s?[1-%d]", o.to, o.path, o.many))
	if err != nil && o.status == 0 {
		return nil
	}
	require.NoError(s.t, err)
	var all []time.Duration
	for line := range strings.Lines(out) {
		code, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		status, _ := strconv.Atoi(code)
		seconds, err := strconv.ParseFloat(text, 64)
		require.NoError(s.t, err, line)
		all = append(all, s.timed(o, status, time.Duration(seconds*float64(time.Second))))
	}
	require.Len(s.t, all, o.many, out)
	return all
}
