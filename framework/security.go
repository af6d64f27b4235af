package framework

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// security is how masters are spoken to over TLS. It is read once, but for the client's certificate, which may be renewed
// while we run.
func (c *Config) security() (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read CA file: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read CA file %s: it holds no certificate in PEM", c.CAFile)
		}
	}
	if (c.ClientCert == "") != (c.ClientKey == "") {
		return nil, errors.New("client certificate: give both the certificate and its key, or none")
	}
	if c.ClientCert == "" {
		return t, nil
	}
	if _, err := c.clientCertificate(); err != nil {
		return nil, err
	}
	t.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c.clientCertificate() }
	return t, nil
}

func (c *Config) clientCertificate() (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(c.ClientCert, c.ClientKey)
	if err != nil {
		return nil, fmt.Errorf("read client certificate: %w", err)
	}
	if now := time.Now(); pair.Leaf != nil && now.After(pair.Leaf.NotAfter) {
		return nil, fmt.Errorf("client certificate %s has expired on %s: renew it", c.ClientCert, pair.Leaf.NotAfter.Format(time.DateTime))
	}
	return &pair, nil
}

// explained says in words of an operator what is wrong with a connection, where an error's own words do not.
func explained(err error) error {
	if unknown, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return fmt.Errorf("its certificate is signed by nobody whom we trust (give the CA's certificate with --ca-file): %w", unknown)
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired && invalid.Cert != nil {
		return fmt.Errorf("its certificate is valid from %s to %s only: %w",
			invalid.Cert.NotBefore.Format(time.DateTime), invalid.Cert.NotAfter.Format(time.DateTime), invalid)
	}
	if other, ok := errors.AsType[x509.HostnameError](err); ok {
		return fmt.Errorf("its certificate is for another name: %w", other)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return fmt.Errorf("it ends the TLS handshake (does it want another --client-cert?): %w", op.Err)
	}
	if errors.Is(err, http.ErrSchemeMismatch) {
		return fmt.Errorf("it speaks no TLS (want http://): %w", err)
	}
	return err
}

// oneLine keeps a message from outside from breaking a log line.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
