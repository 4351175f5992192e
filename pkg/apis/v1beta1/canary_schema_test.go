package v1beta1_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// plain is the least that a Canary can say.
const plain = `
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: podinfo, namespace: test}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}
  service: {port: 9898}
  analysis: {interval: 1m, threshold: 5, stepWeight: 10}
`

// edits are made to a manifest before it is sent: path to value, see set.
type edits map[string]string

func (e edits) applyTo(t *testing.T, obj map[string]any) map[string]any {
	t.Helper()
	for path, value := range e {
		set(t, obj, path, value)
	}
	return obj
}

func TestCanaryAccepted(t *testing.T) {
	cases := map[string]struct {
		reason string
		edits  edits
	}{
		"Plain":                {reason: "target, port and steps are enough"},
		"History":              {reason: "nothing need be kept, and much may be", edits: edits{"spec.history": "{limit: 0, records: 0, rollbackWindow: 30}"}},
		"StepWebhook":          {reason: "a step asks a service of its own", edits: edits{"spec.analysis": `{interval: 1m, threshold: 1, steps: [{weight: 0, webhook: {url: "http://a/", timeout: 90s, headers: {a: b}, secretRef: {name: s}, caBundle: YQ==, metadata: {c: d}}}]}`}},
		"StepPreview":          {reason: "an empty list is another thing than none", edits: edits{"spec.analysis": `{interval: 1m, threshold: 1, steps: [{weight: 10, previewMatch: [{headers: {x-a: {exact: b}}}]}, {weight: 20, previewMatch: []}]}`}},
		"RatioWithoutService":  {reason: "an application need not have a Service", edits: edits{"spec.service": "", "spec.provider": "kubernetes", "spec.analysis": "{interval: 1m, threshold: 1, replicaRatio: true, stepWeights: [20]}"}},
		"NoService":            {reason: "a Knative Service needs none generated", edits: edits{"spec.service": ""}},
		"ProviderVersion":      {reason: "the names with a version contain a colon", edits: edits{"spec.provider": `"gatewayapi:v1beta1"`}},
		"DaemonSet":            {reason: "a target may be a DaemonSet", edits: edits{"spec.targetRef.kind": "DaemonSet"}},
		"IntervalSeconds":      {reason: "seconds are the usual unit", edits: edits{"spec.analysis.interval": "10s"}},
		"IntervalBelowTen":     {reason: "less than 10s is raised by the operator, not refused", edits: edits{"spec.analysis.interval": "1s"}},
		"IntervalCompound":     {reason: "the pattern has always been open at the end", edits: edits{"spec.analysis.interval": "1m30s"}},
		"IntervalHours":        {reason: "an hour is as good as 60m", edits: edits{"spec.analysis.interval": "1h"}},
		"ThresholdZero":        {reason: "zero and less count as one", edits: edits{"spec.analysis.threshold": "0"}},
		"ThresholdNegative":    {reason: "zero and less count as one", edits: edits{"spec.analysis.threshold": "-1"}},
		"StepWeightOver100":    {reason: "what can't work is explained on the Canary, not refused", edits: edits{"spec.analysis.stepWeight": "120"}},
		"MaxWeightBelowStep":   {reason: "what can't work is explained on the Canary, not refused", edits: edits{"spec.analysis.maxWeight": "5"}},
		"StepWeights":          {reason: "steps may be listed", edits: edits{"spec.analysis.stepWeight": "", "spec.analysis.stepWeights": "[1, 5, 25]"}},
		"Iterations":           {reason: "checks may be counted", edits: edits{"spec.analysis.stepWeight": "", "spec.analysis.iterations": "10"}},
		"IterationsZero":       {reason: "that the field is there is what counts", edits: edits{"spec.analysis.stepWeight": "", "spec.analysis.iterations": "0"}},
		"SkipAnalysis":         {reason: "skipping still needs a plan to be written", edits: edits{"spec.skipAnalysis": "true"}},
		"DeadlineZero":         {reason: "a deadline had no lower bound", edits: edits{"spec.progressDeadlineSeconds": "0"}},
		"OldAutoscalerVersion": {reason: "manifests outlive versions", edits: edits{"spec.autoscalerRef": "{apiVersion: autoscaling/v2beta2, kind: HorizontalPodAutoscaler, name: podinfo}"}},
		"ScaledObject":         {reason: "KEDA's autoscaler is known", edits: edits{"spec.autoscalerRef": `{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, name: podinfo, primaryScalerQueries: {requests: "sum(rate(http_requests_total[1m]))"}, primaryScalerReplicas: {minReplicas: 1, maxReplicas: 4}}`}},
		"NamedTargetPort":      {reason: "a port may be called by name", edits: edits{"spec.service.targetPort": "http"}},
		"KnativePortZero":      {reason: "backups of Knative's have it, where no Service is generated", edits: edits{"spec.service.port": "0", "spec.provider": "knative", "spec.targetRef": "{apiVersion: serving.knative.dev/v1, kind: Service, name: podinfo}"}},
		"TargetPortZero":       {reason: "backups have it for one that was left out", edits: edits{"spec.service.targetPort": "0"}},
		"NumberedTargetPort":   {reason: "a port may be called by number", edits: edits{"spec.service.targetPort": "9898"}},
		"TrafficDistribution":  {reason: "the Service's own values", edits: edits{"spec.service.trafficDistribution": "PreferSameZone"}},
		"TrafficPolicy":        {reason: "Istio checks its own fields", edits: edits{"spec.service.trafficPolicy": "{loadBalancer: {simple: LEAST_REQUEST, warmup: {duration: 10s}}}"}},
		"MatchPresence":        {reason: "an empty comparison asks for presence", edits: edits{"spec.service.match": "[{headers: {x-canary: {}}}]"}},
		"MatchSuffix":          {reason: "A/B tests know suffixes", edits: edits{"spec.analysis.match": "[{headers: {user-agent: {suffix: Firefox}}, sourceLabels: {app: web}}]"}},
		"Parents":              {reason: "gatewayRefs may name a Service of the core group", edits: edits{"spec.service.gatewayRefs": `[{name: public}, {group: "", kind: Service, name: podinfo, port: 80}]`}},
		"MirrorService":        {reason: "a Service as mirror has a port", edits: edits{"spec.service.mirror": "[{backendRef: {name: shadow, port: 80}}]"}},
		"MirrorOtherKind":      {reason: "another kind may do without a port", edits: edits{"spec.service.mirror": "[{backendRef: {group: example.com, kind: Bucket, name: shadow}}]"}},
		"EmptyHookType":        {reason: "an empty type is rollout", edits: edits{"spec.analysis.webhooks": `[{name: load, type: "", url: "http://x/"}]`}},
		"EmptySeverity":        {reason: "an empty severity is info", edits: edits{"spec.analysis.alerts": `[{name: a, severity: "", providerRef: {name: on-call}}]`}},
		"OldMetric":            {reason: "threshold and query are still understood", edits: edits{"spec.analysis.metrics": "[{name: errors, threshold: 0.5, query: vector(1)}]"}},
		"Affinity":             {reason: "two cookies of different names", edits: edits{"spec.analysis.sessionAffinity": "{cookieName: a, primaryCookieName: b, sameSite: Lax}"}},
		"KnativeByFlag":        {reason: "the provider may come from the operator's flag", edits: edits{"spec.targetRef": "{apiVersion: serving.knative.dev/v1, kind: Service, name: podinfo}"}},
		"Knative":              {reason: "provider and target agree", edits: edits{"spec.provider": "knative", "spec.targetRef": "{apiVersion: serving.knative.dev/v1, kind: Service, name: podinfo}"}},
		"StatusOfBefore":       {reason: "a Canary that somebody else managed has a status already", edits: edits{"status": `{phase: "", failedChecks: 0, canaryWeight: 0, iterations: -1, conditions: [{type: Promoted, status: "True", reason: Succeeded, message: done, lastUpdateTime: "2026-01-01T00:00:00Z", lastTransitionTime: "2026-01-01T00:00:00Z"}]}`}},
	}
	api := serve(t, "canaries")
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, errs := api.create(t, tc.edits.applyTo(t, parse(t, plain)))
			require.Empty(t, errs, tc.reason)
		})
	}
}

