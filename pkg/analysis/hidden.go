package analysis

import (
	"cmp"
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
)

// File hidden.go blacks secrets out of what a rollout is told. Package metric does so for its own errors; here the
// messages of hooks, and queries and addresses of Canaries, come by as well.

// shortest is the least length, in bytes, of what is blacked out: shorter words would be found everywhere, and are
// no secrets.
const shortest = 4

// hidden is what must not be shown. A server may quote the request in its answer, and answers are shown.
type hidden []string

// hide adds secrets, also as they look in a request.
func (h hidden) hide(secrets ...string) hidden {
	for _, s := range secrets {
		if len(s) >= shortest {
			h = append(h, s)
			if escaped := url.QueryEscape(s); escaped != s {
				h = append(h, escaped)
			}
		}
	}
	return h
}

// hideData adds what a Secret holds.
func (h hidden) hideData(data map[string][]byte) hidden {
	for _, v := range data {
		h = h.hide(strings.TrimSpace(string(v)))
	}
	if user, word := text(data, "username"), text(data, "password"); word != "" {
		h = h.hide(base64.StdEncoding.EncodeToString([]byte(user + ":" + word)))
	}
	return h
}

// hideURL adds what of an address may be a secret: its password, the values of its query, and parts of its path
// that are too long to be words.
func (h hidden) hideURL(address string) hidden {
	u, err := url.Parse(address)
	if err != nil {
		// What cannot be read may be secret from end to end.
		return h.hide(address)
	}
	if word, ok := u.User.Password(); ok {
		h = h.hide(word, base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+word)))
	}
	for _, values := range u.Query() {
		h = h.hide(values...)
	}
	for part := range strings.SplitSeq(u.Path, "/") {
		// As the keys in addresses of webhooks are. Names of services must stay readable.
		if len(part) >= 20 && strings.ContainsAny(part, "0123456789") {
			h = h.hide(part)
		}
	}
	return h
}

// hideHeader adds the value of a header that is private. A server may quote the credential without the word before it,
// `Bearer`.
func (h hidden) hideHeader(name, value string) hidden {
	if !private(name) {
		return h
	}
	_, credential, _ := strings.Cut(value, " ")
	return h.hide(value, strings.TrimSpace(credential))
}

// in blacks everything hidden out of a text, the longest first: one may contain another, whose rest would be left.
func (h hidden) in(text string) string {
	// Among equals by the alphabet: they come from maps, and two that overlap must be hidden alike each time.
	words := slices.SortedFunc(slices.Values(h), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), strings.Compare(a, b))
	})
	for _, s := range words {
		text = strings.ReplaceAll(text, s, "***")
	}
	return text
}

// text is one word of a Secret. Files that people make secrets of often end with a line break.
func text(data map[string][]byte, key string) string { return strings.TrimSpace(string(data[key])) }
