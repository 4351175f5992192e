package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/sluice-cd/sluice/pkg/notify"
	"github.com/sluice-cd/sluice/pkg/outbound"
)

// File options.go is the operator's command line. docs/operations/flags.md has all of it, and a test compares the two.

// options are the flags of the operator. Names are those that installations of this API already use, with
// one dash or two.
type options struct {
	kubeconfig, master    string
	qps                   float64
	burst                 int
	metricsServer         string
	provider              string
	ingressClass          string
	annotations           string
	namespace             string
	watchNamespaces       string
	watchLabels           string
	selectorLabels        string
	labelPrefix           string
	localRefs             bool
	ambient               bool
	allowAddresses        string
	restrictHosts         bool
	restrictJobs          bool
	clusterDomain         string
	threads               int
	port, securePort      int
	logLevel, logEncoding string
	leaderElection        bool
	leaderNamespace       string
	slackURL, slackToken  string
	slackProxy, slackUser string
	slackChannel          string
	teamsURL, teamsProxy  string
	eventURL, traceURL    string
	cluster, consoleURL   string
	console               consoleOptions
	runRecords            int
	settle                string
	showVersion           bool
	// Kept to be parsed: a flag that nobody knows ends the start.
	unused                  map[string]*string // flags that are taken and have nothing to set here
	configTracking, replace bool
}

// refused are flags whose feature this version lacks. Ignoring them would lose notices or change what is
// released, so the operator does not start with them.
// They are known all the same, so that the error says what is missing, and not that there is no such flag.
var refused = map[string]string{
	"kubeconfig-service-mesh": "a mesh on another cluster",
}

// harmless are flags that other operators of this API need and this one does not.
// Manifests and charts set them, and must not be changed for us.
var harmless = map[string]string{
	"control-loop-interval": "nothing is polled here; ignored",
}

func parse(args []string, env func(string) string, out io.Writer) (*options, error) {
	o := &options{unused: map[string]*string{}}
	f := flag.NewFlagSet("sluice", flag.ContinueOnError)
	// A set of its own: libraries add flags to the global one.
	f.SetOutput(out)
	o.process(f)
	o.release(f)
	o.alerts(f)
	o.console.flags(f)
	for name, what := range refused {
		o.unused[name] = f.String(name, "", "Not supported yet: "+what+".")
	}
	for name, what := range harmless {
		o.unused[name] = f.String(name, "", "Accepted: "+what+".")
	}
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	// The environment counts more than the flag, as other operators of this API have it: Secrets come by it.
	o.slackURL = cmp.Or(env("SLACK_URL"), o.slackURL)
	o.slackToken = cmp.Or(env("SLACK_TOKEN"), o.slackToken)
	o.slackProxy = cmp.Or(env("SLACK_PROXY_URL"), o.slackProxy)
	o.teamsURL = cmp.Or(env("MSTEAMS_URL"), o.teamsURL)
	o.teamsProxy = cmp.Or(env("MSTEAMS_PROXY_URL"), o.teamsProxy)
	o.eventURL = cmp.Or(env("EVENT_WEBHOOK_URL"), o.eventURL)
	if err := o.check(f.Args()); err != nil {
		return nil, err
	}
	return o, nil
}

// process are the flags about the API server and this process.
func (o *options) process(f *flag.FlagSet) {
	f.StringVar(&o.kubeconfig, "kubeconfig", "", "Path of a kubeconfig; only outside a cluster.")
	f.StringVar(&o.master, "master", "", "Address of the API server; overrides the kubeconfig's.")
	f.Float64Var(&o.qps, "kubeconfig-qps", 300, "Requests per second to the API server.")
	f.IntVar(&o.burst, "kubeconfig-burst", 750, "Requests to the API server at once.")
	f.StringVar(&o.namespace, "namespace", "", "Namespace to watch; empty: all.")
	f.StringVar(&o.watchNamespaces, "watch-namespaces", "", "Namespaces to watch, separated by commas, while other operators watch others; empty: all.")
	f.StringVar(&o.watchLabels, "watch-label-selector", "", "Labels of the Canaries to follow, while other operators follow others: team in (a,b); empty: all.")
	// Many, since most of a pass is waiting for the API server.
	f.IntVar(&o.threads, "threadiness", 128, "Canaries that are worked on at the same time.")
	f.IntVar(&o.port, "port", 8080, "Port of /metrics, /healthz and /readyz.")
	f.IntVar(&o.securePort, "metrics-secure-port", 0, "Port of /metrics over TLS, for tokens that may get /metrics; it is not on -port then. Zero: on -port, for everybody.")
	f.StringVar(&o.logLevel, "log-level", "info", "debug, info, warn or error.")
	f.StringVar(&o.logEncoding, "zap-encoding", "json", "json or console.")
	f.BoolVar(&o.replace, "zap-replace-globals", false, "Accepted; there are no global loggers here.")
	f.BoolVar(&o.leaderElection, "enable-leader-election", false, "Have one of several replicas work, the others wait.")
	f.StringVar(&o.leaderNamespace, "leader-election-namespace", "", "Namespace of the lease; empty: the one this runs in.")
	f.BoolVar(&o.showVersion, "version", false, "Print the version and end.")
}

