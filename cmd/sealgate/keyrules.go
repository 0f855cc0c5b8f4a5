package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/keyring"
)

type keyDump struct {
	File           string `arg:"" help:"File to import."`
	PassphraseFile string `help:"File whose first line unlocks secret keys."`
}

// Run prints what was refused, and at the end how many of each outcome there were.
func (k *keyDump) Run(s *session) error {
	file, err := os.Open(k.File)
	if err != nil {
		return s.fileError(k.File, err)
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
			if c.Outcome == keyring.Refused || len(c.Conflicts) > 0 {
				s.reportChange(c)
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
		fingerprint, err := s.fingerprint(p, k.Fingerprint)
		if err != nil {
			return err
		}
		if err := p.gateway.PinCertificate(s.ctx, cli, k.Target, fingerprint); err != nil {
			return err
		}
		if strings.Contains(k.Target, "@") {
			s.said("Mail to %s is encrypted to %s from now on.", k.Target, fingerprint)
		} else {
			s.said("Mail to addresses of %s that have no certificate of their own is encrypted to %s from now on.", k.Target, fingerprint)
		}
		return nil
	})
}

type keyUnpin struct {
	Target string `arg:"" help:"Mail address or domain."`
}

// Run unpins.
func (k *keyUnpin) Run(s *session) error {
	return s.with(func(p *parts) error {
		err := p.gateway.UnpinCertificate(s.ctx, cli, k.Target)
		if errors.Is(err, gateway.ErrNotFound) {
			return fmt.Errorf("there is no rule for %s; see: sealgate key rules", k.Target)
		}
		return err
	})
}

type keyTags struct {
	Domain string `arg:"" help:"Domain, or * for all."`
	Count  bool   `help:"Do not ignore them any more."`
}

// Run changes what happens to tags.
func (k *keyTags) Run(s *session) error {
	return s.with(func(p *parts) error { return p.gateway.IgnoreTags(s.ctx, cli, k.Domain, !k.Count) })
}

type keyRules struct{}

// Run lists every rule.
func (keyRules) Run(s *session) error {
	return s.with(func(p *parts) error {
		rules, err := p.gateway.CertificateRules(s.ctx, cli, "")
		if err != nil {
			return err
		}
		domains, err := p.gateway.TagDomains(s.ctx, cli)
		if err != nil {
			return err
		}
		var rows [][]string
		for _, r := range rules {
			rows = append(rows, []string{r.Target, "use " + r.Fingerprint, r.Since.Format(time.DateOnly)})
		}
		for _, d := range domains {
			rows = append(rows, []string{d, "ignore +tags", ""})
		}
		return s.table("FOR | RULE | SINCE", rows)
	})
}
