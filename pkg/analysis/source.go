package analysis

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/metric"
	"github.com/sluice-cd/sluice/pkg/outbound"
	"github.com/sluice-cd/sluice/pkg/rollout"
)

// File source.go finds out whom a metric is asked of, and renders its query.

// defaultInterval is how far a metric looks back that does not say.
const defaultInterval = "1m"

// source is whom a metric is asked of, and what.
type source struct {
	canary   *v1beta1.Canary
	metric   v1beta1.CanaryMetric
	provider string // of the traffic
	kind     *kind
	system   metric.Provider
	template string // of the query
	promql   bool   // the system understands PromQL
	secrets  outbound.Secrets
	window   *rollout.Window // whose events a comparison counts; nil: it is none
	at       time.Time       // that a single value is asked about; zero: now

	vendor string              // of the system: prometheus
	failed func(vendor string) // hears of a query that came to nothing
}

// setupError keeps a metric from being asked.
type setupError struct {
	text  string
	final bool // the Canary has to be changed: no policy makes anything else of it than a failure
}

// Error is the whole message: what a metric is told as is an interface, and has no prefix.
func (s *setupError) Error() string { return s.text }

// source finds whom to ask. A template goes before a query, and that before what is built in.
func (a *Analyst) source(ctx context.Context, r *round, c *v1beta1.Canary, q rollout.Question) (*source, error) {
	m := *q.Metric
	s := &source{canary: c, metric: m, window: q.Window, at: a.at, provider: a.Meter(c), kind: kindOf(m), vendor: "prometheus", failed: a.Failed}
	switch {
	case m.TemplateRef != nil:
		return s, a.refer(ctx, r, s)
	case s.kind == nil:
		// It has to have one, to be spoken of.
		s.kind = &inline
		return s, &setupError{text: "Metric query failed for no usable metrics template and query were configured: " + m.Name, final: true}
	}
	s.template = m.Query
	if s.template == "" {
		builtin, err := s.builtin()
		if err != nil {
			return s, &setupError{text: s.kind.failed(m, err), final: true}
		}
		s.template = builtin
	}
	address := cmp.Or(c.Spec.MetricsServer, a.MetricsServer)
	ask := a.pool.Prometheus
	if address == a.MetricsServer {
		ask = a.pool.Own
	}
	server, err := ask(address)
	if err != nil {
		return s, &setupError{text: fmt.Sprintf("Error building Prometheus client for %s %v", shown(address), err), final: true}
	}
	s.system, s.promql = server, true
	s.countExactly()
	// An error of the client may repeat the address, and so may the server's answer.
	s.secrets.AddURL(address)
	return s, nil
}

// countExactly has a comparison count what is in its window, and nothing else.
func (s *source) countExactly() {
	if s.window != nil && s.promql {
		s.template = metric.Exact(s.template)
	}
}

// shown is an address without its secrets.
func shown(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "the metrics server"
	}
	var secrets outbound.Secrets
	secrets.AddURL(address)
	return secrets.Hide((&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String())
}

// builtin is what a metric without a query of its own asks for: a number to judge, or what that is computed from.
func (s *source) builtin() (string, error) {
	if s.window != nil {
		return metric.BuiltinSamples(s.provider, s.metric.Name)
	}
	return metric.Builtin(s.provider, s.metric.Name)
}

// refer fills in what the metric's template says.
func (a *Analyst) refer(ctx context.Context, r *round, s *source) error {
	ref := *s.metric.TemplateRef
	// Filled in first: it is part of the key by which the round shares a template.
	ref.Namespace = cmp.Or(ref.Namespace, s.canary.Namespace)
	if ref.Namespace != s.canary.Namespace {
		if err := foreignWords(s.vars(s.canary.Spec.TargetRef.Name)); err != nil {
			return &setupError{text: fmt.Sprintf("Metric template %s.%s error: %v", ref.Name, ref.Namespace, err), final: true}
		}
	}
	e, err := r.once(ref, func() (*entry, error) { return a.look(ctx, s.canary, ref) })
	if err != nil {
		return &setupError{text: fmt.Sprintf("Metric template %s.%s %v", ref.Name, ref.Namespace, err)}
	}
	spec := e.template.Spec
	s.vendor = string(spec.Provider.Type)
	s.template, s.secrets, s.promql = spec.Query, e.secrets, spec.Provider.Type == "prometheus"
	s.countExactly()
	if spec.Provider.Type == "job" {
		s.kind = &work
	}
	// At each round, since a template may change at any time without its Canaries.
	if err := metric.Check(spec); err != nil {
		return s.unmade(ref, spec, err)
	}
	if s.system, err = metric.New(spec.Provider, a.settings(ctx, s, e)); err != nil {
		return s.unmade(ref, spec, err)
	}
	return nil
}

// unmade is about a template that no monitoring system can be made of.
// It is not final: what is wrong with a template or its Secret can be mended without the Canary.
func (s *source) unmade(ref v1beta1.CrossNamespaceRef, spec v1beta1.MetricTemplateSpec, err error) error {
	return &setupError{text: fmt.Sprintf("Metric template %s.%s provider %s error: %v", ref.Name, ref.Namespace, spec.Provider.Type, err)}
}

