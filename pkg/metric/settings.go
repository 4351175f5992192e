package metric

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/outbound"
)

// Settings are what a provider needs to know beside its entry in a MetricTemplate.
type Settings struct {
	Secret     map[string][]byte // data of the Secret that the template names; nil: it names none
	Interval   time.Duration     // how far the metric looks back; zero: one minute
	Timeout    time.Duration     // of a query; zero: see New
	Namespace  string            // of the Canary
	Vars       Vars              // for the strings of Web and Job
	Web        *v1beta1.WebRequest
	Job        Job
	Cluster    Cluster          // asked by job, keptn and externalmetrics; nil: these are refused
	Waiting    func()           // told when a query only waits for what runs in the cluster; nil: nobody is
	Pool       *Pool            // nil: one of its own
	Now        func() time.Time // nil: time.Now
	Local      bool             // objects of other namespaces than the Canary's are refused
	Quote      bool             // what the server says is shown in errors
	Restricted bool             // Jobs are held to the Pod Security Standard restricted
	Identity   bool             // the operator's own credentials may be used where a template has none

	elsewhere bool // they are used at any address: for tests, whose servers are no vendor's
}

// The time that a query may take where neither Settings nor the template say.
const (
	answerTimeout = 10 * time.Second
	pollTimeout   = 5 * time.Minute // for what runs in the cluster
	longestAnswer = time.Minute     // that a template may ask for
)

// FieldError is a mistake in a template.
type FieldError struct {
	Field   string // as in `spec.provider.region`
	Problem string
}

func (e *FieldError) Error() string { return e.Field + " " + e.Problem }

// providerKind is a kind of monitoring system.
// What Check and New have to know of it is data, so that a template is refused before anybody is asked.
type providerKind struct {
	make    func(c config) (Provider, error)
	timeout time.Duration
	address string   // where it is if nobody says; empty with needAt: somebody has to
	needAt  bool     // it has an address
	needs   []string // keys that its Secret must have
	guest   bool     // it may do without a Secret
	region  bool     // it needs a region
	cluster bool     // it is asked through the Kubernetes API
	orAt    bool     // or through the same API at an address
}

// providerKinds are all there are. Default addresses and keys of Secrets are those that manifests of this API rely on.
func providerKinds() map[v1beta1.MetricProviderType]providerKind {
	return map[v1beta1.MetricProviderType]providerKind{
		"prometheus": {make: newPrometheus, timeout: defaultTimeout, needAt: true},
		"datadog": {make: newDatadog, needAt: true, address: "https://api.datadoghq.com",
			needs: []string{"datadog_api_key", "datadog_application_key"}},
		"cloudwatch": {make: newCloudwatch, region: true},
		"newrelic": {make: newNewRelic, needAt: true, address: "https://insights-api.newrelic.com",
			needs: []string{"newrelic_account_id", "newrelic_query_key"}},
		"graphite":    {make: newGraphite, needAt: true},
		"influxdb":    {make: newInflux, needAt: true, needs: []string{"token", "org"}, guest: true},
		"stackdriver": {make: newStackdriver, needAt: true, address: "https://monitoring.googleapis.com", needs: []string{"project"}},
		"dynatrace":   {make: newDynatrace, needAt: true, needs: []string{"dynatrace_token"}},
		"splunk":      {make: newSplunk, needAt: true, needs: []string{"sf_token_key"}},
		"web":         {make: newWeb, needAt: true},
		// keptn and job wait for something to run, and so have minutes.
		"keptn":           {make: newKeptn, timeout: pollTimeout, cluster: true},
		"job":             {make: newJob, timeout: pollTimeout, cluster: true},
		"externalmetrics": {make: newExternal, cluster: true, orAt: true},
	}
}

// Known are the types of providers, sorted.
func Known() []string {
	var names []string
	for name := range providerKinds() {
		names = append(names, string(name))
	}
	slices.Sort(names)
	return names
}

// Check says what a template lacks, as a *FieldError, without asking anybody.
// It tells the first mistake only.
func Check(t v1beta1.MetricTemplateSpec) error {
	p := t.Provider
	s, known := providerKinds()[p.Type]
	switch {
	case !known:
		return unknown(p.Type)
	case s.needAt && s.address == "" && p.Address == "":
		return lacks("spec.provider.address", p.Type)
	case s.region && p.Region == "":
		return lacks("spec.provider.region", p.Type)
	case len(s.needs) > 0 && !s.guest && p.SecretRef == nil:
		return lacks("spec.provider.secretRef", p.Type)
	case p.Type == "job" && t.Job == nil:
		return lacks("spec.job", p.Type)
	// A Job is all of its question, and a request may be its address alone.
	case p.Type != "job" && p.Type != "web" && strings.TrimSpace(t.Query) == "":
		return lacks("spec.query", p.Type)
	}
	if p.Address != "" {
		if _, err := outbound.ParseURL(p.Address); err != nil {
			return &FieldError{Field: "spec.provider.address", Problem: err.Error()}
		}
	}
	return checkWeb(t)
}