// release are the flags about how Canaries are followed.
func (o *options) release(f *flag.FlagSet) {
	f.StringVar(&o.metricsServer, "metrics-server", "http://prometheus:9090", "Prometheus that is asked for metrics.")
	// Not Istio by default, as elsewhere: routes of a mesh that is not there would move nobody.
	f.StringVar(&o.provider, "mesh-provider", "", "Traffic provider of Canaries that name none; empty: what the cluster serves when this starts.")
	f.StringVar(&o.ingressClass, "ingress-class", "", "Ingress class of routes that are made for Contour.")
	f.StringVar(&o.annotations, "ingress-annotations-prefix", "nginx.ingress.kubernetes.io", "What the annotations of the nginx ingress controller begin with.")
	f.StringVar(&o.selectorLabels, "selector-labels", "app,name,app.kubernetes.io/name", "Labels that may tell a workload's pods, the first that is there.")
	f.StringVar(&o.labelPrefix, "include-label-prefix", "", "Prefixes of labels that the primary gets from the target; * for all.")
	f.BoolVar(&o.configTracking, "enable-config-tracking", true, "Take a change of a ConfigMap or Secret that a target uses for a new revision.")
	f.BoolVar(&o.localRefs, "no-cross-namespace-refs", false, "Refuse references to objects in other namespaces.")
	f.BoolVar(&o.ambient, "allow-ambient-credentials", true, "Use the operator's own credentials for metrics of CloudWatch, and of Cloud Monitoring without a key.")
	f.StringVar(&o.allowAddresses, "allow-addresses", "", "Loopback, link-local and metadata addresses that Canaries, MetricTemplates and AlertProviders may name: 127.0.0.1,169.254.20.0/24.")
	f.BoolVar(&o.restrictHosts, "restrict-hosts", false, "Refuse hosts, and gateways of other namespaces, that the Canary's Namespace does not list in the annotations sluice.dev/allowed-hosts and sluice.dev/allowed-gateways.")
	f.BoolVar(&o.restrictJobs, "restrict-jobs", false, "Refuse Jobs of MetricTemplates that contradict the Pod Security Standard restricted.")
	f.StringVar(&o.clusterDomain, "cluster-domain", "", "Domain that Services of the cluster have names in; empty: the one that this pod looks names up in, else cluster.local.")
	f.IntVar(&o.runRecords, "run-records-total", 5000, "CanaryRuns that there are at most when this starts; the oldest are deleted. Zero: any number.")
	f.StringVar(&o.settle, "settle", "2s", "How long proxies are given to take routes that they do not report on.")
}

// alerts are the flags about the operator's own channel, and about who else is told of rollouts.
func (o *options) alerts(f *flag.FlagSet) {
	f.StringVar(&o.slackURL, "slack-url", "", "Slack webhook of Canaries without alerts of their own; also SLACK_URL.")
	f.StringVar(&o.slackToken, "slack-token", "", "Token of a Slack bot; also SLACK_TOKEN.")
	f.StringVar(&o.slackProxy, "slack-proxy-url", "", "HTTP proxy on the way to Slack; also SLACK_PROXY_URL.")
	f.StringVar(&o.slackUser, "slack-user", "flagger", "Name that Slack messages are written under.")
	f.StringVar(&o.slackChannel, "slack-channel", "", "Slack channel.")
	f.StringVar(&o.teamsURL, "msteams-url", "", "Microsoft Teams webhook or workflow, instead of Slack; also MSTEAMS_URL.")
	f.StringVar(&o.teamsProxy, "msteams-proxy-url", "", "HTTP proxy on the way to Microsoft Teams; also MSTEAMS_PROXY_URL.")
	f.StringVar(&o.eventURL, "event-webhook", "", "Webhook that is told of events of Canaries without event hooks; also EVENT_WEBHOOK_URL.")
	f.StringVar(&o.traceURL, "trace-endpoint", "", "OpenTelemetry collector, over HTTP, that rollouts are written to as traces; empty: none.")
	f.StringVar(&o.cluster, "cluster-name", "", "Name of the cluster, said in every message.")
	f.StringVar(&o.consoleURL, "console-url", "", "Where the page of this operator is reached; what asks for an approval then has a link there: https://sluice.example.com.")
}

