package analysis

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHidden(t *testing.T) {
	cases := map[string]struct {
		reason string
		hidden hidden
		text   string
		want   string
	}{
		"Nothing":    {reason: "Without secrets a text stays as it is.", text: "403 Forbidden", want: "403 Forbidden"},
		"Word":       {reason: "A secret is blacked out wherever it is.", hidden: hidden(nil).hide("s3cret"), text: "s3cret and xs3crety", want: "*** and x***y"},
		"Short":      {reason: "What is too short to be one would be found everywhere.", hidden: hidden(nil).hide("no", ""), text: "not now", want: "not now"},
		"Escaped":    {reason: "A server may quote it as it stood in the request.", hidden: hidden(nil).hide("a b/c+d"), text: "?key=a+b%2Fc%2Bd", want: "?key=***"},
		"Data":       {reason: "Everything in a Secret, without its line break.", hidden: hidden(nil).hideData(map[string][]byte{"any": []byte("value\n")}), text: "value!", want: "***!"},
		"Basic":      {reason: "A name and a password as they are sent.", hidden: hidden(nil).hideData(map[string][]byte{"username": []byte("me"), "password": []byte("p4ss")}), text: "Basic bWU6cDRzcw==", want: "Basic ***"},
		"Password":   {reason: "The password of an address.", hidden: hidden(nil).hideURL("http://me:p4ssword@host/"), text: "me p4ssword bWU6cDRzc3dvcmQ=", want: "me *** ***"},
		"Query":      {reason: "The values of its query.", hidden: hidden(nil).hideURL("http://host/?sig=abcdef&v=1"), text: "GET /?sig=abcdef&v=1", want: "GET /?sig=***&v=1"},
		"Path":       {reason: "Parts of its path that are no words.", hidden: hidden(nil).hideURL("http://host/hooks/0123456789abcdef0123/go"), text: "no /hooks/0123456789abcdef0123/go", want: "no /hooks/***/go"},
		"Words":      {reason: "Words of a path may be read.", hidden: hidden(nil).hideURL("http://host/rollback/confirmation-of-the-team"), text: "no /rollback/confirmation-of-the-team", want: "no /rollback/confirmation-of-the-team"},
		"Longest":    {reason: "Nothing is left of a secret that begins with another.", hidden: hidden(nil).hide("t0ken", "t0ken-and-more"), text: "t0ken-and-more, t0ken", want: "***, ***"},
		"Overlap":    {reason: "Whichever came first.", hidden: hidden(nil).hide("bcdef", "abcde"), text: "abcdef", want: "***f"},
		"Header":     {reason: "A private header as a whole, and without its scheme.", hidden: hidden(nil).hideHeader("Authorization", "Bearer t0ken"), text: "Bearer t0ken, token t0ken", want: "***, token ***"},
		"Readable":   {reason: "Other headers may be read.", hidden: hidden(nil).hideHeader("Accept", "text/html text/plain"), text: "no text/plain", want: "no text/plain"},
		"Unreadable": {reason: "An address that nobody can read is hidden as a whole.", hidden: hidden(nil).hideURL("http://a b:c"), text: "dial http://a b:c", want: "dial ***"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, tc.hidden.in(tc.text), tc.reason) })
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

func TestShown(t *testing.T) {
	cases := map[string]struct {
		reason, address, want string
	}{
		"Plain":      {reason: "An address without secrets.", address: "http://prometheus:9090/prom", want: "http://prometheus:9090/prom"},
		"Secrets":    {reason: "Neither its user nor its query.", address: "https://me:p4ss@prometheus/x?token=t0ken", want: "https://prometheus/x"},
		"Unreadable": {reason: "One that nobody can read is not quoted.", address: "http://a b:c", want: "the metrics server"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, shown(tc.address), tc.reason) })
	}
}
