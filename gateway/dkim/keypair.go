package dkim

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/net/idna"
)

// Algorithm is a kind of key, as the k= tag of a key record names it.
type Algorithm string

// The algorithms (RFC 6376, section 3.3.1; RFC 8463).
const (
	RSA     Algorithm = "rsa"
	Ed25519 Algorithm = "ed25519"
)

// Limits of keys that are made or imported.
const (
	rsaBits = 2048     // a larger key does not fit into one string of a TXT record, nor into every DNS console
	maxRSA  = 4096     // bits; verifiers need not take more (RFC 8301, section 3.2)
	maxPEM  = 64 << 10 // bytes
)

// Generate makes a secret key.
func Generate(algorithm Algorithm, random io.Reader) (crypto.Signer, error) {
	switch algorithm {
	case RSA:
		return rsa.GenerateKey(random, rsaBits)
	case Ed25519:
		_, key, err := ed25519.GenerateKey(random)
		return key, err
	}
	return nil, fmt.Errorf("%.20q is no kind of DKIM key; choose rsa or ed25519", algorithm)
}

// ParsePEM reads one secret key: PKCS#8, or an RSA key in PKCS#1, as openssl and opendkim-genkey write them. Its errors
// are sentences for people.
func ParsePEM(text []byte) (crypto.Signer, error) {
	if len(text) > maxPEM {
		return nil, errors.New("this is far too large to be a DKIM key")
	}
	block, rest := pem.Decode(text)
	if block == nil {
		return nil, errors.New("no key in PEM form was found; it begins with -----BEGIN PRIVATE KEY-----")
	}
	defer clear(block.Bytes)
	if more, _ := pem.Decode(rest); more != nil {
		return nil, errors.New("there is more than one key; import one at a time")
	}
	if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
		return nil, errors.New("the key is locked with a passphrase; unlock it with openssl pkey first")
	}
	return parseKey(block.Type, block.Bytes)
}

func parseKey(blockType string, der []byte) (crypto.Signer, error) {
	if blockType == "RSA PRIVATE KEY" {
		key, err := x509.ParsePKCS1PrivateKey(der)
		if err != nil {
			return nil, errors.New("the RSA key is damaged")
		}
		return usableSigner(key)
	}
	if blockType != "PRIVATE KEY" {
		return nil, fmt.Errorf("this is no secret key but %.40q; DKIM needs an RSA or Ed25519 key that begins with -----BEGIN PRIVATE KEY-----", blockType)
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errors.New("the key is damaged, or of a kind that DKIM does not know; it needs an RSA or Ed25519 key")
	}
	return usableSigner(key)
}

func usableSigner(key any) (crypto.Signer, error) {
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("the key cannot sign; DKIM needs an RSA or Ed25519 key")
	}
	if err := usablePublic(signer.Public()); err != nil {
		return nil, err
	}
	if public, ok := signer.Public().(*rsa.PublicKey); ok && public.N.BitLen() > maxRSA {
		return nil, fmt.Errorf("the RSA key has %d bits; verifiers need not read more than %d", public.N.BitLen(), maxRSA)
	}
	return signer, nil
}

// Marshal is a secret key as PKCS#8. The caller wipes it.
func Marshal(key crypto.Signer) ([]byte, error) { return x509.MarshalPKCS8PrivateKey(key) }

// Parse reads what Marshal made.
func Parse(der []byte) (crypto.Signer, error) { return parseKey("PRIVATE KEY", der) }

// Public returns the kind of a key and its public half as in the p= tag of a key record.
func Public(key crypto.Signer) (Algorithm, string, error) {
	if public, ok := key.Public().(ed25519.PublicKey); ok {
		return Ed25519, base64.StdEncoding.EncodeToString(public), nil // RFC 8463, section 4: the key itself
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return "", "", fmt.Errorf("write public key: %w", err)
	}
	return RSA, base64.StdEncoding.EncodeToString(der), nil
}

// Record is what a domain publishes of one key, as a TXT record.
type Record struct {
	Domain    string
	Selector  string
	Algorithm Algorithm
	Public    string // base64
}

// Name is the owner name of the record, without the last dot.
func (r Record) Name() string { return r.Selector + "._domainkey." + r.Domain }

// Value is the text of the record (RFC 6376, section 3.6.1).
func (r Record) Value() string { return "v=DKIM1; k=" + string(r.Algorithm) + "; p=" + r.Public }

// maxString is the most of a text that one string of a TXT record holds (RFC 1035, section 3.3), in bytes.
const maxString = 255

// Line is the record as a line of a zone file, its text in as many strings as it needs.
func (r Record) Line() string {
	var line strings.Builder
	fmt.Fprintf(&line, "%s. IN TXT", r.Name())
	for part := range slices.Chunk([]byte(r.Value()), maxString) {
		fmt.Fprintf(&line, " %q", part)
	}
	return line.String()
}

// fits tells whether a record that was found is about the same key.
func (r Record) fits(found map[string]string) bool {
	algorithm := found["k"]
	if algorithm == "" {
		algorithm = string(RSA)
	}
	return algorithm == string(r.Algorithm) && samePublic(found["p"], r.Public)
}

// samePublic compares keys. QUIRK: some tools publish an RSA key without the wrapping that RFC 6376 asks for.
func samePublic(found, ours string) bool {
	one, err := base64.StdEncoding.DecodeString(found)
	if err != nil {
		return false
	}
	two, err := base64.StdEncoding.DecodeString(ours)
	if err != nil {
		return false
	}
	if key, err := x509.ParsePKCS1PublicKey(one); err == nil {
		wrapped, err := x509.MarshalPKIXPublicKey(key)
		return err == nil && bytes.Equal(wrapped, two)
	}
	return bytes.Equal(one, two)
}

// Domain is the form in which a domain signs: A-labels in lower case, without a dot at the end.
func Domain(text string) (string, error) {
	domain, err := idna.Lookup.ToASCII(strings.TrimSuffix(strings.TrimSpace(text), "."))
	if err != nil || !hostname(domain) || !strings.Contains(domain, ".") {
		return "", fmt.Errorf("%.100q is no domain; give what stands behind the @ of the sender addresses", text)
	}
	return strings.ToLower(domain), nil
}

// maxSelector is the longest selector, in bytes; the whole name must fit into the DNS.
const maxSelector = 63

// Selector is the form of a selector: lower-case labels.
func Selector(text string) (string, error) {
	selector := strings.ToLower(strings.TrimSpace(text))
	if !hostname(selector) || len(selector) > maxSelector || strings.Contains(selector, "_") || strings.Trim(selector, "-") != selector {
		return "", fmt.Errorf("%.100q is no selector; choose letters, digits, hyphens and dots, such as mail2026", text)
	}
	return selector, nil
}