// settings are what a monitoring system needs to know beside its address.
func (a *Analyst) settings(ctx context.Context, s *source, e *entry) metric.Settings {
	vars := s.vars(s.canary.Spec.TargetRef.Name)
	var job []byte
	if raw := e.template.Spec.Job; raw != nil {
		job = raw.Raw
	}
	return metric.Settings{
		Secret:     e.secret,
		Interval:   lookback(vars.Interval),
		Namespace:  s.canary.Namespace,
		Vars:       vars,
		Web:        e.template.Spec.Web,
		Quote:      e.template.Spec.QuoteAnswers,
		Job:        s.job(job), // without one in the template as well: an Analysis of keptn belongs to a round too
		Cluster:    a.Cluster,
		Waiting:    func() { leaveSlot(ctx) },
		Pool:       a.pool,
		Now:        a.now,
		Identity:   a.Identity,
		Restricted: a.RestrictJobs,
		Local:      a.Local,
	}
}

// lookback reads an interval, for systems that look back by themselves. Of one that is text for a query, `5min`, the
// beginning says the same: the schema wants a number and a unit.
func lookback(text string) time.Duration {
	if d, err := time.ParseDuration(text); err == nil {
		return d
	}
	d, err := time.ParseDuration(text[:1+strings.IndexAny(text, "hms")])
	if err != nil { // from before the schema
		return 0
	}
	return d
}

// job names what a round has made in the cluster, a Job or an Analysis: the same for as long as this check is not
// decided, so that one which was broken off by a restart of the operator is found again and not run twice.
func (s *source) job(template []byte) metric.Job {
	c := s.canary
	due := ""
	if c.Status.NextCheck != nil {
		due = c.Status.NextCheck.UTC().Format(time.RFC3339Nano)
	}
	return metric.Job{
		Template: template,
		Name:     label(c.Name + "-" + s.metric.Name),
		// NextCheck moves with each check that was decided. The revision is in it, since a new one begins anew.
		Round:  strings.Join([]string{string(c.UID), s.metric.Name, c.Status.LastAppliedSpec, due}, " "),
		Labels: map[string]string{"app.kubernetes.io/managed-by": "sluice"},
		Owner:  &metav1.OwnerReference{APIVersion: v1beta1.GroupVersion.String(), Kind: "Canary", Name: c.Name, UID: c.UID},
	}
}

// label leaves of a text what the name of an object may have.
func label(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(text))
}

// query is what to ask about one workload.
func (s *source) query(target string) (string, error) {
	text, err := s.render(target)
	if err == nil {
		return text, nil
	}
	if ref := s.metric.TemplateRef; ref != nil {
		return "", &setupError{
			text:  fmt.Sprintf("Metric template %s.%s query render error: %v", ref.Name, cmp.Or(ref.Namespace, s.canary.Namespace), err),
			final: true,
		}
	}
	return "", &setupError{text: s.kind.failed(s.metric, err), final: true}
}

// render fills the words of the query in.
func (s *source) render(target string) (string, error) {
	return metric.Render(s.template, s.vars(target))
}

// vars are the words of the interface. Ingress and route are called like the target where the Canary names none; the
// route of a Service of Knative's is the revision of the side, as its proxies count by revision.
func (s *source) vars(target string) metric.Vars {
	c := s.canary
	backend, revision := c.CanaryName(), c.Status.LastAppliedSpec
	if target == c.PrimaryWorkload() {
		backend, revision = c.PrimaryName(), c.Status.LastPromotedSpec
	}
	v := metric.Vars{
		Name:      c.Name,
		Namespace: c.Namespace,
		Target:    target,
		Kind:      c.Spec.TargetRef.Kind,
		Service:   c.ApexName(),
		Backend:   backend,
		Ingress:   c.Spec.TargetRef.Name,
		Route:     c.Spec.TargetRef.Name,
		Interval:  s.interval(),
		Variables: s.metric.TemplateVariables,
	}
	if ref := c.Spec.IngressRef; ref != nil {
		v.Ingress = ref.Name
	}
	if ref := c.Spec.RouteRef; ref != nil {
		v.Route = ref.Name
	}
	if name, ok := strings.CutPrefix(revision, rollout.RevisionPrefix); ok && c.Spec.TargetRef.Kind == "Service" {
		v.Route = name
	}
	return v
}

// interval is how far a query looks back, as PromQL writes it.
func (s *source) interval() string {
	if w := s.window; w != nil {
		return fmt.Sprintf("%ds", int64(w.End.Sub(w.Begin).Seconds()))
	}
	return cmp.Or(s.metric.Interval, defaultInterval)
}

// Meter is the provider whose series tell of a Canary's traffic. In a mesh of Linkerd's that is Linkerd, also of those
// whose requests an ingress or a gateway divides: its Prometheus has no other series.
func (a *Analyst) Meter(c *v1beta1.Canary) string {
	if a.Provider == "linkerd" {
		return a.Provider
	}
	return cmp.Or(c.Spec.Provider, a.Provider)
}
