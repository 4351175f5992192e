package outbound

import (
	"cmp"
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
)

// shortest is the least length, in bytes, of what is hidden: shorter words would be found everywhere, and are no secrets.
const shortest = 4

// Secrets are texts that must not be shown. The zero value has none.
type Secrets []string

// Add adds texts, also as they look in a URL.
func (s *Secrets) Add(texts ...string) {
	all := slices.Clone(*s) // others may have a copy
	for _, text := range texts {
		for _, form := range []string{text, url.QueryEscape(text)} {
			if len(text) >= shortest && !slices.Contains(all, form) {
				all = append(all, form)
			}
		}
	}
	// The longest first: one may contain another, whose rest would be left. Among equals by the alphabet: they come from
	// maps, and two that overlap must be hidden alike each time.
	slices.SortFunc(all, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), strings.Compare(a, b))
	})
	*s = all
}

// AddBasic adds a password, also as basic authentication sends it.
func (s *Secrets) AddBasic(user, password string) {
	if password != "" {
		s.Add(password, Basic(user, password))
	}
}

// Basic are the credentials of RFC 7617, which follow the word Basic.
func Basic(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
}

// AddData adds what a Secret holds. Files that people make Secrets of often end with a line break, which is not sent.
func (s *Secrets) AddData(data map[string][]byte) {
	for _, value := range data {
		s.Add(strings.TrimSpace(string(value)))
	}
	s.AddBasic(strings.TrimSpace(string(data["username"])), strings.TrimSpace(string(data["password"])))
}

// AddHeader adds the value of a header that may be a credential. A server may quote that without the word before it,
// `Bearer`.
func (s *Secrets) AddHeader(name, value string) {
	if !private(name) {
		return
	}
	_, credential, _ := strings.Cut(value, " ")
	s.Add(value, strings.TrimSpace(credential))
}

// private tells by a header's name whether its value may be a credential. Others stay readable: to hide `application/json`
// everywhere would hide what went wrong.
func private(name string) bool {
	return slices.ContainsFunc([]string{"auth", "token", "key", "secret", "cookie", "password", "signature"}, func(word string) bool {
		return strings.Contains(strings.ToLower(name), word)
	})
}

// AddURL adds what of an address may be a secret: its password, the values of its query, and parts of its path that are
// too long to be words.
func (s *Secrets) AddURL(address string) {
	u, err := url.Parse(address)
	if err != nil {
		// What cannot be read may be secret from end to end.
		s.Add(address)
		return
	}
	if word, ok := u.User.Password(); ok {
		s.AddBasic(u.User.Username(), word)
	}
	for _, values := range u.Query() {
		s.Add(values...)
	}
	for part := range strings.SplitSeq(u.Path, "/") {
		// As the keys in addresses of webhooks are. Names of services must stay readable.
		if len(part) >= 20 && strings.ContainsAny(part, "0123456789") {
			s.Add(part)
		}
	}
}

// AddWholeURL adds an address that is a secret from end to end, as those of chat services are, with all its parts: a key is
// often repeated alone. The host stays readable.
func (s *Secrets) AddWholeURL(u *url.URL) {
	s.Add(u.String(), u.RequestURI(), u.Path, u.RawQuery)
	s.Add(strings.Split(u.Path, "/")...)
	s.AddURL(u.String())
}

// Hide is a text without its secrets.
func (s Secrets) Hide(text string) string {
	for _, secret := range s {
		text = strings.ReplaceAll(text, secret, "***")
	}
	return text
}

// HideError is an error without its secrets; errors.Is and errors.As see what is below. One that shows none is returned as
// it is.
func (s Secrets) HideError(err error) error {
	if err == nil {
		return nil
	}
	shown := s.Hide(err.Error())
	if shown == err.Error() {
		return err
	}
	return &failure{text: shown, err: err}
}
