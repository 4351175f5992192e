package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-cd/sluice/pkg/analysis"
	"github.com/sluice-cd/sluice/pkg/outbound"
)

// replay is what the flags of simulate say about a time that has passed.
type replay struct {
	on         bool
	prometheus string
	at         string
}

func (r *replay) flags(c *cobra.Command) {
	f := c.Flags()
	f.BoolVar(&r.on, "replay", false, "Ask --prometheus whether each metric would have passed at the time --at; end with 1 if one would not")
	f.StringVar(&r.prometheus, "prometheus", "", "Address of the Prometheus that --replay asks, for templates as well")
	f.StringVar(&r.at, "at", "", "Time that --replay asks about, as 2026-03-01T14:00:00Z; empty: now")
}

// given refuses flags that would have no effect.
func (r *replay) given(c *cobra.Command) error {
	without, why := []string{"prometheus", "at"}, "needs --replay"
	if r.on {
		without, why = []string{"with", "script", "expect", "max-time", "replicas"}, "does nothing with --replay"
	}
	for _, name := range without {
		if c.Flags().Changed(name) {
			return fmt.Errorf("--%s %s", name, why)
		}
	}
	return nil
}

// replayed is what came of the metrics of one Canary.
type replayed struct {
	Canary  string              `json:"canary"`
	At      time.Time           `json:"at"`
	Metrics []analysis.Replayed `json:"metrics"`
}

func (s *simulation) runReplay(c *cobra.Command) error {
	at, err := s.replay.time(time.Now())
	if err != nil {
		return usageError{err}
	}
	if s.output != "table" && s.output != "json" {
		return usageError{fmt.Errorf("-o %q is neither table nor json, which --replay writes", s.output)}
	}
	plans, err := s.plans(c)
	if err != nil {
		return err
	}
	all, failed := []replayed{}, false
	for _, p := range plans {
		a := analysis.New(s.replay.prometheus, s.o.Provider)
		a.Library = p
		r := replayed{p.Canary.Name + "." + p.Canary.Namespace, at, a.Replay(c.Context(), p.Canary, p.Plan.Interval, at)}
		if r.Metrics == nil {
			r.Metrics = []analysis.Replayed{} // a list, for whoever reads it
		}
		all = append(all, r)
		failed = failed || r.failed() > 0
	}
	if err := writeReplays(c.OutOrStdout(), s.output, all); err != nil {
		return err
	}
	if failed {
		return errFound
	}
	return nil
}

// time reads --at, and looks at --prometheus.
func (r *replay) time(now time.Time) (time.Time, error) {
	if r.prometheus == "" {
		return now, errors.New("--prometheus is missing: name the address of the server that --replay asks")
	}
	if _, err := outbound.ParseURL(r.prometheus); err != nil {
		return now, fmt.Errorf("the address of --prometheus %w", err)
	}
	if r.at == "" {
		return now.UTC().Truncate(time.Second), nil
	}
	at, err := time.Parse(time.RFC3339, r.at)
	if err != nil {
		return now, fmt.Errorf("--at %q is no time such as 2026-03-01T14:00:00Z", r.at)
	}
	if at.After(now) {
		return now, fmt.Errorf("--at %s has not passed yet", r.at)
	}
	return at, nil
}

// failed is how many metrics would have failed a check, or could not be asked for.
func (r replayed) failed() int {
	n := 0
	for _, m := range r.Metrics {
		if m.Result == analysis.ReplayUnanswered || m.Result == analysis.ReplayFailed && !m.DryRun {
			n++
		}
	}
	return n
}

func writeReplays(w io.Writer, format string, all []replayed) error {
	if format == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false) // queries have < and >
		return e.Encode(all)
	}
	for i, r := range all {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if err := r.table(w); err != nil {
			return err
		}
	}
	return nil
}

// table is for people: a line for each metric, then what was asked, and why it did not pass.
func (r replayed) table(w io.Writer) error {
	fmt.Fprintf(w, "%s at %s: %d of %d metrics would not have passed\n\n", r.Canary, r.At.Format(time.RFC3339), r.failed(), len(r.Metrics))
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(columns, "METRIC\tRESULT\tVALUE\tLIMIT")
	for _, m := range r.Metrics {
		result := string(m.Result)
		if m.DryRun {
			result += " (dry run)"
		}
		fmt.Fprintf(columns, "%s\t%s\t%s\t%s\n", m.Metric, result, orDash(m.Value), orDash(m.Limit))
	}
	if err := columns.Flush(); err != nil {
		return err
	}
	for _, m := range r.Metrics {
		fmt.Fprintf(w, "\n%s\n", m.Metric)
		if m.Query != "" {
			fmt.Fprintf(w, "    query  %s\n", m.Query)
		}
		if m.Why != "" {
			fmt.Fprintf(w, "    why    %s\n", m.Why)
		}
	}
	return nil
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
