package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
)

// defaultTimeout is what a route gets that names none; istiod names zero, which means no limit.
const defaultTimeout = 15 * time.Second

// rule is one route: a condition and what to do where it holds. Exactly one of forward and answer is set.
type rule struct {
	name              string
	match             ruleMatch
	forward           *forward
	answer            func(*http.Request) answer
	request, response headerOps
}

// answer is a response that the proxy gives by itself.
type answer struct {
	status   int
	location string
	body     string
}

// forward sends the request on.
type forward struct {
	splits  []split
	weights []float64
	timeout time.Duration
	retry   *retryPolicy
	mirrors []mirror
}

// split is one of the clusters that share a route's requests.
type split struct {
	cluster           string
	request, response headerOps
}

// mirror is a cluster that gets copies of some requests.
type mirror struct {
	cluster string
	share   float64 // of one
}

func compileRule(r *route.Route, vh *route.VirtualHost) (*rule, error) {
	match, err := compileMatch(r.GetMatch())
	if err != nil {
		return nil, err
	}
	out := &rule{name: r.GetName(), match: match}
	if out.request, err = compileHeaderOps(r.GetRequestHeadersToAdd(), r.GetRequestHeadersToRemove()); err != nil {
		return nil, err
	}
	if out.response, err = compileHeaderOps(r.GetResponseHeadersToAdd(), r.GetResponseHeadersToRemove()); err != nil {
		return nil, err
	}
	for _, name := range []string{"envoy.filters.http.cors", "envoy.filters.http.fault", "envoy.filters.http.rbac", "envoy.filters.http.jwt_authn"} {
		if r.GetTypedPerFilterConfig()[name] != nil || vh.GetTypedPerFilterConfig()[name] != nil {
			return nil, fmt.Errorf("filter %q is not supported", name)
		}
	}
	err = out.compileAction(r, vh)
	return out, err
}

func (o *rule) compileAction(r *route.Route, vh *route.VirtualHost) (err error) {
	switch a := r.GetAction().(type) {
	case *route.Route_Route:
		o.forward, err = compileForward(a.Route, vh)
	case *route.Route_Redirect:
		o.answer, err = compileRedirect(a.Redirect)
	case *route.Route_DirectResponse:
		fixed := answer{status: int(a.DirectResponse.GetStatus()), body: a.DirectResponse.GetBody().GetInlineString()}
		if inline := a.DirectResponse.GetBody().GetInlineBytes(); len(inline) > 0 {
			fixed.body = string(inline)
		}
		o.answer = func(*http.Request) answer { return fixed }
	default:
		err = fmt.Errorf("action %T is not supported", a)
	}
	return err
}

func compileForward(a *route.RouteAction, vh *route.VirtualHost) (*forward, error) {
	if a.GetHostRewriteSpecifier() != nil || a.GetPrefixRewrite() != "" || a.GetRegexRewrite() != nil || a.GetPathRewritePolicy() != nil || a.GetPathRewrite() != "" {
		return nil, errors.New("rewriting the host or the path is not supported")
	}
	f := &forward{timeout: defaultTimeout}
	if a.GetTimeout() != nil {
		f.timeout = a.GetTimeout().AsDuration()
	}
	policy := a.GetRetryPolicy()
	if policy == nil {
		policy = vh.GetRetryPolicy()
	}
	f.retry = compileRetry(policy)
	mirrors := a.GetRequestMirrorPolicies()
	if len(mirrors) == 0 {
		mirrors = vh.GetRequestMirrorPolicies()
	}
	for _, m := range mirrors {
		if m.GetHostRewriteLiteral() != "" || !m.GetDisableShadowHostSuffixAppend() {
			return nil, errors.New("a mirror with a host of its own is not supported")
		}
		f.mirrors = append(f.mirrors, mirror{cluster: m.GetCluster(), share: share(m.GetRuntimeFraction())})
	}
	err := f.compileSplits(a)
	return f, err
}

func (f *forward) compileSplits(a *route.RouteAction) error {
	switch c := a.GetClusterSpecifier().(type) {
	case *route.RouteAction_Cluster:
		f.splits, f.weights = []split{{cluster: c.Cluster}}, []float64{1}
	case *route.RouteAction_WeightedClusters:
		for _, w := range c.WeightedClusters.GetClusters() {
			s, err := compileSplit(w)
			if err != nil {
				return fmt.Errorf("cluster %q: %w", w.GetName(), err)
			}
			f.splits = append(f.splits, s)
			f.weights = append(f.weights, float64(w.GetWeight().GetValue()))
		}
	default:
		return fmt.Errorf("choosing a cluster by %T is not supported", c)
	}
	return nil
}

func compileSplit(w *route.WeightedCluster_ClusterWeight) (split, error) {
	if w.GetHostRewriteSpecifier() != nil {
		return split{}, errors.New("rewriting the host is not supported")
	}
	request, err := compileHeaderOps(w.GetRequestHeadersToAdd(), w.GetRequestHeadersToRemove())
	if err != nil {
		return split{}, err
	}
	response, err := compileHeaderOps(w.GetResponseHeadersToAdd(), w.GetResponseHeadersToRemove())
	if err != nil {
		return split{}, err
	}
	return split{cluster: w.GetName(), request: request, response: response}, nil
}

// choose picks one of the clusters by weight.
func (f *forward) choose(random float64) split { return f.splits[weighted(f.weights, random)] }
