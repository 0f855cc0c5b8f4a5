package smarthost

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
)

// Pin is the SHA-256 of a server's public key (its SubjectPublicKeyInfo, DER). It survives a renewed certificate for the
// same key.
type Pin [sha256.Size]byte

// PinOf is the pin of a certificate's key.
func PinOf(c *x509.Certificate) Pin { return sha256.Sum256(c.RawSubjectPublicKeyInfo) }

// ParsePin reads a pin in hexadecimal, with or without colons, or in base64 as in RFC 7469, with or without "sha256/".
func ParsePin(text string) (Pin, error) {
	text = strings.TrimPrefix(strings.TrimSpace(text), "sha256/")
	raw, err := hex.DecodeString(strings.ReplaceAll(text, ":", ""))
	if err != nil {
		raw, err = base64.StdEncoding.DecodeString(text)
	}
	if err != nil || len(raw) != len(Pin{}) {
		return Pin{}, errors.New("a pin is the SHA-256 of a public key: 64 hexadecimal digits, or 44 characters of base64")
	}
	return Pin(raw), nil
}

// String is the pin in base64.
func (p Pin) String() string { return base64.StdEncoding.EncodeToString(p[:]) }

// onePin accepts a server whose own key is pinned. Names, dates and authorities do not matter then.
func onePin(pins []Pin) func([]*x509.Certificate) error {
	return func(chain []*x509.Certificate) error {
		if came := PinOf(chain[0]); !slices.Contains(pins, came) {
			return &doubt{"the mail server's key is not the pinned one: expected " + written(pins) + ", and " + came.String() + " came; if it was changed on purpose, pin the new one"}
		}
		return nil
	}
}

func written(pins []Pin) string {
	all := make([]string, 0, len(pins))
	for _, p := range pins[:min(len(pins), 3)] {
		all = append(all, p.String())
	}
	return strings.Join(all, " or ")
}
