package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/keyring"
)

type keyShow struct {
	Fingerprint string `arg:"" help:"Fingerprint, key id, or mail address."`
}

// Run prints everything known about a certificate.
func (k *keyShow) Run(s *session) error {
	return s.with(func(p *parts) error {
		fingerprint, err := s.fingerprint(p, k.Fingerprint)
		if err != nil {
			return err
		}
		c, err := p.gateway.Certificate(s.ctx, cli, fingerprint)
		if err != nil {
			return err
		}
		rules, err := p.gateway.CertificateRules(s.ctx, cli, fingerprint)
		if err != nil {
			return err
		}
		seen, err := p.gateway.Sightings(s.ctx, cli, []*keyring.Certificate{c})
		if err != nil {
			return err
		}
		showCertificate(s.out, c, rules, p.gateway.Now())
		for _, words := range gateway.Unseen(seen[c.Fingerprint]) {
			fmt.Fprintf(s.out, "%-12s %s\n", "mail", words)
		}
		return nil
	})
}

func showCertificate(out io.Writer, c *keyring.Certificate, rules []keyring.Rule, now time.Time) {
	line := func(name, value string) { fmt.Fprintf(out, "%-12s %s\n", name, value) }
	line("fingerprint", c.Fingerprint)
	line("made", fmt.Sprintf("%s, %s, version %d", c.Created.UTC().Format(time.DateOnly), c.Algorithm, c.Version))
	line("expires", expiryWord(c.Expires))
	line("state", fmt.Sprintf("%s%s", c.State, map[bool]string{true: ", revoked by its owner"}[c.Revoked]))
	line("source", sourceWord(c))
	line("key", secretWord(c))
	for _, id := range c.UserIDs {
		line("user ID", id.Text+map[bool]string{true: " (revoked)"}[id.Revoked]+map[bool]string{true: " (not valid now)"}[!id.Valid && !id.Revoked])
	}
	for _, sub := range c.Subkeys {
		line("subkey", subkeyInWords(sub))
	}
	for _, r := range rules {
		line("used for", r.Target+", since "+r.Since.Format(time.DateOnly))
	}
	line("encrypt to", usableWord(c.Judge(keyring.ToEncrypt, now)))
	line("sign with", usableWord(c.Judge(keyring.ToSign, now)))
	line("verify with", usableWord(c.Judge(keyring.ToVerify, now)))
}

func subkeyInWords(sub keyring.Subkey) string {
	var may []string
	if sub.CanSign {
		may = append(may, "sign")
	}
	if sub.CanEncrypt {
		may = append(may, "encrypt")
	}
	if len(may) == 0 {
		may = append(may, "neither sign nor encrypt")
	}
	words := fmt.Sprintf("%s %s, may %s, expires %s", sub.Fingerprint, sub.Algorithm, strings.Join(may, " and "), expiryWord(sub.Expires))
	if sub.Revoked {
		words += ", revoked"
	}
	return words
}

func usableWord(j keyring.Judgement) string {
	if j.Reason == keyring.Usable {
		return "yes"
	}
	return "no. " + j.Sentence
}

// sourceWord says where a certificate came from, and when.
func sourceWord(c *keyring.Certificate) string {
	return string(c.Source) + " " + c.ImportedAt.UTC().Format(time.DateOnly)
}

// plainFingerprint takes the blanks and the 0x out of a fingerprint as people write it.
func plainFingerprint(s string) string {
	s = strings.ToUpper(strings.Join(strings.Fields(s), ""))
	return strings.TrimPrefix(s, "0X")
}

// keyIDLength is that of a key id in hex digits.
const keyIDLength = 16

// fingerprint finds the certificate that a person means: by fingerprint, key id or mail address. What fits several
// certificates fits none.
func (s *session) fingerprint(p *parts, text string) (string, error) {
	plain := plainFingerprint(text)
	var found []*keyring.Certificate
	switch {
	case strings.Contains(text, "@"):
		byAddress, err := p.gateway.Keyring.ByAddress(s.ctx, []string{text}, p.gateway.Now())
		if err != nil {
			return "", err
		}
		found = byAddress[text]
	case len(plain) == keyIDLength:
		var err error
		if found, err = p.gateway.Keyring.ByKeyID(s.ctx, []string{plain}, p.gateway.Now()); err != nil {
			return "", err
		}
	default:
		return plain, nil
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("%s: %w", text, gateway.ErrNotFound)
	case 1:
		return found[0].Fingerprint, nil
	}
	var all []string
	for _, c := range found {
		all = append(all, c.Fingerprint)
	}
	return "", fmt.Errorf("%s has %d certificates; name the fingerprint of one: %s", text, len(all), strings.Join(all, ", "))
}