// check refuses what would otherwise be found by nothing happening. A word without a dash is a flag that lost it.
func (o *options) check(rest []string) error {
	if len(rest) > 0 {
		return fmt.Errorf("unexpected argument %q", rest[0])
	}
	// A flag that is given without a value asks for nothing.
	for name, what := range refused {
		if *o.unused[name] != "" {
			return fmt.Errorf("-%s: %s is not supported yet", name, what)
		}
	}
	if err := o.checkWatched(); err != nil {
		return err
	}
	if o.threads < 1 {
		return fmt.Errorf("-threadiness: %d is not a number above zero", o.threads)
	}
	if o.runRecords < 0 {
		return fmt.Errorf("-run-records-total: %d is below zero", o.runRecords)
	}
	if err := checkConsoleURL(o.consoleURL); err != nil {
		return err
	}
	if err := o.console.check(o.consoleURL); err != nil {
		return err
	}
	if _, err := o.addresses(); err != nil {
		return err
	}
	if len(o.labels()) == 0 {
		return errors.New("-selector-labels: no label is left to tell a workload's pods by")
	}
	return nil
}

// checkConsoleURL refuses what could be no link.
func checkConsoleURL(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return errors.New("-console-url: not an address such as https://sluice.example.com")
	}
	return nil
}

// notifier is the channel of Canaries without alerts of their own; nil: there is none.
func (o *options) notifier(threads *notify.Threads) (notify.Notifier, error) {
	switch {
	// Teams takes the place of Slack, as the interface has it.
	case o.teamsURL != "":
		return notify.New("msteams", notify.Options{Address: o.teamsURL, Proxy: o.teamsProxy})
	case o.slackURL != "" || o.slackToken != "":
		return notify.New("slack", notify.Options{
			Address: o.slackURL, Token: o.slackToken, Proxy: o.slackProxy, Channel: o.slackChannel, Username: o.slackUser, Threads: threads,
		})
	}
	return nil, nil
}

// addresses are where requests may go whose address is not the operator's own.
func (o *options) addresses() (*outbound.Addresses, error) {
	to, err := outbound.NewAddresses(list(o.allowAddresses))
	if err != nil {
		return nil, fmt.Errorf("-allow-addresses: %w", err)
	}
	return to, nil
}

func (o *options) labels() []string   { return list(o.selectorLabels) }
func (o *options) prefixes() []string { return list(o.labelPrefix) }

// list splits a list at its commas.
func list(text string) []string {
	var items []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// domain is what names of the cluster's Services end in.
func (o *options) domain() string {
	if o.clusterDomain != "" {
		return o.clusterDomain
	}
	text, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		return "cluster.local"
	}
	return searched(string(text))
}

// searched is the cluster's domain in a resolver's configuration: pods are given NAMESPACE.svc.DOMAIN, svc.DOMAIN and DOMAIN to
// search in.
func searched(text string) string {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] != "search" {
			continue
		}
		for _, word := range words[1:] {
			if domain, ok := strings.CutPrefix(word, "svc."); ok {
				return domain
			}
		}
	}
	return "cluster.local"
}

// leader is the namespace of the lease.
func (o *options) leader() string {
	// The watched namespace first: an operator of one namespace may have no rights elsewhere.
	return cmp.Or(o.namespace, o.leaderNamespace, home())
}

// home is the namespace this runs in, as every pod is told; outside a cluster the one of cluster services.
// Outside a cluster it is where other operators of this API have their lease by default.
func home() string {
	data, err := os.ReadFile("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
	if err != nil {
		return "kube-system"
	}
	return strings.TrimSpace(string(data))
}
