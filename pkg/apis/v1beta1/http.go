package v1beta1

// The types of this file have the JSON of Istio's networking API, so that a snippet of a
// VirtualService can be pasted into a Canary as it is. Where Istio can tell a value that is empty
// from one that is missing the field is a pointer.

// StringMatch compares a text in one way. With no way given it asks only that the text is there.
//
// +kubebuilder:validation:MaxProperties=1
type StringMatch struct {
	// The whole text. Example: `canary`.
	// +optional
	Exact *string `json:"exact,omitempty"`

	// The beginning of the text. Example: `/api/`.
	// +optional
	Prefix *string `json:"prefix,omitempty"`

	// The end of the text. Not known to Istio, which gets it as a regular expression.
	// +optional
	Suffix *string `json:"suffix,omitempty"`

	// A regular expression in RE2's syntax that the whole text fits. Example: `.*[Ff]irefox.*`.
	// +optional
	Regex *string `json:"regex,omitempty"`
}

// HTTPMatchRequest describes requests. All of its fields have to fit at once.
type HTTPMatchRequest struct {
	// A name for access logs.
	// +optional
	Name string `json:"name,omitempty"`

	// The path. Left out, any.
	// +optional
	URI *StringMatch `json:"uri,omitempty"`

	// The URI's scheme. Left out, any.
	// +optional
	Scheme *StringMatch `json:"scheme,omitempty"`

	// The HTTP method. Left out, any.
	// +optional
	Method *StringMatch `json:"method,omitempty"`

	// The host that was asked for. Left out, any.
	// +optional
	Authority *StringMatch `json:"authority,omitempty"`

	// Headers by name, in lower case. Left out, any. Example: `{x-canary: {exact: insider}}`.
	// +optional
	Headers map[string]StringMatch `json:"headers,omitempty"`

	// Headers that must not fit, by name, in lower case. Left out, none.
	// +optional
	WithoutHeaders map[string]StringMatch `json:"withoutHeaders,omitempty"`

	// Query parameters by name. Left out, any.
	// +optional
	QueryParams map[string]StringMatch `json:"queryParams,omitempty"`

	// Compare the path without regard to case. Left out, false.
	// +optional
	IgnoreURICase bool `json:"ignoreUriCase,omitempty"`

	// The port that was asked. Left out, any.
	// +optional
	Port int32 `json:"port,omitempty"`

	// Labels of the workload that asks. Applies to requests from inside the mesh only.
	// +optional
	SourceLabels map[string]string `json:"sourceLabels,omitempty"`

	// Namespace of the workload that asks. Left out, any.
	// +optional
	SourceNamespace string `json:"sourceNamespace,omitempty"`

	// Gateways that the request came through. Left out, those of the service.
	// +optional
	Gateways []string `json:"gateways,omitempty"`

	// Prefix of the proxy's statistics for these requests. Left out, none.
	// +optional
	StatPrefix string `json:"statPrefix,omitempty"`
}

// HTTPRewrite changes a request before it is passed on.
type HTTPRewrite struct {
	// The path, or the part of it that a prefix fitted, is replaced by this. Example: `/`.
	// +optional
	URI string `json:"uri,omitempty"`

	// The host is replaced by this. Example: `podinfo.internal`.
	// +optional
	Authority string `json:"authority,omitempty"`

	// The path is replaced by means of a regular expression. Used by Istio only.
	// +optional
	URIRegexRewrite *RegexRewrite `json:"uriRegexRewrite,omitempty"`

	// For the Gateway API: `ReplacePrefixMatch` replaces the part of the path that fitted, anything
	// else the full path.
	// +optional
	Type string `json:"type,omitempty"`
}

// RegexRewrite replaces what an expression fits.
type RegexRewrite struct {
	// Regular expression in RE2's syntax. Example: `/v1/(.*)`.
	// +optional
	Match string `json:"match,omitempty"`

	// The replacement; `\1` stands for the first group. Example: `/v2/\1`.
	// +optional
	Rewrite string `json:"rewrite,omitempty"`
}

// HTTPRetry says when a request is tried again.
type HTTPRetry struct {
	// Number of further attempts. Zero turns retries off.
	// +optional
	Attempts int32 `json:"attempts,omitempty"`

	// Time that each attempt may take. Left out, the time of the whole request. Example: `1s`.
	// +optional
	PerTryTimeout string `json:"perTryTimeout,omitempty"`

	// Outcomes to try again after, separated by commas. Left out, as the provider does.
	// Example: `gateway-error,connect-failure,refused-stream`.
	// +optional
	RetryOn string `json:"retryOn,omitempty"`

	// Try endpoints of other localities, too. Left out, as the mesh is configured.
	// +optional
	RetryRemoteLocalities *bool `json:"retryRemoteLocalities,omitempty"`

	// Avoid endpoints that have failed this request. Left out, as the mesh is configured.
	// +optional
	RetryIgnorePreviousHosts *bool `json:"retryIgnorePreviousHosts,omitempty"`

	// Least time between attempts. Left out, 25ms. Example: `100ms`.
	// +optional
	Backoff string `json:"backoff,omitempty"`
}

// Headers changes the headers of requests and of their responses.
type Headers struct {
	// What is done to the request on its way to the workload.
	// +optional
	Request *HeaderOperations `json:"request,omitempty"`

	// What is done to the response on its way back.
	// +optional
	Response *HeaderOperations `json:"response,omitempty"`
}

// HeaderOperations is done to headers.
type HeaderOperations struct {
	// Headers to overwrite, by name. Example: `{x-envoy-upstream-rq-timeout-ms: "15000"}`.
	// +optional
	Set map[string]string `json:"set,omitempty"`

	// Headers to append a value to, by name.
	// +optional
	Add map[string]string `json:"add,omitempty"`

	// Names of headers to remove.
	// +optional
	Remove []string `json:"remove,omitempty"`
}

// CorsPolicy answers requests from pages of other origins.
type CorsPolicy struct {
	// Origins that may ask, spelled out. Example: `[https://example.com]`.
	// +optional
	AllowOrigin []string `json:"allowOrigin,omitempty"`

	// Origins that may ask, by comparison. Not used with the Gateway API.
	// +optional
	AllowOrigins []StringMatch `json:"allowOrigins,omitempty"`

	// Methods that may be used. Example: `[GET, POST]`.
	// +optional
	AllowMethods []string `json:"allowMethods,omitempty"`

	// Headers that may be sent.
	// +optional
	AllowHeaders []string `json:"allowHeaders,omitempty"`

	// Headers that the page may read.
	// +optional
	ExposeHeaders []string `json:"exposeHeaders,omitempty"`

	// Time that the browser may remember the answer. Example: `24h`.
	// +optional
	MaxAge string `json:"maxAge,omitempty"`

	// Whether cookies and the like may be sent along. Left out, the header is not sent.
	// +optional
	AllowCredentials *bool `json:"allowCredentials,omitempty"`

	// Whether a preflight from an origin that fits none is passed on (`FORWARD`) or answered
	// (`IGNORE`). Left out, passed on.
	// +optional
	UnmatchedPreflights string `json:"unmatchedPreflights,omitempty"`
}
