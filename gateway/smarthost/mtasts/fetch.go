package mtasts

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// patience bounds one fetch (RFC 8461, section 3.3 suggests a minute at most).
const patience = 30 * time.Second

// fetch gets a policy by HTTPS: one request, no redirection, no cache in between, a certificate for exactly this name.
func (s *Store) fetch(ctx context.Context, domain string) (Policy, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	transport := &http.Transport{
		DialContext:            s.dialName,
		TLSClientConfig:        &tls.Config{RootCAs: s.Roots, MinVersion: tls.VersionTLS12},
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: maxPolicy,
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://mta-sts."+domain+"/.well-known/mta-sts.txt", http.NoBody)
	if err != nil {
		return Policy{}, fmt.Errorf("ask for the MTA-STS policy: %w", err)
	}
	response, err := client.Do(request)
	if err != nil {
		return Policy{}, fmt.Errorf("fetch the MTA-STS policy: %w", err)
	}
	defer response.Body.Close()
	return read(response)
}

func read(response *http.Response) (Policy, error) {
	if response.StatusCode != http.StatusOK {
		return Policy{}, fmt.Errorf("fetch the MTA-STS policy: the web server answers %d and not 200", response.StatusCode)
	}
	if kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err != nil || kind != "text/plain" {
		return Policy{}, errors.New("fetch the MTA-STS policy: it does not come as text/plain")
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxPolicy+1))
	if err != nil {
		return Policy{}, fmt.Errorf("fetch the MTA-STS policy: %w", err)
	}
	return Parse(string(text))
}

// dialName connects to the first address of the web server that answers.
func (s *Store) dialName(ctx context.Context, _, hostPort string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		return nil, err
	}
	reply, err := s.Resolver.Addresses(ctx, host)
	if err != nil {
		return nil, err
	}
	err = errors.New("the web server has no address")
	for _, address := range reply.Records[:min(4, len(reply.Records))] {
		conn, failure := s.dial(ctx, netip.AddrPortFrom(address, 443))
		if failure == nil {
			return conn, nil
		}
		err = failure
	}
	return nil, err
}

func (s *Store) dial(ctx context.Context, address netip.AddrPort) (net.Conn, error) {
	if s.Dial != nil {
		return s.Dial(ctx, address)
	}
	if a := address.Addr().Unmap(); !a.IsGlobalUnicast() {
		return nil, fmt.Errorf("the web server has the address %s, which is not public", a)
	}
	return (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", address.String())
}