// stepped is an analysis of listed steps.
func stepped(steps string) edits {
	return edits{"spec.analysis": "{interval: 1m, threshold: 1, steps: " + steps + "}"}
}

// manySteps are one more than a plan may list.
func manySteps() edits { return stepped("[" + strings.Repeat("{weight: 1}, ", 50) + "{weight: 1}]") }

func TestCanaryRefused(t *testing.T) {
	cases := map[string]struct {
		reason string
		edits  edits
		want   string
	}{
		"NoTarget":            {reason: "without a target there is nothing to do", edits: edits{"spec.targetRef": ""}, want: "spec.targetRef: Required"},
		"RecordsBelowZero":    {reason: "there is no such number", edits: edits{"spec.history": "{records: -1}"}, want: "spec.history.records"},
		"WindowTooLong":       {reason: "a status is no archive", edits: edits{"spec.history": "{rollbackWindow: 31}"}, want: "spec.history.rollbackWindow"},
		"NoAnalysis":          {reason: "a plan is part of every manifest", edits: edits{"spec.analysis": ""}, want: "spec.analysis: Required"},
		"NoTargetName":        {reason: "a reference has three parts", edits: edits{"spec.targetRef.name": ""}, want: "spec.targetRef.name: Required"},
		"NoPort":              {reason: "a Service has a port", edits: edits{"spec.service": "{name: podinfo}"}, want: "spec.service.port: Required"},
		"PortZero":            {reason: "no Service has that port", edits: edits{"spec.service.port": "0"}, want: "spec.service.port"},
		"PortBelowZero":       {reason: "nor is there such a port", edits: edits{"spec.service.port": "-1", "spec.provider": "knative", "spec.targetRef": "{apiVersion: serving.knative.dev/v1, kind: Service, name: podinfo}"}, want: "spec.service.port"},
		"PortTooBig":          {reason: "there is no such port", edits: edits{"spec.service.port": "70000"}, want: "spec.service.port"},
		"UnknownProvider":     {reason: "an unknown name is never a default", edits: edits{"spec.provider": "envoy"}, want: `spec.provider: Unsupported value: "envoy"`},
		"UnknownTarget":       {reason: "only these kinds are understood", edits: edits{"spec.targetRef.kind": "StatefulSet"}, want: "spec.targetRef.kind: Unsupported"},
		"UnknownAutoscaler":   {reason: "only these kinds are understood", edits: edits{"spec.autoscalerRef": "{apiVersion: v1, kind: Scaler, name: x}"}, want: "spec.autoscalerRef.kind: Unsupported"},
		"NoReplicas":          {reason: "an autoscaler keeps one pod at least", edits: edits{"spec.autoscalerRef": "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, name: x, primaryScalerReplicas: {minReplicas: 0}}"}, want: "minReplicas"},
		"WrongIngress":        {reason: "only an Ingress will do", edits: edits{"spec.ingressRef": "{apiVersion: v1, kind: Route, name: x}"}, want: "spec.ingressRef.kind: Unsupported"},
		"WrongRoute":          {reason: "only an ApisixRoute will do", edits: edits{"spec.routeRef": "{apiVersion: v1, kind: Route, name: x}"}, want: "spec.routeRef.kind: Unsupported"},
		"WrongUpstream":       {reason: "only an Upstream will do", edits: edits{"spec.upstreamRef": "{apiVersion: v1, kind: Route, name: x}"}, want: "spec.upstreamRef.kind: Unsupported"},
		"IntervalWithoutUnit": {reason: "sixty what?", edits: edits{"spec.analysis.interval": `"60"`}, want: "spec.analysis.interval"},
		"IntervalWords":       {reason: "not a time", edits: edits{"spec.analysis.interval": "often"}, want: "spec.analysis.interval"},
		"NoInterval":          {reason: "a plan has an interval", edits: edits{"spec.analysis.interval": ""}, want: "spec.analysis.interval: Required"},
		"NoThreshold":         {reason: "a plan has a threshold", edits: edits{"spec.analysis.threshold": ""}, want: "spec.analysis.threshold: Required"},
		"NoPlan":              {reason: "a plan has steps", edits: edits{"spec.analysis.stepWeight": ""}, want: "exactly one of"},
		"TwoPlans":            {reason: "which one?", edits: edits{"spec.analysis.iterations": "10"}, want: "exactly one of"},
		"FallingSteps":        {reason: "users are not taken from the canary again", edits: stepped("[{weight: 20}, {pause: {}}, {weight: 10}]"), want: "weights never fall"},
		"StepsOfOneName":      {reason: "which one?", edits: stepped("[{name: a, weight: 1}, {weight: 2}, {name: a, weight: 3}]"), want: "names of steps are unique"},
		"NoListedStep":        {reason: "a plan has steps", edits: stepped("[]"), want: "spec.analysis.steps"},
		"ManySteps":           {reason: "all of them are gone through in every pass", edits: manySteps(), want: "spec.analysis.steps: Too many"},
		"LongStepName":        {reason: "a name is read by people", edits: stepped("[{name: " + strings.Repeat("a", 64) + ", weight: 1}]"), want: "steps[0].name: Too long"},
		"TwoStepSizes":        {reason: "which one?", edits: stepped("[{weight: 1, replicas: 2, scale: 50}]"), want: "replicas and scale are two ways to say one thing"},
		"StepAboveAll":        {reason: "there are no more", edits: stepped("[{weight: 101}]"), want: "steps[0].weight"},
		"PauseBackInTime":     {reason: "nobody can wait for that", edits: stepped("[{weight: 1, pause: {after: -1m}}]"), want: "steps[0].pause.after"},
		"ThenWithoutAfter":    {reason: "a person ends it, and says how", edits: stepped("[{weight: 1, pause: {then: abort}}]"), want: "then needs after"},
		"StepWebhookNowhere":  {reason: "whom?", edits: stepped("[{weight: 1, webhook: {timeout: 10s}}]"), want: "steps[0].webhook.url: Required"},
		"StepsAndStepWeight":  {reason: "which ones?", edits: edits{"spec.analysis.steps": "[{weight: 1}]"}, want: "exactly one of"},
		"TwoKindsOfSteps":     {reason: "which ones?", edits: edits{"spec.analysis.stepWeights": "[10]"}, want: "exactly one of"},
		"WordAsWeight":        {reason: "a weight is a number", edits: edits{"spec.analysis.stepWeight": "ten"}, want: "spec.analysis.stepWeight"},
		"WrongDistribution":   {reason: "the Service would refuse it", edits: edits{"spec.service.trafficDistribution": "Nearest"}, want: "trafficDistribution: Unsupported"},
		"TwoComparisons":      {reason: "a text is compared in one way", edits: edits{"spec.service.match": "[{uri: {exact: /, prefix: /}}]"}, want: "spec.service.match[0].uri"},
		"TooManyParents":      {reason: "the Gateway API allows 32", edits: edits{"spec.service.gatewayRefs": manyParents()}, want: "spec.service.gatewayRefs: Too many"},
		"ParentWithoutName":   {reason: "a parent has a name", edits: edits{"spec.service.gatewayRefs": "[{kind: Gateway}]"}, want: "gatewayRefs[0].name: Required"},
		"MirrorWithoutPort":   {reason: "a Service is asked at a port", edits: edits{"spec.service.mirror": "[{backendRef: {name: shadow}}]"}, want: "a Service needs a port"},
		"MetricWithoutName":   {reason: "a metric has a name", edits: edits{"spec.analysis.metrics": "[{interval: 1m}]"}, want: "metrics[0].name: Required"},
		"MetricInterval":      {reason: "the interval of a metric has a unit", edits: edits{"spec.analysis.metrics": "[{name: x, interval: soon}]"}, want: "metrics[0].interval"},
		"TemplateWithoutName": {reason: "a reference has a name", edits: edits{"spec.analysis.metrics": "[{name: x, templateRef: {}}]"}, want: "templateRef.name: Required"},
		"HookWithoutURL":      {reason: "whom to ask?", edits: edits{"spec.analysis.webhooks": "[{name: x}]"}, want: "webhooks[0].url: Required"},
		"UnknownHook":         {reason: "there is no such moment", edits: edits{"spec.analysis.webhooks": `[{name: x, type: at-noon, url: "http://x/"}]`}, want: "webhooks[0].type: Unsupported"},
		"HookTimeout":         {reason: "a timeout has a unit", edits: edits{"spec.analysis.webhooks": `[{name: x, timeout: "5", url: "http://x/"}]`}, want: "webhooks[0].timeout"},
		"UnknownSeverity":     {reason: "there is no such severity", edits: edits{"spec.analysis.alerts": "[{name: a, severity: fatal, providerRef: {name: x}}]"}, want: "alerts[0].severity: Unsupported"},
		"AlertToNobody":       {reason: "an alert goes somewhere", edits: edits{"spec.analysis.alerts": "[{name: a}]"}, want: "alerts[0].providerRef: Required"},
		"CookieWithoutName":   {reason: "a cookie has a name", edits: edits{"spec.analysis.sessionAffinity": "{maxAge: 60}"}, want: "cookieName: Required"},
		"SameCookieTwice":     {reason: "one cookie can't keep a user on both", edits: edits{"spec.analysis.sessionAffinity": "{cookieName: a, primaryCookieName: a}"}, want: "primaryCookieName must differ"},
		"UnknownSameSite":     {reason: "browsers know three values", edits: edits{"spec.analysis.sessionAffinity": "{cookieName: a, sameSite: Never}"}, want: "sameSite: Unsupported"},
		"KnativeDeployment":   {reason: "Knative rolls out its own kind only", edits: edits{"spec.provider": "knative"}, want: "needs a Service of serving.knative.dev/v1"},
		"KnativeByIstio":      {reason: "only Knative can roll out its own kind", edits: edits{"spec.provider": "istio", "spec.targetRef": "{apiVersion: serving.knative.dev/v1, kind: Service, name: x}"}, want: "only be rolled out by provider knative"},
		"KnativeAutoscaler": {reason: "Knative scales by itself", edits: edits{"spec.targetRef": "{apiVersion: serving.knative.dev/v1, kind: Service, name: x}",
			"spec.autoscalerRef": "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, name: x}"}, want: "takes no autoscaler"},
		"UnknownPhase": {reason: "scripts know these phases", edits: edits{"status.phase": "Paused"}, want: "status.phase: Unsupported"},
	}
	api := serve(t, "canaries")
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, errs := api.create(t, tc.edits.applyTo(t, parse(t, plain)))
			require.ErrorContains(t, errs.ToAggregate(), tc.want, tc.reason)
		})
	}
}

