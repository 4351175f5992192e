package outbound

import (
	"errors"
	"net/url"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// having is Secrets to which something was added.
func having(add func(s *Secrets)) Secrets {
	var s Secrets
	add(&s)
	return s
}

func TestHide(t *testing.T) {
	cases := map[string]struct {
		reason string
		add    func(s *Secrets)
		text   string
		want   string
	}{
		"Nothing":  {reason: "Without secrets a text stays as it is.", add: func(*Secrets) {}, text: "403 Forbidden", want: "403 Forbidden"},
		"Word":     {reason: "A secret is blacked out wherever it is.", add: func(s *Secrets) { s.Add("s3cret") }, text: "s3cret and xs3crety", want: "*** and x***y"},
		"Short":    {reason: "What is too short to be one would be found everywhere.", add: func(s *Secrets) { s.Add("no", "") }, text: "not now", want: "not now"},
		"Escaped":  {reason: "A server may quote it as it stood in the request.", add: func(s *Secrets) { s.Add("a b/c+d") }, text: "?key=a+b%2Fc%2Bd", want: "?key=***"},
		"Data":     {reason: "Everything in a Secret, without its line break.", add: func(s *Secrets) { s.AddData(map[string][]byte{"any": []byte("value\n")}) }, text: "value!", want: "***!"},
		"Basic":    {reason: "A name and a password as they are sent.", add: func(s *Secrets) { s.AddData(map[string][]byte{"username": []byte("me"), "password": []byte("p4ss")}) }, text: "Basic bWU6cDRzcw==", want: "Basic ***"},
		"Password": {reason: "The password of an address.", add: func(s *Secrets) { s.AddURL("http://me:p4ssword@host/") }, text: "me p4ssword bWU6cDRzc3dvcmQ=", want: "me *** ***"},
		"Query":    {reason: "The values of its query.", add: func(s *Secrets) { s.AddURL("http://host/?sig=abcdef&v=1") }, text: "GET /?sig=abcdef&v=1", want: "GET /?sig=***&v=1"},
		"Path":     {reason: "Parts of its path that are no words.", add: func(s *Secrets) { s.AddURL("http://host/hooks/0123456789abcdef0123/go") }, text: "no /hooks/0123456789abcdef0123/go", want: "no /hooks/***/go"},
		"Words":    {reason: "Words of a path may be read.", add: func(s *Secrets) { s.AddURL("http://host/rollback/confirmation-of-the-team") }, text: "no /rollback/confirmation-of-the-team", want: "no /rollback/confirmation-of-the-team"},
		"Longest":  {reason: "Nothing is left of a secret that begins with another.", add: func(s *Secrets) { s.Add("t0ken", "t0ken-and-more") }, text: "t0ken-and-more, t0ken", want: "***, ***"},
		"Overlap":  {reason: "Whichever came first.", add: func(s *Secrets) { s.Add("bcdef", "abcde") }, text: "abcdef", want: "***f"},
		"Header":   {reason: "A private header as a whole, and without its scheme.", add: func(s *Secrets) { s.AddHeader("Authorization", "Bearer t0ken") }, text: "Bearer t0ken, token t0ken", want: "***, token ***"},
		"Readable": {reason: "Other headers may be read.", add: func(s *Secrets) { s.AddHeader("Accept", "text/html text/plain") }, text: "no text/plain", want: "no text/plain"},
		"Whole": {reason: "Of an address that is a secret nothing is left but its host.", add: func(s *Secrets) {
			s.AddWholeURL(&url.URL{Scheme: "https", Host: "hooks.example", Path: "/services/T0/B0xyz", RawQuery: "sig=abcd"})
		}, text: "POST /services/T0/B0xyz?sig=abcd to hooks.example: no B0xyz, abcd", want: "POST *** to hooks.example: no ***, ***"},
		"NoScheme":   {reason: "Without a scheme a user looks like one.", add: func(s *Secrets) { s.AddURL("user:p4ssword@prom:9090") }, text: "dial user:p4ssword@prom:9090: p4ssword dXNlcjpwNHNzd29yZA==", want: "dial ***: *** ***"},
		"OneSlash":   {reason: "Nor is one slash a host.", add: func(s *Secrets) { s.AddURL("http:/user:p4ssword@prom:9090") }, text: "no p4ssword", want: "no ***"},
		"UserOnly":   {reason: "A user without a password is a token.", add: func(s *Secrets) { s.AddURL("http://t0ken-1@host/") }, text: "t0ken-1 dDBrZW4tMTo=", want: "*** ***"},
		"ShortPath":  {reason: "A key of a path may be short.", add: func(s *Secrets) { s.AddURL("http://host/api/v1beta1/T0AB12CD/go") }, text: "/api/v1beta1/T0AB12CD/go", want: "/api/v1beta1/***/go"},
		"MixedPath":  {reason: "Or have no digit.", add: func(s *Secrets) { s.AddURL("http://host/aBcDeFgHiJkLmNoP/confirmRollout") }, text: "/aBcDeFgHiJkLmNoP/confirmRollout", want: "/***/confirmRollout"},
		"BareKey":    {reason: "A query may be a key alone, or what values cannot hold.", add: func(s *Secrets) { s.AddURL("http://host/?abcdef&a=b%zz-key;c=d-key") }, text: "?abcdef&a=b%zz-key;c=d-key", want: "?***&a=***;c=***"},
		"Percent":    {reason: "A path is escaped in another way than a query.", add: func(s *Secrets) { s.Add("a key/1") }, text: "/a%20key%2F1", want: "/***"},
		"Cut":        {reason: "A text may have been cut off within a secret.", add: func(s *Secrets) { s.Add("s3cret-token") }, text: "no s3cret-t…", want: "no ***…"},
		"Unreadable": {reason: "An address that nobody can read is hidden as a whole.", add: func(s *Secrets) { s.AddURL("http://a b:c") }, text: "dial http://a b:c", want: "dial ***"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, having(tc.add).Hide(tc.text), tc.reason) })
	}
}

func TestPrivate(t *testing.T) {
	for name, want := range map[string]bool{
		"Authorization": true, "X-Api-Key": true, "X-Auth-Request": true, "cookie": true, "X-Hub-Signature": true, "X-Vault-TOKEN": true,
		"X-Team": false, "Content-Type": false, "X-Scope-OrgID": false,
	} {
		require.Equal(t, want, private(name), name)
	}
}

func TestHideError(t *testing.T) {
	s := having(func(s *Secrets) { s.Add("s3cret") })
	require.NoError(t, s.HideError(nil))
	plain := errors.New("403 Forbidden")
	require.Same(t, plain, s.HideError(plain), "Nothing has to be hidden.")
	below := errors.New("no s3cret")
	require.EqualError(t, s.HideError(below), "no ***")
	require.ErrorIs(t, s.HideError(below), below, "What it is can still be told.")
}

// TestSecretsAreCopied has two who add to the same secrets, as a template's are shared by the metrics of a round.
func TestSecretsAreCopied(t *testing.T) {
	shared := having(func(s *Secrets) { s.Add("first", "second-one", "third-secret") })
	var both sync.WaitGroup
	for _, more := range []string{"another-long-secret", "short"} {
		both.Go(func() {
			own := shared
			own.Add(more)
			if own.Hide(more+" first") != "*** ***" {
				t.Error("lost a secret")
			}
		})
	}
	both.Wait()
	require.Len(t, shared, 3)
}
