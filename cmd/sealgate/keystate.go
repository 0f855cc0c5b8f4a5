package main

import (
	"fmt"

	"github.com/sealgate/sealgate/keyring"
)

type keyApprove struct {
	Fingerprint string `arg:"" help:"Fingerprint."`
}

// Run approves.
func (k *keyApprove) Run(s *session) error {
	return s.setState(k.Fingerprint, keyring.Approved, "approved: mail is encrypted to it, and its signatures count")
}

type keyBlock struct {
	Fingerprint string `arg:"" help:"Fingerprint."`
}

// Run blocks.
func (k *keyBlock) Run(s *session) error {
	return s.setState(k.Fingerprint, keyring.Blocked, "blocked: nothing is encrypted to it, and its signatures do not count")
}

type keyPropose struct {
	Fingerprint string `arg:"" help:"Fingerprint."`
}

// Run lets it wait again.
func (k *keyPropose) Run(s *session) error {
	return s.setState(k.Fingerprint, keyring.Proposed, "waiting for approval: nothing is encrypted to it until then")
}

func (s *session) setState(text string, state keyring.State, words string) error {
	return s.with(func(p *parts) error {
		fingerprint, err := s.fingerprint(p, text)
		if err != nil {
			return err
		}
		if err := p.gateway.SetCertificateState(s.ctx, cli, fingerprint, state); err != nil {
			return err
		}
		s.said("%s is %s.", fingerprint, words)
		return nil
	})
}

type keyWaiting struct {
	Limit  int `default:"100" help:"At most this many."`
	Offset int `help:"Skip this many."`
}

// Run prints each certificate that waits, and below it those in use for its addresses.
func (k *keyWaiting) Run(s *session) error {
	return s.with(func(p *parts) error {
		f := keyring.Filter{State: keyring.Proposed, Limit: k.Limit, Offset: k.Offset}
		found, total, err := p.gateway.Certificates(s.ctx, cli, f)
		if err != nil {
			return err
		}
		rivals, err := p.gateway.Rivals(s.ctx, cli, found)
		if err != nil {
			return err
		}
		for _, c := range found {
			fmt.Fprintf(s.out, "%s  %s, made %s\n", c.Fingerprint, sourceWord(c), c.Created.UTC().Format("2006-01-02"))
			for _, id := range c.UserIDs {
				fmt.Fprintf(s.out, "    user ID     %s\n", id.Text)
			}
			for _, r := range rivals[c.Fingerprint] {
				fmt.Fprintf(s.out, "    in use for  %s: %s\n", r.Address, r.Certificate.Fingerprint)
			}
		}
		fmt.Fprintf(s.out, "%d of %d wait for approval\n", len(found), total)
		if len(found) > 0 {
			s.said("Compare each fingerprint with its owner, then: sealgate key approve FINGERPRINT, or block")
		}
		return nil
	})
}