func lacks(field string, t v1beta1.MetricProviderType) error {
	return &FieldError{Field: field, Problem: fmt.Sprintf("is needed by provider %q", t)}
}

func unknown(t v1beta1.MetricProviderType) error {
	return &FieldError{Field: "spec.provider.type",
		Problem: fmt.Sprintf("%q is not one of %s", t, strings.Join(Known(), ", "))}
}

// config is all that a provider is made from.
type config struct {
	Settings
	spec    v1beta1.MetricProvider
	address string
	client  *http.Client
}

// New makes the provider that a template asks for. Its queries end within Settings.Timeout: left zero that
// is 5s for prometheus, 5m for job and keptn, and 10s for all others. Neither its own error nor those of
// its queries show what is in the Secret, in headers or in the credentials of the address.
func New(p v1beta1.MetricProvider, s Settings) (Provider, error) {
	kind, known := providerKinds()[p.Type]
	if !known {
		return nil, unknown(p.Type)
	}
	if kind.cluster && s.Cluster == nil && (p.Address == "" || !kind.orAt) {
		return nil, fmt.Errorf("%s is asked through the Kubernetes API, which is not at hand", p.Type)
	}
	// Here and not in Check: Secrets are read for each round, and may lack tomorrow what they have today.
	// A Secret with certificates alone is meant for them.
	guest := kind.guest && (p.SecretRef == nil || len(s.Secret[caKey]) > 0)
	for _, key := range kind.needs {
		if len(s.Secret[key]) == 0 && !guest {
			return nil, fmt.Errorf("%s: %w", p.Type, missingKey(p, key))
		}
	}
	// A provider has all of it, so that none needs a constructor with a list of arguments.
	c := config{Settings: s.filled(kind), spec: p, address: p.Address}
	if c.address == "" {
		// Where that is empty too, the SDK knows the endpoint of a region, or the cluster is asked.
		c.address = kind.address
	}
	// Before anything is made: what fails below may name what it was made from.
	secrets := SecretsOf(p, s.Secret)
	client, err := c.Pool.http(c.trust())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Type, err)
	}
	c.client = client
	made, err := kind.make(c)
	if err != nil {
		return nil, secrets.HideError(fmt.Errorf("%s: %w", p.Type, err))
	}
	return guard(guarded{next: made, name: string(p.Type), timeout: c.Timeout, secrets: secrets, quote: s.Quote}), nil
}

func (s Settings) filled(kind providerKind) Settings {
	if s.Timeout == 0 {
		s.Timeout = kind.timeout
	}
	// What a template says of its own request goes before the default, but behind what the caller says.
	if s.Timeout == 0 && s.Web != nil {
		s.Timeout, _ = webTimeout(s.Web) // newWeb says what is wrong with it
	}
	if s.Timeout == 0 {
		s.Timeout = answerTimeout
	}
	if s.Interval <= 0 {
		s.Interval = time.Minute
	}
	// For tests and for who asks once: connections end with the provider.
	if s.Pool == nil {
		s.Pool = NewPool(nil)
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	return s
}

func missingKey(p v1beta1.MetricProvider, key string) error {
	if p.SecretRef == nil {
		return fmt.Errorf("a secret with the key %q is needed", key)
	}
	return fmt.Errorf("secret %q has no key %q", p.SecretRef.Name, key)
}

// mayRead refuses what a query names in another namespace, by the flag that references have.
func (c config) mayRead(namespace string) error {
	if c.Local && namespace != c.Namespace {
		return fmt.Errorf("the query is about namespace %q, which --no-cross-namespace-refs forbids", namespace)
	}
	return nil
}

// secret is one value of the Secret. Files that people make Secrets of often end with a line break, which no header
// may have.
func (c config) secret(key string) string { return strings.TrimSpace(string(c.Secret[key])) }

// window is how far the systems are asked to look back that know points in time only: the newest point of
// a metric may be minutes old.
func (c config) window() (from, to time.Time) {
	to = c.Now()
	// Ten, as other operators of this API have it, so that templates find the same points. They then take the
	// oldest; we take the newest, since the oldest may be of the time before the rollout.
	return to.Add(-10 * c.Interval), to
}

// header is a copy of what the template wants to be sent along: the template's own belongs to a cache.
// To add a token to that map at each query would let it grow, and break when two Canaries do so at once.
func (c config) header() http.Header {
	h := http.Header{}
	for _, name := range slices.Sorted(maps.Keys(c.spec.Headers)) {
		for _, value := range c.spec.Headers[name] {
			h.Add(name, value)
		}
	}
	return h
}
