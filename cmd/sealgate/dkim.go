package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/dkim"
)

// dkimConfig says what is done with the DKIM signatures of others.
type dkimConfig struct {
	Verify bool `yaml:"verify" env:"VERIFY"` // judge those of what arrives
}

// verification is what judges them; nil for nothing.
func (c dkimConfig) verification() *gateway.DomainVerification {
	if !c.Verify {
		return nil
	}
	return &gateway.DomainVerification{}
}

// dkimCommand holds the use cases about keys that sign for our domains.
type dkimCommand struct {
	List       dkimList       `cmd:"" help:"List the keys: which are active, and what the DNS last said."`
	Generate   dkimGenerate   `cmd:"" help:"Make keys for a domain, and print the records to publish."`
	Import     dkimImport     `cmd:"" help:"Take over a key from another server, under the selector that is published already."`
	Show       dkimShow       `cmd:"" help:"Print the record to publish of one key."`
	Check      dkimCheck      `cmd:"" help:"Look whether the DNS has the record of a key."`
	Activate   dkimActivate   `cmd:"" help:"Sign with a key from now on."`
	Deactivate dkimDeactivate `cmd:"" help:"Sign with a key no more; it is kept."`
	Delete     dkimDelete     `cmd:"" help:"Delete a key that is not active, with its secret."`
}

// Help teaches what the commands are for, in the order in which they are used.
func (dkimCommand) Help() string {
	return `DKIM is optional. A DKIM signature tells receiving servers that a domain answers for a message; they look its
public key up in the DNS. Switch it on when Sealgate is the last server that changes your mail. When a server behind it
signs for your domain already, leave it to that one.

 1. generate DOMAIN         makes an RSA and an Ed25519 key and prints two TXT records
 2. publish the records     at whoever runs your DNS
 3. check DOMAIN SELECTOR   until it says that the record is there
 4. activate DOMAIN SELECTOR

To change keys, do the same with new ones, then deactivate the old ones. Leave the old records in the DNS for a week, so
that mail on its way still verifies; then delete the old keys and their records.

DOMAIN is what stands behind the @ of a sender address. SELECTOR is the name of one of its keys.`
}

// checkDKIM looks at the keys that sign. Where there are none, it says nothing: DKIM is optional.
func (d *doctor) checkDKIM(ctx context.Context, p *parts) {
	active, problems, err := p.gateway.DKIMProblems(ctx, cli)
	switch {
	case err != nil:
		d.wrong("DKIM", err.Error())
	case active > 0 && len(problems) == 0:
		d.well("DKIM", fmt.Sprintf("keys that sign: %d", active))
	}
	for _, problem := range problems {
		d.wrong("DKIM", problem)
	}
}

// dkimNamed names one key.
type dkimNamed struct {
	Domain   string `arg:"" help:"Domain, such as example.org."`
	Selector string `arg:"" help:"Selector, such as sg20261123-rsa; see: sealgate dkim list."`
}

type dkimList struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Run lists.
func (d *dkimList) Run(s *session) error {
	return s.with(func(p *parts) error {
		keys, err := p.gateway.DKIMKeys(s.ctx, cli)
		if err != nil {
			return err
		}
		if d.JSON {
			return s.json(dkimItems(keys))
		}
		var rows [][]string
		for _, k := range keys {
			state := "inactive"
			if k.Active {
				state = "active"
			}
			rows = append(rows, []string{k.Domain, k.Selector, k.Algorithm, state, dkimSeen(k)})
		}
		return s.table("DOMAIN | SELECTOR | KIND | STATE | DNS", rows)
	})
}

// dkimItem is a key for programs.
type dkimItem struct {
	Domain    string `json:"domain"`
	Selector  string `json:"selector"`
	Algorithm string `json:"algorithm"`
	Origin    string `json:"origin"`
	Active    bool   `json:"active"`
	Used      bool   `json:"used"`
	Name      string `json:"name"`
	Record    string `json:"record"`
	Finding   string `json:"finding"`
}

func dkimItems(keys []gateway.DKIMKey) []dkimItem {
	items := []dkimItem{}
	for _, k := range keys {
		items = append(items, dkimItem{
			k.Domain, k.Selector, k.Algorithm, k.Origin, k.Active, k.Used, k.Record.Name(), k.Record.Value(), k.Finding,
		})
	}
	return items
}

// dkimSeen says in few words what the last look at the DNS saw.
func dkimSeen(k gateway.DKIMKey) string {
	if k.Finding == "" {
		return "not checked"
	}
	return fmt.Sprintf("%s on %s", k.Finding, k.Checked.UTC().Format("2006-01-02 15:04"))
}

type dkimGenerate struct {
	Domain   string `arg:"" help:"Domain, such as example.org."`
	Selector string `help:"Name of the key in the DNS; made from the day if not given. Two keys made at once end with their kind."`
	Kind     string `enum:"both,rsa,ed25519" default:"both" help:"both, rsa (2048 bits, read by everybody) or ed25519 (smaller; not yet read by everybody)."`
}

