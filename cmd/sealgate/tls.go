package main

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"
)

// certificateFiles serves a TLS certificate from two files and reads them again when one changes, so that a renewed
// certificate needs no restart. It is safe for concurrent use.
type certificateFiles struct {
	certificate, key string

	mu      sync.Mutex
	current *tls.Certificate
	read    time.Time // newest modification time of what is current
}

// tlsFor returns the TLS settings of every listener, or nil when no certificate is configured.
func tlsFor(c tlsConfig) (*tls.Config, error) {
	if c.Certificate == "" {
		return nil, nil
	}
	files := &certificateFiles{certificate: c.Certificate, key: c.Key}
	if _, err := files.get(); err != nil {
		return nil, fmt.Errorf("TLS certificate: %w; check tls.certificate and tls.key", err)
	}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return files.get() },
	}, nil
}

// get returns the certificate, read again if a file changed. A change that cannot be read keeps the old one.
func (f *certificateFiles) get() (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	changed, err := newest(f.certificate, f.key)
	if f.current != nil && (err != nil || !changed.After(f.read)) {
		return f.current, nil
	}
	if err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(f.certificate, f.key)
	if err != nil {
		if f.current != nil {
			return f.current, nil
		}
		return nil, err
	}
	f.current, f.read = &pair, changed
	return f.current, nil
}

func newest(paths ...string) (time.Time, error) {
	var t time.Time
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			return t, err
		}
		if info.ModTime().After(t) {
			t = info.ModTime()
		}
	}
	return t, nil
}
