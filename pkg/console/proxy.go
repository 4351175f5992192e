package console

import (
	"net/http"
	"slices"
	"strings"
)

// The headers by which a proxy in front says who asks.
const (
	userHeader   = "X-Forwarded-User"
	groupsHeader = "X-Forwarded-Groups"
)

// systemPrefix is what the names of Kubernetes' own accounts and groups begin with. Nobody but the API server says that one is one.
const systemPrefix = "system:"

// authenticatedGroup is the group of all whom somebody knows.
const authenticatedGroup = "system:authenticated"

// ProxyLogin believes a proxy in front, which shows a client certificate. The server has verified that by its CA: its listener does.
type ProxyLogin struct {
	// Names are the common names of certificates that are proxies'; none: all that the CA has signed.
	Names                    []string
	UserPrefix, GroupsPrefix string
}

// Mode implements Login.
func (l *ProxyLogin) Mode() string { return ModeProxy }

// Identify implements Login.
func (l *ProxyLogin) Identify(r *http.Request) (*User, error) {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 || len(r.TLS.PeerCertificates) == 0 {
		return nil, failure(http.StatusUnauthorized, "the page is reached by a proxy that logs people in; this did not come by it")
	}
	if name := r.TLS.PeerCertificates[0].Subject.CommonName; len(l.Names) > 0 && !slices.Contains(l.Names, name) {
		return nil, failure(http.StatusUnauthorized, "the certificate is none of the proxy's")
	}
	users := r.Header.Values(userHeader)
	if len(users) != 1 || strings.TrimSpace(users[0]) == "" {
		return nil, failure(http.StatusUnauthorized, "the proxy does not say who you are")
	}
	var groups []string
	for _, line := range r.Header.Values(groupsHeader) {
		for group := range strings.SplitSeq(line, ",") {
			groups = append(groups, strings.TrimSpace(group))
		}
	}
	return foreign(l.UserPrefix, strings.TrimSpace(users[0]), l.GroupsPrefix, groups)
}

// foreign is a user whom somebody else than the API server knows: none of Kubernetes' own.
func foreign(userPrefix, name, groupsPrefix string, groups []string) (*User, error) {
	u := &User{Name: userPrefix + name}
	if strings.HasPrefix(u.Name, systemPrefix) {
		return nil, failure(http.StatusForbidden, "the name of an account of Kubernetes' own is not taken from elsewhere")
	}
	for _, group := range groups {
		if group = groupsPrefix + group; group != groupsPrefix && !strings.HasPrefix(group, systemPrefix) {
			u.Groups = append(u.Groups, group)
		}
	}
	u.Groups = append(u.Groups, authenticatedGroup)
	return u, nil
}

// Register implements Login: there is nothing to log in to.
func (l *ProxyLogin) Register(*http.ServeMux) {}

// Logout implements Login: the session is the proxy's.
func (l *ProxyLogin) Logout(http.ResponseWriter, *http.Request) {}