// Run generates.
func (d *dkimGenerate) Run(s *session) error {
	n := gateway.NewDKIMKey{Domain: d.Domain, Selector: d.Selector}
	if d.Kind != "both" {
		n.Algorithm = dkim.Algorithm(d.Kind)
	}
	return s.with(func(p *parts) error {
		keys, err := p.gateway.GenerateDKIMKeys(s.ctx, cli, n)
		if err != nil {
			return err
		}
		s.dkimRecords(keys...)
		s.said("Publish these records, then run for each: sealgate dkim check %s SELECTOR", keys[0].Domain)
		return nil
	})
}

// dkimRecords prints records as lines of a zone file.
func (s *session) dkimRecords(keys ...gateway.DKIMKey) {
	for _, k := range keys {
		fmt.Fprintln(s.out, k.Record.Line())
		if !k.Used {
			s.said("No group writes as an address of %s yet, so nothing is signed with %s.", k.Domain, k.Selector)
		}
	}
}

// maxDKIMKey is the largest file with a key, in bytes.
const maxDKIMKey = 64 << 10

type dkimImport struct {
	dkimNamed
	File string `arg:"" help:"File with the secret key in PEM form, not locked; or - for standard input."`
}

// Run imports.
func (d *dkimImport) Run(s *session) error {
	text, err := s.input(d.File, maxDKIMKey)
	if err != nil {
		return err
	}
	defer clear(text)
	return s.with(func(p *parts) error {
		k, err := p.gateway.ImportDKIMKey(s.ctx, cli, d.Domain, d.Selector, text)
		if err != nil {
			return err
		}
		s.dkimRecords(k)
		return nil
	})
}

type dkimShow struct{ dkimNamed }

// Run shows.
func (d *dkimShow) Run(s *session) error {
	return s.dkimKey(d.dkimNamed, func(p *parts) (gateway.DKIMKey, error) { return p.gateway.DKIMKey(s.ctx, cli, d.Domain, d.Selector) },
		func(k gateway.DKIMKey) error {
			s.dkimRecords(k)
			s.said("Name:  %s\nType:  TXT\nValue: %s\nDNS:   %s", k.Record.Name(), k.Record.Value(), k.Sentence())
			return nil
		})
}

// dkimKey runs one use case about a key and tells of the result.
func (s *session) dkimKey(n dkimNamed, do func(*parts) (gateway.DKIMKey, error), tell func(gateway.DKIMKey) error) error {
	return s.with(func(p *parts) error {
		k, err := do(p)
		if errors.Is(err, gateway.ErrNotFound) {
			return fmt.Errorf("%s has no key with the selector %s; see: sealgate dkim list", n.Domain, n.Selector)
		}
		if err != nil {
			return err
		}
		return tell(k)
	})
}

type dkimCheck struct{ dkimNamed }

// Run checks; it fails when verifiers do not find the key.
func (d *dkimCheck) Run(s *session) error {
	return s.dkimKey(d.dkimNamed, func(p *parts) (gateway.DKIMKey, error) {
		return p.gateway.CheckDKIMKey(s.ctx, cli, d.Domain, d.Selector)
	},
		func(k gateway.DKIMKey) error {
			if !dkim.Finding(k.Finding).Seen() {
				return errors.New(strings.TrimSuffix(k.Sentence(), "."))
			}
			fmt.Fprintln(s.out, k.Sentence())
			return nil
		})
}

type dkimActivate struct {
	dkimNamed
	Unseen bool `help:"Even if its record was not seen in the DNS: where Sealgate asks no DNS, or another one than the world."`
}

// Run activates.
func (d *dkimActivate) Run(s *session) error {
	return s.dkimKey(d.dkimNamed, func(p *parts) (gateway.DKIMKey, error) {
		return p.gateway.ActivateDKIMKey(s.ctx, cli, d.Domain, d.Selector, d.Unseen)
	}, func(k gateway.DKIMKey) error {
		s.said("Mail from %s is signed with %s from now on.", k.Domain, k.Selector)
		return nil
	})
}

type dkimDeactivate struct{ dkimNamed }

// Run deactivates.
func (d *dkimDeactivate) Run(s *session) error {
	return s.dkimKey(d.dkimNamed, func(p *parts) (gateway.DKIMKey, error) {
		return p.gateway.DeactivateDKIMKey(s.ctx, cli, d.Domain, d.Selector)
	}, func(k gateway.DKIMKey) error {
		s.said("Mail from %s is not signed with %s any more. Leave its record in the DNS for a week.", k.Domain, k.Selector)
		return nil
	})
}

type dkimDelete struct {
	dkimNamed
	Yes bool `help:"Really delete: the secret cannot be had back."`
}

// Run deletes, once --yes is said.
func (d *dkimDelete) Run(s *session) error {
	if !d.Yes {
		return errors.New("the secret of a deleted key cannot be had back; delete it with --yes")
	}
	return s.dkimKey(d.dkimNamed, func(p *parts) (gateway.DKIMKey, error) {
		return gateway.DKIMKey{}, p.gateway.DeleteDKIMKey(s.ctx, cli, d.Domain, d.Selector)
	}, func(gateway.DKIMKey) error {
		s.said("Deleted. Take %s._domainkey.%s out of the DNS, too.", d.Selector, d.Domain)
		return nil
	})
}
