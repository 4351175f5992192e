package convert

import (
	"cmp"
	"fmt"
	"time"

	"k8s.io/utils/ptr"
)

// canarySteps makes steps of weights and pauses: a weight, and what follows it until the next one.
func (c *conversion) canarySteps(s *canaryStrategy, analysis map[string]any) {
	c.leave("spec.strategy.canary.", "antiAffinity", s.AntiAffinity, "canaryMetadata", s.CanaryMetadata, "stableMetadata", s.StableMetadata,
		"dynamicStableScale", s.DynamicStableScale, "minPodsPerReplicaSet", s.MinPodsPerReplicaSet, "pingPong", s.PingPong)
	if s.CanaryService != "" && s.CanaryService != c.apex+"-canary" {
		c.note("spec.strategy.canary.canaryService", "becomes %s-canary, which is made", c.apex)
	}
	if n := s.ScaleDownDelaySeconds; n != nil && *n > 0 {
		analysis["promotion"] = map[string]any{"bake": short(time.Duration(*n) * time.Second)}
	}
	if n := s.AbortScaleDownDelaySeconds; n != nil {
		analysis["onFailure"] = "keep"
		c.note("spec.strategy.canary.abortScaleDownDelaySeconds", "onFailure: keep has the failed canary stay until somebody says abort or retry")
	}
	if c.ratio {
		analysis["replicaRatio"] = true
	}
	l := &layout{conversion: c, analysis: analysis, from: -1}
	if s.Analysis != nil {
		l.from = int(ptr.Deref(s.Analysis.StartingStep, 0))
		l.background = c.judge(s.Analysis, l.from > 0)
	}
	for i, step := range s.Steps {
		l.step(i, step)
	}
	l.end()
	if len(l.steps) == 0 {
		l.steps = []any{map[string]any{"weight": 100}}
		if c.ratio { // pods of the new revision are all there before users move
			delete(analysis, "replicaRatio")
		}
	}
	analysis["steps"] = l.steps
}

// layout is a list of steps in the making.
type layout struct {
	*conversion
	analysis   map[string]any
	steps      []any
	open       map[string]any // that pauses and the like still belong to
	lasts      time.Duration
	weight     int32
	scale      map[string]any // of the steps that follow
	mirror     int32
	from       int      // index of the first step that is judged in the background
	background []string // the metrics that begin there
	names      []string // of metrics that judge the open step alone
	last       int      // index of the last step of Argo's that is part of the open one
}

func (l *layout) step(i int, s argoStep) {
	field := fmt.Sprintf("spec.strategy.canary.steps[%d]", i)
	switch {
	case s.SetWeight != nil:
		l.begin()
		if *s.SetWeight < l.weight {
			l.note(field+".setWeight", "%d is below the %d before: weights never fall, the step keeps that", *s.SetWeight, l.weight)
		}
		l.weight = max(l.weight, *s.SetWeight)
		l.open["weight"] = l.weight
	case s.Pause != nil:
		l.pause(field, s)
	case s.Analysis != nil:
		if l.open == nil || l.open["pause"] != nil || len(l.names) > 0 {
			l.begin()
		}
		l.names = append(l.names, l.judge(s.Analysis, true)...)
	case s.SetCanaryScale != nil:
		l.resize(field, s)
	case s.SetHeaderRoute != nil:
		l.preview(s)
	case s.SetMirrorRoute != nil:
		l.mirror = ptr.Deref(s.SetMirrorRoute.Percentage, 0)
		if len(s.SetMirrorRoute.Match) > 0 {
			l.note(field+".setMirrorRoute.match", "has no counterpart: a percentage of all requests is copied")
		}
	case s.Experiment != nil:
		l.note(field+".experiment", "has no counterpart: a webhook of type pre-rollout can run it")
	case s.Plugin != nil:
		l.note(field+".plugin", "has no counterpart: a webhook of type rollout can run it")
	}
	l.last = i
}

// begin ends the open step and begins the next, with the weight as it is.
func (l *layout) begin() {
	l.end()
	l.open = map[string]any{}
	if len(l.steps) == 0 {
		l.open["weight"] = l.weight
	}
	for k, v := range l.scale {
		l.open[k] = v
	}
	if l.mirror > 0 {
		l.open["mirror"] = l.mirror
	}
}

