package main

import (
	"fmt"
	"io"
	"os"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/keyring"
)

type keyDump struct {
	File           string `arg:"" type:"existingfile" help:"File to import."`
	PassphraseFile string `help:"File whose first line unlocks secret keys."`
}

// Run prints what was refused, and at the end how many of each outcome there were.
func (k *keyDump) Run(s *session) error {
	file, err := os.Open(k.File)
	if err != nil {
		return err
	}
	defer file.Close()
	passphrase, err := s.secret(k.PassphraseFile)
	if err != nil {
		return err
	}
	return s.with(func(p *parts) error { return s.importDump(p.gateway, file, passphrase) })
}

func (s *session) importDump(g *gateway.Gateway, r io.Reader, passphrase []byte) error {
	count := map[keyring.Outcome]int{}
	err := g.ImportDump(s.ctx, cli, r, passphrase, func(report gateway.ImportReport) error {
		for _, c := range report.Changes {
			count[c.Outcome]++
			if c.Outcome == keyring.Refused {
				fmt.Fprintf(s.out, "%d refused  %s\n    %s\n", c.Index, c.Fingerprint, c.Sentence)
			}
			if alert := c.Alert(); alert != "" {
				fmt.Fprintf(s.out, "%d waits  %s\n    %s\n", c.Index, c.Fingerprint, alert)
			}
		}
		return nil
	})
	fmt.Fprintf(s.out, "%d added, %d updated, %d unchanged, %d refused\n",
		count[keyring.Added], count[keyring.Updated], count[keyring.Unchanged], count[keyring.Refused])
	return err
}

type keyPin struct {
	Fingerprint string `arg:"" help:"Fingerprint."`
	Target      string `arg:"" help:"Mail address, or a domain for all of its addresses that have no certificate."`
}

// Run pins.
func (k *keyPin) Run(s *session) error {
	return s.with(func(p *parts) error {
		return p.gateway.PinCertificate(s.ctx, cli, k.Target, plainFingerprint(k.Fingerprint))
	})
}

type keyUnpin struct {
	Target string `arg:"" help:"Mail address or domain."`
}

// Run unpins.
func (k *keyUnpin) Run(s *session) error {
	return s.with(func(p *parts) error { return p.gateway.UnpinCertificate(s.ctx, cli, k.Target) })
}

type keyTags struct {
	Domain string `arg:"" help:"Domain, or * for all."`
	Count  bool   `help:"Do not ignore them any more."`
}

// Run changes what happens to tags.
func (k *keyTags) Run(s *session) error {
	return s.with(func(p *parts) error { return p.gateway.IgnoreTags(s.ctx, cli, k.Domain, !k.Count) })
}
