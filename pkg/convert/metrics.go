package convert

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/sluice-cd/sluice/pkg/analysis"
	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// judge makes metrics of what an analysis names, and a MetricTemplate of each; it returns their names. Inline ones judge the steps
// alone that name them.
func (c *conversion) judge(refs *analysisRefs, inline bool) []string {
	var names []string
	for _, ref := range refs.Templates {
		t, ok := c.templates[ref.TemplateName]
		if !ok {
			c.note("spec.strategy", "the files do not have AnalysisTemplate %q: its metrics are left out", ref.TemplateName)
			continue
		}
		for i := range t.Spec.Metrics {
			if name := c.metric(&t, &t.Spec.Metrics[i], refs.Args, inline); name != "" {
				names = append(names, name)
			}
		}
	}
	return names
}

// metric makes one; empty: it has no counterpart.
func (c *conversion) metric(t *analysisTemplate, m *argoMetric, args []argument, inline bool) string {
	field := "AnalysisTemplate " + t.Name + " spec.metrics[" + m.Name + "]"
	values := c.arguments(t, args)
	template := t.Name
	if len(t.Spec.Metrics) > 1 {
		template += "-" + strings.ToLower(strings.NewReplacer("_", "-", " ", "-").Replace(m.Name))
	}
	used, ok := c.template(template, field, m, values)
	if !ok {
		return ""
	}
	name := m.Name
	for n := 2; c.known[name]; n++ {
		name = fmt.Sprintf("%s-%d", m.Name, n)
	}
	c.known[name] = true
	metric := map[string]any{"name": name, "templateRef": map[string]any{"name": template}}
	variables := map[string]any{}
	for _, key := range used {
		variables[word(key)] = values[key]
	}
	if len(variables) > 0 {
		metric["templateVariables"] = variables
	}
	if inline {
		metric["inline"] = true
	}
	c.limits(metric, field, m)
	for _, d := range t.Spec.DryRun {
		if matched, err := regexp.MatchString("^(?:"+d.MetricName+")$", m.Name); err == nil && matched {
			metric["dryRun"] = true
		}
	}
	c.metrics = append(c.metrics, metric)
	return name
}

// limits are what is accepted, and how often it is asked.
func (c *conversion) limits(metric map[string]any, field string, m *argoMetric) {
	if d, err := time.ParseDuration(m.Interval); err == nil && d > 0 {
		c.every = append(c.every, d)
	}
	if m.InitialDelay != "" {
		metric["initialDelay"] = m.InitialDelay
	}
	if m.SuccessCondition+m.FailureCondition == "" {
		unconditional(metric, m.Provider)
	}
	c.condition(metric, "successCondition", field, m.SuccessCondition)
	c.condition(metric, "failureCondition", field, m.FailureCondition)
	limit := 0
	if m.FailureLimit != nil {
		limit = m.FailureLimit.IntValue()
	}
	metric["failureLimit"] = limit
	if m.Count != nil && m.Count.IntValue() > 0 {
		metric["count"] = m.Count.IntValue()
	} else if m.Interval == "" {
		metric["count"] = 1
	}
	if m.ConsecutiveSuccessLimit != nil && m.ConsecutiveSuccessLimit.IntValue() > 0 {
		metric["consecutiveSuccessLimit"] = m.ConsecutiveSuccessLimit.IntValue()
	}
	if m.ConsecutiveErrorLimit != nil {
		c.note(field+".consecutiveErrorLimit", "becomes onError: wait, until the progress deadline")
	}
	metric["onError"] = "wait"
	if m.InconclusiveLimit != nil && m.InconclusiveLimit.IntValue() > 0 {
		c.note(field+".inconclusiveLimit", "has no counterpart: analysis.onInconclusive says what an inconclusive check does")
	}
}

// unconditional accepts what Argo accepts where nothing is said: a Job that succeeds, an answer without an error, any value.
func unconditional(metric map[string]any, provider map[string]map[string]any) {
	web, isWeb := provider["web"]
	switch {
	case provider["job"] != nil:
		metric["thresholdRange"] = map[string]any{"min": 1} // its success is the value 1
	case isWeb && text(web, "jsonPath") == "":
		metric["thresholdRange"] = map[string]any{"min": 200, "max": 299} // the status code is the value
	default:
		metric["successCondition"] = "true"
	}
}

// condition translates one, if it can be said in CEL.
func (c *conversion) condition(metric map[string]any, name, field, condition string) {
	if condition == "" {
		return
	}
	translated := cel(condition)
	if compiles(translated) != nil {
		c.note(field+"."+name, "%q cannot be said in CEL: write thresholdRange or a condition", condition)
		return
	}
	metric[name] = translated
}

// cel is a condition in CEL: a query with one value is a number.
func cel(condition string) string {
	text := strings.ReplaceAll(condition, "len(", "size(")
	if !strings.Contains(text, "size(") {
		text = strings.ReplaceAll(text, "result[0]", "result")
	}
	return strings.NewReplacer("asFloat(", "(", "asInt(", "(", " and ", " && ", " or ", " || ").Replace(text)
}

func compiles(condition string) error {
	c := &v1beta1.Canary{}
	c.Spec.Analysis = &v1beta1.CanaryAnalysis{Metrics: []v1beta1.CanaryMetric{{Name: "x", SuccessCondition: condition, Query: "vector(1)"}}}
	return analysis.Validate(c, "istio")
}

// rounds is how many checks an analysis makes.
func (c *conversion) rounds(refs *analysisRefs) int {
	most := 1
	for _, ref := range refs.Templates {
		for _, m := range c.templates[ref.TemplateName].Spec.Metrics {
			if m.Count != nil {
				most = max(most, m.Count.IntValue())
			}
		}
	}
	return most
}

