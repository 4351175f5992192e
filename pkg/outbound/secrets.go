package outbound

import (
	"cmp"
	"encoding/base64"
	"net/url"
	"regexp"
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
		for _, form := range []string{text, url.QueryEscape(text), url.PathEscape(text)} {
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

// AddBasic adds a password, also as basic authentication sends it. A user without a password is a token.
func (s *Secrets) AddBasic(user, password string) {
	switch {
	case password != "":
		s.Add(password, Basic(user, password))
	case user != "":
		s.Add(user, Basic(user, ""))
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
	if err != nil || address != "" && u.Host == "" {
		// What cannot be read may be secret from end to end; without a scheme the user looks like one.
		s.Add(address)
		if user, _, ok := cutLast(address, "@"); ok {
			_, user, _ = cutLast("/"+user, "/") // of //user or http:/user
			name, word, _ := strings.Cut(user, ":")
			s.AddBasic(name, word)
		}
		return
	}
	word, _ := u.User.Password()
	s.AddBasic(u.User.Username(), word)
	// Split here, since what url.Values cannot hold is sent all the same.
	for _, pair := range strings.FieldsFunc(u.RawQuery, func(r rune) bool { return r == '&' || r == ';' }) {
		name, value, _ := strings.Cut(pair, "=")
		s.addEscaped(cmp.Or(value, name))
	}
	s.Add(u.Fragment)
	for part := range strings.SplitSeq(u.EscapedPath(), "/") {
		if !readable(part) {
			s.addEscaped(part)
		}
	}
}

// addEscaped adds a part of an address as it stands there, and as it is meant.
func (s *Secrets) addEscaped(part string) {
	s.Add(part)
	if text, err := url.PathUnescape(part); err == nil {
		s.Add(text)
	}
}

// cutLast cuts a text at the last place of a separator.
func cutLast(text, at string) (before, after string, found bool) {
	if i := strings.LastIndex(text, at); i >= 0 {
		return text[:i], text[i+len(at):], true
	}
	return text, "", false
}

// apiVersion is how versions are written in paths.
var apiVersion = regexp.MustCompile(`^v\d+((alpha|beta)\d+)?$`)

// readable says that a part of a path is a word and no key: keys have digits, or large letters among small ones. Names of
// services have to stay readable.
func readable(part string) bool {
	mixed := strings.ToLower(part) != part && strings.ToUpper(part) != part
	switch {
	case apiVersion.MatchString(part):
		return true
	case len(part) >= 8 && strings.ContainsAny(part, "0123456789"):
		return false
	}
	return len(part) < 16 || !mixed
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
	return s.hideCut(text)
}

// cut is the mark of Line.
const cut = "…"

// hideCut hides the beginning of a secret where a text was cut off within it.
func (s Secrets) hideCut(text string) string {
	if !strings.Contains(text, cut) {
		return text
	}
	for _, secret := range s {
		for n := len(secret) - 1; n >= shortest; n-- {
			text = strings.ReplaceAll(text, secret[:n]+cut, "***"+cut)
		}
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
