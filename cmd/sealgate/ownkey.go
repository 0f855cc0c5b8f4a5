package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/keyring"
)

type keyGenerate struct {
	Address string `arg:"" help:"Sender address."`
	Name    string `help:"Name in the user ID."`
	Kind    string `enum:"curve25519,rsa3072,rsa4096,v6" default:"curve25519" help:"curve25519, rsa3072, rsa4096 or v6 (no GnuPG reads v6)."`
	Until   string `help:"Last day as YYYY-MM-DD, or never; three years from now if not given."`
	Yes     bool   `help:"Make it even if the address has a key already, or no group writes as it."`
}

// Run generates.
func (k *keyGenerate) Run(s *session) error {
	until, never, err := lastDay(k.Until)
	if err != nil {
		return err
	}
	return s.with(func(p *parts) error {
		concerns, err := p.gateway.KeyConcerns(s.ctx, cli, k.Address)
		if err != nil {
			return err
		}
		if len(concerns) > 0 && !k.Yes {
			return errors.New(strings.Join(concerns, "; ") + "; make it all the same with --yes")
		}
		c, err := p.gateway.GenerateKey(s.ctx, cli, gateway.NewKey{
			Kind: keyring.Kind(k.Kind), Name: k.Name, Address: k.Address, Until: until, Never: never, Confirmed: true,
		})
		if err != nil {
			return err
		}
		fmt.Fprintln(s.out, c.Fingerprint)
		return nil
	})
}

// lastDay reads a day, or never; "" is neither. The whole day counts.
func lastDay(text string) (until time.Time, never bool, err error) {
	switch text {
	case "":
		return time.Time{}, false, nil
	case "never":
		return time.Time{}, true, nil
	}
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return time.Time{}, false, fmt.Errorf("%q is no day: write it as YYYY-MM-DD, or never", text)
	}
	return day.AddDate(0, 0, 1).Add(-time.Second), false, nil
}

type keyExtend struct {
	Fingerprint string `arg:"" help:"Fingerprint of a key of ours."`
	Until       string `required:"" help:"Last day as YYYY-MM-DD, or never."`
}

// Run extends, or shortens.
func (k *keyExtend) Run(s *session) error {
	until, _, err := lastDay(k.Until)
	if err != nil {
		return err
	}
	return s.changeKey(k.Fingerprint, func(p *parts, fingerprint string) (keyring.Change, error) {
		return p.gateway.ExtendKey(s.ctx, cli, fingerprint, until)
	})
}

// changeKey runs one change of an own key and prints what it brought.
func (s *session) changeKey(text string, do func(*parts, string) (keyring.Change, error)) error {
	return s.with(func(p *parts) error {
		fingerprint, err := s.fingerprint(p, text)
		if err != nil {
			return err
		}
		change, err := do(p, fingerprint)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "%s  %s\n", change.Fingerprint, strings.Join(change.Details, ", "))
		return nil
	})
}

// keySubkey holds what can be done with the subkeys of a key of ours.
type keySubkey struct {
	Add    subkeyAdd    `cmd:"" help:"Give a key of ours another subkey."`
	Retire subkeyRetire `cmd:"" help:"Revoke a subkey as superseded; old mail to it can still be opened."`
}

type subkeyAdd struct {
	Fingerprint string `arg:"" help:"Fingerprint of a key of ours."`
	Use         string `required:"" enum:"sign,encrypt" help:"sign or encrypt."`
	Days        int    `help:"Days until it ends; 0 lets it end with the certificate."`
}

// Run adds.
func (k *subkeyAdd) Run(s *session) error {
	return s.changeKey(k.Fingerprint, func(p *parts, fingerprint string) (keyring.Change, error) {
		return p.gateway.AddSubkey(s.ctx, cli, fingerprint, keyring.Use(k.Use), time.Duration(k.Days)*24*time.Hour)
	})
}

type subkeyRetire struct {
	Fingerprint string `arg:"" help:"Fingerprint of a key of ours."`
	Subkey      string `arg:"" help:"Fingerprint or key id of the subkey."`
}

// Run retires.
func (k *subkeyRetire) Run(s *session) error {
	return s.changeKey(k.Fingerprint, func(p *parts, fingerprint string) (keyring.Change, error) {
		return p.gateway.RetireSubkey(s.ctx, cli, fingerprint, k.Subkey)
	})
}

type keyRevoke struct {
	Fingerprint string `arg:"" help:"Fingerprint of a key of ours."`
	Reason      string `required:"" enum:"superseded,retired,compromised,no reason" help:"superseded, retired, compromised or 'no reason'. After the first two, old signatures stay good."`
	Text        string `help:"Words for those who read the certificate."`
	Yes         bool   `help:"Really revoke: it cannot be taken back."`
}

// Run revokes, once --yes is said.
func (k *keyRevoke) Run(s *session) error {
	if !k.Yes {
		return errors.New("a revoked key cannot be used again, and others learn of it; revoke it with --yes")
	}
	return s.changeKey(k.Fingerprint, func(p *parts, fingerprint string) (keyring.Change, error) {
		return p.gateway.RevokeKey(s.ctx, cli, fingerprint, keyring.RevocationReason(k.Reason), k.Text)
	})
}

type keyRevocation struct {
	Fingerprint string `arg:"" help:"Fingerprint of a key of ours."`
	Output      string `short:"o" default:"-" help:"File to write, or - for standard output."`
}

// Run writes the revocation made in advance.
func (k *keyRevocation) Run(s *session) error {
	return s.with(func(p *parts) error {
		fingerprint, err := s.fingerprint(p, k.Fingerprint)
		if err != nil {
			return err
		}
		f, err := p.gateway.RevocationCertificate(s.ctx, cli, fingerprint)
		if err != nil {
			return err
		}
		return s.output(k.Output, f.Content)
	})
}