// arguments are the values of a template's arguments, the Rollout's before its own.
func (c *conversion) arguments(t *analysisTemplate, args []argument) map[string]string {
	values := map[string]string{}
	for _, list := range [][]argument{t.Spec.Args, args} {
		for _, a := range list {
			switch {
			case a.Value != nil:
				values[a.Name] = c.renamed(a.Value.String())
			case a.ValueFrom != nil:
				c.note("AnalysisTemplate "+t.Name+" spec.args["+a.Name+"].valueFrom", "has no counterpart: write the value")
				values[a.Name] = "CHANGE-ME"
			}
		}
	}
	return values
}

// renamed has arguments that name the Service of the canary name the one that is made.
func (c *conversion) renamed(value string) string {
	name := c.canaryService()
	if name == "" || name == c.apex+"-canary" {
		return value
	}
	return regexp.MustCompile(`(^|[^\w-])`+regexp.QuoteMeta(name)+`($|[^\w-])`).ReplaceAllString(value, "${1}"+c.apex+"-canary${2}")
}

func (c *conversion) canaryService() string {
	s := c.rollout.Spec.Strategy
	switch {
	case s.Canary != nil:
		return s.Canary.CanaryService
	case s.BlueGreen != nil:
		return s.BlueGreen.PreviewService
	}
	return ""
}

var called = regexp.MustCompile(`\{\{\s*args\.([\w-]+)\s*\}\}`)

// word is a name that a template can call.
func word(name string) string { return strings.ReplaceAll(name, "-", "_") }

// template makes a MetricTemplate, once; it returns the arguments that its query calls.
func (c *conversion) template(name, field string, m *argoMetric, values map[string]string) (used []string, ok bool) {
	spec, ok := c.provider(field, m, values)
	if !ok {
		return nil, false
	}
	raw, err := json.Marshal(spec)
	if err != nil {
		return nil, false
	}
	text := c.renamed(string(raw))
	for _, match := range called.FindAllStringSubmatch(text, -1) {
		used = append(used, match[1])
		if _, given := values[match[1]]; !given {
			c.note(field, "argument %q has no value", match[1])
			values[match[1]] = "CHANGE-ME"
		}
	}
	rendered := called.ReplaceAllStringFunc(text, func(s string) string { return "{{ variables." + word(called.FindStringSubmatch(s)[1]) + " }}" })
	made := map[string]any{}
	if err := json.Unmarshal([]byte(rendered), &made); err != nil {
		return nil, false
	}
	if !c.inputs[name] {
		c.inputs[name] = true
		c.out = append(c.out, map[string]any{"apiVersion": "flagger.app/v1beta1", "kind": "MetricTemplate", "metadata": c.metadata(name), "spec": made})
	}
	return used, true
}

// provider makes the spec of a MetricTemplate.
func (c *conversion) provider(field string, m *argoMetric, values map[string]string) (map[string]any, bool) {
	for kind, p := range m.Provider {
		// Addresses are no templates.
		address := called.ReplaceAllStringFunc(text(p, "address"), func(s string) string { return values[called.FindStringSubmatch(s)[1]] })
		provider := map[string]any{}
		if address != "" {
			provider["address"] = address
		}
		switch kind {
		case "prometheus", "datadog", "graphite", "influxdb":
			provider["type"] = kind
		case "newRelic":
			provider["type"] = "newrelic"
		case "cloudWatch":
			provider["type"], provider["region"] = "cloudwatch", "CHANGE-ME"
			c.note(field+".provider.cloudWatch", "set spec.provider.region")
			query, err := json.Marshal(p["metricDataQueries"])
			if err != nil {
				return nil, false
			}
			return map[string]any{"provider": provider, "query": string(query)}, true
		case "job":
			provider["type"] = "job"
			return map[string]any{"provider": provider, "job": map[string]any{"spec": p["spec"]}}, true
		case "web":
			return c.web(field, provider, p, values), true
		default:
			c.note(field+".provider."+kind, "has no counterpart: the metric is left out; a service of yours can answer behind provider web")
			return nil, false
		}
		if kind != "prometheus" && kind != "graphite" {
			c.note(field+".provider."+kind, "name its Secret in spec.provider.secretRef, see docs/reference/metrictemplate.md for the keys")
			provider["secretRef"] = map[string]any{"name": kind}
		}
		return map[string]any{"provider": provider, "query": text(p, "query")}, true
	}
	c.note(field+".provider", "is missing")
	return nil, false
}

func (c *conversion) web(field string, provider, p map[string]any, values map[string]string) map[string]any {
	provider["type"] = "web"
	provider["address"] = called.ReplaceAllStringFunc(text(p, "url"), func(s string) string { return values[called.FindStringSubmatch(s)[1]] })
	web := map[string]any{}
	for to, from := range map[string]string{"method": "method", "body": "body"} {
		if v := text(p, from); v != "" {
			web[to] = v
		}
	}
	if path := text(p, "jsonPath"); path != "" {
		web["jsonPath"] = strings.Replace(path, "{$.", "{.", 1)
	}
	if n, ok := p["timeoutSeconds"].(float64); ok {
		web["timeout"] = fmt.Sprintf("%ds", int(n))
	}
	if p["headers"] != nil {
		c.note(field+".provider.web.headers", "write them as spec.provider.headers, secrets into spec.provider.secretRef")
	}
	return map[string]any{"provider": provider, "web": web}
}

func text(object map[string]any, key string) string {
	v, _ := object[key].(string)
	return v
}