func (l *layout) end() {
	if l.open == nil {
		return
	}
	if l.lasts > 0 {
		l.open["duration"] = short(l.lasts)
		l.every = append(l.every, l.lasts)
	}
	names := l.names
	// Those that begin at once judge every step that names no others.
	if l.from > 0 && l.last >= l.from || l.from == 0 && len(names) > 0 {
		names = append(names, l.background...)
	}
	if len(names) > 0 {
		l.open["metrics"] = names
	}
	l.steps = append(l.steps, l.open)
	l.open, l.lasts, l.names = nil, 0, nil
}

// pause with a duration has the step last longer; one without waits for a person.
func (l *layout) pause(field string, s argoStep) {
	if l.open == nil || l.open["pause"] != nil {
		l.begin()
	}
	if s.Pause.Duration == nil {
		l.open["pause"] = map[string]any{}
		return
	}
	d, err := lasting(*s.Pause.Duration)
	if err != nil {
		l.note(field+".pause.duration", "%q is no duration", s.Pause.Duration.String())
		return
	}
	l.lasts += d
}

func (l *layout) resize(field string, s argoStep) {
	l.scale = nil
	switch how := s.SetCanaryScale; {
	case l.ratio:
		l.note(field+".setCanaryScale", "without a provider that divides requests the size is the weight")
	case how.Replicas != nil && *how.Replicas > 0:
		l.scale = map[string]any{"replicas": *how.Replicas}
	case how.Weight != nil && *how.Weight > 0:
		l.scale = map[string]any{"scale": *how.Weight}
	case how.MatchTrafficWeight: // as it is by itself
	default:
		l.note(field+".setCanaryScale", "a canary of no pods has no counterpart")
	}
}

// preview has all who send the headers meet the canary, at every weight.
func (l *layout) preview(s argoStep) {
	headers := map[string]any{}
	for _, m := range s.SetHeaderRoute.Match {
		v := m.HeaderValue
		switch {
		case v.Exact != "":
			headers[m.HeaderName] = map[string]any{"exact": v.Exact}
		case v.Prefix != "":
			headers[m.HeaderName] = map[string]any{"prefix": v.Prefix}
		default:
			headers[m.HeaderName] = map[string]any{"regex": cmp.Or(v.Regex, ".*")}
		}
	}
	if len(headers) > 0 {
		l.analysis["previewMatch"] = []any{map[string]any{"headers": headers}}
	}
}

func (c *conversion) blueGreen(s *blueGreen, analysis map[string]any) {
	c.leave("spec.strategy.blueGreen.", "antiAffinity", s.AntiAffinity, "activeMetadata", s.ActiveMetadata, "previewMetadata", s.PreviewMetadata,
		"previewReplicaCount", s.PreviewReplicaCount)
	if s.PreviewService != "" && s.PreviewService != c.apex+"-canary" {
		c.note("spec.strategy.blueGreen.previewService", "becomes %s-canary, which is made", c.apex)
	}
	if s.AbortScaleDownDelaySeconds != nil {
		analysis["onFailure"] = "keep"
		c.note("spec.strategy.blueGreen.abortScaleDownDelaySeconds", "onFailure: keep has the failed canary stay until somebody says abort or retry")
	}
	analysis["iterations"] = 1
	if s.PrePromotionAnalysis != nil {
		c.judge(s.PrePromotionAnalysis, false)
		analysis["iterations"] = c.rounds(s.PrePromotionAnalysis)
	}
	promotion := map[string]any{}
	if s.AutoPromotionEnabled != nil && !*s.AutoPromotionEnabled || s.AutoPromotionSeconds > 0 {
		promotion["auto"] = false
	}
	if n := s.AutoPromotionSeconds; n > 0 {
		promotion["autoAfter"] = short(time.Duration(n) * time.Second)
	}
	bake := time.Duration(ptr.Deref(s.ScaleDownDelaySeconds, 0)) * time.Second
	if s.PostPromotionAnalysis != nil {
		promotion["bakeMetrics"] = c.judge(s.PostPromotionAnalysis, true)
		bake = max(bake, time.Duration(c.rounds(s.PostPromotionAnalysis))*c.interval())
	}
	if bake > 0 {
		promotion["bake"] = short(bake)
	}
	if len(promotion) > 0 {
		analysis["promotion"] = promotion
	}
}
