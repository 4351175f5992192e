package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-cd/sluice/pkg/lint"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/simulate"
)

// simulation is what the flags of simulate say.
type simulation struct {
	files    []string
	with     []string
	script   string
	expect   string
	output   string
	name     string
	maxTime  time.Duration
	replicas int32
	replay   replay
	o        lint.Options
}

func newSimulate() *cobra.Command {
	s := &simulation{}
	c := &cobra.Command{
		Use:   "simulate -f FILE|DIR|-",
		Short: "Play the rollout of a Canary before it is applied",
		Example: `  kubectl sluice simulate -f canary.yaml --with bad-at=30% --expect rolled-back --max-time 40m
  kubectl sluice simulate -f deploy/ --with flaky=2 --with slow-pods=90s -o mermaid
  kubectl sluice simulate -f deploy/ --replay --prometheus http://localhost:9090 --at 2026-03-01T14:00:00Z`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return s.run(c) },
	}
	f := c.Flags()
	f.StringArrayVarP(&s.files, "filename", "f", nil, "File, folder, or - for stdin; may be repeated. The target's manifest tells its size")
	f.StringSliceVar(&s.with, "with", []string{"good"}, "What the rollout meets: good, bad-at=30%, flaky=2, slow-pods=90s, no-data, closed-gate, new-revision-at=50%; may be repeated")
	f.StringVar(&s.script, "script", "", "File with a script, as in docs/development/tests.md, that is played instead")
	f.StringVar(&s.expect, "expect", "", "End with 1 if the rollout ends in another way: promoted, rolled-back or waits")
	f.DurationVar(&s.maxTime, "max-time", 0, "End with 1 if the rollout takes longer")
	f.StringVarP(&s.output, "output", "o", "table", "table or mermaid; of --replay table or json")
	f.StringVar(&s.name, "canary", "", "Name of the Canary, where the files have several; empty: all of them")
	f.Int32Var(&s.replicas, "replicas", 2, "Pods of a target whose size the files do not say")
	f.StringVar(&s.o.Provider, "provider", "istio", "Traffic provider of Canaries that name none, the operator's -mesh-provider")
	f.StringVarP(&s.o.Namespace, "namespace", "n", "default", "Namespace of objects that name none")
	s.replay.flags(c)
	return c
}

func (s *simulation) run(c *cobra.Command) error {
	if err := s.replay.given(c); err != nil {
		return usageError{err}
	}
	if s.replay.on {
		return s.runReplay(c)
	}
	circumstances, err := s.circumstances()
	if err != nil {
		return usageError{err}
	}
	plans, err := s.plans(c)
	if err != nil {
		return err
	}
	failed := false
	for i, p := range plans {
		if i > 0 {
			fmt.Fprintln(c.OutOrStdout())
		}
		if s.script != "" {
			if err := s.play(c, p); err != nil {
				return err
			}
			continue
		}
		forecast, err := simulate.Run(p.Plan, s.target(p), circumstances)
		if err != nil {
			return fmt.Errorf("%s: %w", p.File, err)
		}
		text := forecast.Table()
		if s.output == "mermaid" {
			text = forecast.Mermaid()
		}
		fmt.Fprint(c.OutOrStdout(), text)
		failed = s.unexpected(c, forecast) || failed
	}
	if failed {
		return errFound
	}
	return nil
}

// unexpected says what a forecast was not to be.
func (s *simulation) unexpected(c *cobra.Command, f *simulate.Forecast) bool {
	wrong := false
	if s.expect != "" && string(f.Outcome) != s.expect {
		fmt.Fprintf(c.ErrOrStderr(), "error: %s: expected %s, got %s\n", f.Name, s.expect, f.Outcome)
		wrong = true
	}
	if s.maxTime > 0 && f.Took > s.maxTime {
		fmt.Fprintf(c.ErrOrStderr(), "error: %s: takes %s, longer than %s\n", f.Name, f.Took, s.maxTime)
		wrong = true
	}
	return wrong
}

// plans are those of the Canaries that are asked for.
func (s *simulation) plans(c *cobra.Command) ([]lint.Planned, error) {
	if len(s.files) == 0 {
		return nil, usageError{errors.New("-f is missing: name files, folders, or - for stdin")}
	}
	l, err := lint.New(s.o)
	if err != nil {
		return nil, usageError{err}
	}
	read, err := lint.Read(s.files, c.InOrStdin())
	if err != nil {
		return nil, usageError{err}
	}
	all, err := l.Plans(read)
	if err != nil {
		return nil, err
	}
	var wanted []lint.Planned
	for _, p := range all {
		if s.name == "" || s.name == p.Canary.Name {
			wanted = append(wanted, p)
		}
	}
	if len(wanted) == 0 {
		return nil, usageError{errors.New("the files have no such Canary")}
	}
	return wanted, nil
}

func (s *simulation) target(p lint.Planned) simulate.Target {
	c := p.Canary
	size := p.Size
	if size == 0 {
		size = s.replicas
	}
	return simulate.Target{
		Names: rollout.Names{Namespace: c.Namespace, Canary: c.Name, Kind: c.Spec.TargetRef.Kind, Target: c.Spec.TargetRef.Name, Primary: c.PrimaryWorkload()},
		Size:  size, Most: p.Most, Recreates: p.Recreates,
	}
}

func (s *simulation) play(c *cobra.Command, p lint.Planned) error {
	script, err := os.ReadFile(s.script)
	if err != nil {
		return usageError{err}
	}
	transcript, err := simulate.PlayOn(p.Canary.Spec, p.Can, s.target(p), string(script))
	fmt.Fprint(c.OutOrStdout(), transcript)
	return err
}

// circumstances reads --with, and looks at the other flags.
func (s *simulation) circumstances() (c simulate.Circumstances, err error) {
	switch simulate.Outcome(s.expect) {
	case "", simulate.Promoted, simulate.RolledBack, simulate.Waits:
	default:
		return c, fmt.Errorf("--expect %q is not one of promoted, rolled-back, waits", s.expect)
	}
	if s.output != "table" && s.output != "mermaid" {
		return c, fmt.Errorf("-o %q is neither table nor mermaid", s.output)
	}
	for _, what := range s.with {
		name, value, _ := strings.Cut(what, "=")
		switch name {
		case "good":
		case "bad-at":
			c.BadAt, err = percent(value)
		case "new-revision-at":
			c.NewRevisionAt, err = percent(value)
		case "flaky":
			c.Flaky, err = strconv.Atoi(value)
		case "slow-pods":
			c.PodStart, err = time.ParseDuration(value)
		case "no-data":
			c.NoData = true
		case "closed-gate":
			c.ClosedGates = true
		default:
			err = errors.New("it is none of good, bad-at=30%, flaky=2, slow-pods=90s, no-data, closed-gate, new-revision-at=50%")
		}
		if err != nil {
			return c, fmt.Errorf("--with %s: %w", what, err)
		}
	}
	return c, nil
}

func percent(text string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSuffix(text, "%"))
	if err == nil && (n < 1 || n > 100) {
		err = errors.New("it is no percentage from 1% to 100%")
	}
	return n, err
}
