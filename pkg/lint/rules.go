package lint

// Rule is one thing that manifests are held to.
type Rule struct {
	Name    string
	Level   Level
	Summary string
	Advice  string // what to do where a finding does not say it better
}

// Rules are all there are: what keeps a file from being read, then what the API server would say, then what the operator
// would, then what shows only in a rollout.
func Rules() []Rule {
	return []Rule{
		{"file-size", Error, "A file is too large to be read", "Split it, or leave it out of the folder"},
		{"helm-template", Error, "A file is a template of Helm's, and no manifest", "Render it first: helm template CHART | kubectl sluice lint -f -"},
		{"yaml-syntax", Error, "A file is no YAML", "Mend the line; often an indentation or a quote"},
		{"yaml-aliases", Error, "Aliases make a document too large", "Write the repeated parts out, or fewer of them"},
		{"yaml-duplicate-key", Error, "A key is there twice", "Remove one of the two: which one counts depends on who reads it"},
		{"object-twice", Error, "A file has an object twice", "Remove one of them: the second overwrites the first"},
		{"object-name", Error, "An object's name cannot be used", "Give it a name of small letters, digits, - and ."},

		{"api-version", Error, "A kind of this API in a version that there is not", "Use apiVersion: flagger.app/v1beta1"},
		{"schema", Error, "The schema refuses a field", "See docs/reference for what is allowed"},
		{"schema-rule", Error, "A rule of the schema refuses a combination", "See docs/reference for what goes together"},
		{"unknown-field", Error, "A field is not part of the API", "Correct its name: the API server drops it, and nothing follows it"},
		{"exported", Warning, "A manifest was exported from a cluster", "Remove status, and what the API server has put into metadata"},

		{"provider", Error, "The provider is not known", "Name one of docs/providers"},
		{"provider-cannot", Error, "The provider cannot do what the Canary asks for", "Leave the field out, or choose another provider"},
		{"route", Error, "No routes can be made of the Canary", "See the page of the provider in docs/providers"},
		{"compile", Error, "The operator cannot follow the spec", "Correct the field: the condition Valid would be False, and nothing rolled out"},
		{"field-ignored", Warning, "A field has no effect", "Remove it, or what overrules it"},
		{"strategy-adjusted", Warning, "The spec is followed in another way than it says", "Write what is meant"},

		{"condition", Error, "A condition does not compile", "Correct the CEL expression: result is a number, or a list of numbers"},
		{"query-template", Error, "A query cannot be rendered", "Correct the template: see docs/operations/templates.md for its functions"},
		{"template-variable", Error, "A metric does not give its template a variable", "Add it to the metric's templateVariables"},
		{"promql", Error, "A query is no PromQL", "Correct it: every check would fail"},
		{"metric-template", Error, "A MetricTemplate cannot be asked", "See docs/reference/metrictemplate.md for what its provider needs"},
		{"alert-template", Error, "The text of an AlertProvider cannot be rendered", "Correct it: messages would have their default text"},
		{"webhook-url", Error, "A webhook has no address that can be asked", "Give a URL with http:// or https:// and a host"},
		{"metric-limit", Warning, "A limit is in another unit than the metric, or at the wrong end", "Set thresholdRange: percent for request-success-rate, milliseconds for request-duration"},
		{"metric-delay", Warning, "A metric is first asked when the rollout could have ended", "Shorten its initialDelay, or make the steps longer"},
		{"metric-never-asked", Warning, "A metric judges no step", "Name it in the metrics of a step, or remove it"},
		{"comparison-never-made", Warning, "A comparison is never made", "Remove baseline, or add a step below 100 %"},
		{"query-counts", Warning, "A query does not count what it seems to", "Write the query as the finding says"},
		{"interval-scrape", Warning, "A query looks back over less than two scrapes", "Make the metric's interval at least twice the scrape interval: rate and increase need two samples"},
		{"interval-minimum", Warning, "The interval is below 10s", "Set 10s or more"},
		{"gate-deadline", Warning, "Nothing but a person ends a wait", "Give it an end: pause.after with then, promotion.autoAfter; instead of a gate, a step with a pause"},
		{"deadline-short", Error, "Pods need longer to become ready than the deadline is", "Raise progressDeadlineSeconds: every rollout would be rolled back"},

		{"target-missing", Error, "The files do not have the target", "Correct targetRef, or add the workload"},
		{"autoscaler-missing", Error, "The files do not have the autoscaler", "Correct autoscalerRef, or add the autoscaler"},
		{"template-missing", Error, "The files do not have a MetricTemplate", "Correct templateRef, or add the MetricTemplate"},
		{"alert-provider-missing", Error, "The files do not have an AlertProvider", "Correct providerRef, or add the AlertProvider"},
		{"route-source-missing", Error, "The files do not have the object that routes are made from", "Correct the reference, or add the object"},
		{"cross-namespace", Error, "A reference leads to another namespace", "Move the object: the operator runs with -no-cross-namespace-refs"},
		{"autoscaler-target", Error, "The autoscaler scales something else than the target", "Let its scaleTargetRef name the target; the primary gets a copy"},
		{"autoscaler-unnamed", Warning, "An autoscaler of the target is not named", "Add autoscalerRef: without it the primary, which serves users, is not scaled"},
		{"canaries-overlap", Error, "Two Canaries have one target, or one Service", "Keep one of them: they would undo each other's work"},
		{"made-by-operator", Warning, "A manifest has the name of an object that the operator makes", "Remove it from the files: the operator takes it over"},

		{"selector-labels", Error, "The two sides of a target cannot be told apart", "Add one of the labels to the target's selector and pods, or name yours by -selector-labels"},
		{"selector-mismatch", Error, "A target does not select its own pods", "Make selector.matchLabels a part of the template's labels"},
		{"replicas", Warning, "The target's manifest sets its size", "Leave spec.replicas out: it is 0 between rollouts, and each apply would start pods that nobody needs"},
		{"weight-unreachable", Warning, "A weight cannot be reached with so many pods", "Choose weights that are whole pods, or more replicas"},
		{"port-name", Error, "The target has no port of this name", "Name a port of its containers, or give the number"},
		{"gitops-owner", Warning, "The target belongs to a GitOps tool", "Change it where the tool reads it from: it undoes what kubectl apply does. It has to ignore /spec/replicas"},
	}
}

// ruleOf is the rule of a name.
func ruleOf(name string) Rule {
	for _, r := range Rules() {
		if r.Name == name {
			return r
		}
	}
	return Rule{Name: name, Level: Error}
}