func manyParents() string {
	list := "["
	for range 33 {
		list += "{name: public},"
	}
	return list + "]"
}

func TestEveryProviderOfTheContract(t *testing.T) {
	const reason = "manifests of every provider have to be accepted, whether it is built yet or not"
	api := serve(t, "canaries")
	for _, provider := range []string{
		"apisix", "appmesh", "appmesh:v1beta2", "contour", "gatewayapi:v1", "gatewayapi:v1beta1", "gloo",
		"istio", "kubernetes", "kuma", "linkerd", "nginx", "osm", "skipper", "smi:v1alpha1",
		"smi:v1alpha2", "smi:v1alpha3", "traefik",
	} {
		t.Run(provider, func(t *testing.T) {
			obj := edits{"spec.provider": `"` + provider + `"`}.applyTo(t, parse(t, plain))
			_, errs := api.create(t, obj)
			require.Empty(t, errs, reason)
		})
	}
}

func TestCanaryStored(t *testing.T) {
	cases := map[string]struct {
		reason string
		edits  edits
		want   edits
	}{
		"TrafficPolicy": {
			reason: "whatever Istio understands is kept word for word",
			edits:  edits{"spec.service.trafficPolicy": "{portLevelSettings: [{port: {number: 80}, tls: {mode: SIMPLE}}]}"},
			want:   edits{"spec.service.trafficPolicy": "{portLevelSettings: [{port: {number: 80}, tls: {mode: SIMPLE}}]}"},
		},
		"Parent": {
			reason: "a parent is a Gateway unless it says otherwise",
			edits:  edits{"spec.service.gatewayRefs": "[{name: public}]"},
			want:   edits{"spec.service.gatewayRefs": "[{group: gateway.networking.k8s.io, kind: Gateway, name: public}]"},
		},
		"Mirror": {
			reason: "a mirror is a Service unless it says otherwise",
			edits:  edits{"spec.service.mirror": "[{backendRef: {name: shadow, port: 80}}]"},
			want:   edits{"spec.service.mirror": `[{backendRef: {group: "", kind: Service, name: shadow, port: 80}}]`},
		},
		"Cookie": {
			reason: "a cookie lasts a day unless it says otherwise",
			edits:  edits{"spec.analysis.sessionAffinity": "{cookieName: a}"},
			want:   edits{"spec.analysis.sessionAffinity": "{cookieName: a, maxAge: 86400}"},
		},
		"OldField": {
			reason: "a field of neither this nor any other version is dropped",
			edits:  edits{"spec.canaryAnalysis": "{interval: 1m}"},
			want:   edits{"spec.canaryAnalysis": ""},
		},
	}
	api := serve(t, "canaries")
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, errs := api.create(t, tc.edits.applyTo(t, parse(t, plain)))
			require.Empty(t, errs)
			require.Equal(t, tc.want.applyTo(t, parse(t, plain)), got, tc.reason)
		})
	}
}
