package outbound

import (
	"crypto/x509"
	"errors"
	"net"
	"net/url"
)

// Cause is what went wrong with a request, without what must not or cannot stand in a condition: the URL, which may hold
// credentials, and the local port, which is another one each time. The host is named by whoever wraps this.
//
// Conditions are compared with what is stored: an error that differs each time would be written each time.
func Cause(err error) error {
	if address := refused(err); address != nil {
		return address
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return &failure{text: op.Op + ": " + op.Err.Error(), err: op}
	}
	if refused := certificate(err); refused != nil {
		return refused
	}
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// Short is an error of one line that fits into an event, for one that may quote what a server has sent.
func Short(err error, most int) error { return &failure{text: Line(err.Error(), most), err: err} }

// failure is an error in other words. What is below it is seen by errors.Is and errors.As: a queue looks for the
// operation that failed.
type failure struct {
	text string
	err  error
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.err }

// certificate says what is wrong with the server's.
func certificate(err error) error {
	// Its own text has the present time in it, which would make every round's error another one.
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
		return errors.New("the server's certificate has expired, or is not valid yet")
	}
	// This one only names what is missing, whichever of Go's hints came along.
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &unknown) {
		return errors.New("the server's certificate is signed by an unknown authority")
	}
	return nil
}
