package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/keyring/discover"
)

// publishConfig says what everybody may read of our own certificates, without a login.
type publishConfig struct {
	WKD       bool   `yaml:"wkd" env:"WKD"`             // answer as the web key directory of our groups' domains
	Page      bool   `yaml:"page" env:"PAGE"`           // a page for each sender address
	List      bool   `yaml:"list" env:"LIST"`           // and one that lists them
	Keyserver string `yaml:"keyserver" env:"KEYSERVER"` // https://HOST, for uploads on request; "" for none
}

// check finds a keyserver that takes no uploads.
func (p publishConfig) check() error {
	if p.Keyserver == "" {
		return nil
	}
	if !strings.HasPrefix(p.Keyserver, "https://") {
		return fmt.Errorf("configuration: publish.keyserver %q must be https://HOST, of a keyserver with the VKS interface", p.Keyserver)
	}
	if err := discover.CheckKeyserver(p.Keyserver); err != nil {
		return fmt.Errorf("configuration: publish.keyserver: %w", err)
	}
	return nil
}

func (p publishConfig) publishing() gateway.Publishing {
	return gateway.Publishing{WKD: p.WKD, Page: p.Page, List: p.List, Keyserver: p.Keyserver}
}

type keyUpload struct {
	Certificate string `arg:"" name:"address-or-fingerprint" help:"Address or fingerprint of a key of ours."`
	Keyserver   string `help:"https://HOST of a keyserver with the VKS interface, in place of publish.keyserver."`
}

// Run uploads, and says for each address what to do next.
func (k *keyUpload) Run(s *session) error {
	return s.with(func(p *parts) error {
		fingerprint, err := s.fingerprint(p, k.Certificate)
		if err != nil {
			return err
		}
		report, err := p.gateway.UploadCertificate(s.ctx, cli, fingerprint, k.Keyserver)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "%s is on %s: whoever knows its fingerprint can get it there.\n", report.Fingerprint, report.Keyserver)
		for _, u := range report.Addresses {
			fmt.Fprintf(s.out, "%s  %s\n    %s\n", u.Address, u.Status, u.Sentence())
		}
		return nil
	})
}

type keyPublished struct {
	Address string `arg:"" optional:"" help:"One of our sender addresses; all of them if not given."`
}

// Run says what everybody may read, and where.
func (k *keyPublished) Run(s *session) error {
	return s.with(func(p *parts) error {
		all, err := p.gateway.AllPublished(s.ctx)
		if err != nil {
			return err
		}
		shown := 0
		for _, one := range all {
			if k.Address == "" || strings.EqualFold(k.Address, one.Address) {
				s.published(p.gateway.Publishing, one)
				shown++
			}
		}
		if shown == 0 {
			return errors.New("no group writes as this; give a group its address first, with sealgate group")
		}
		return nil
	})
}

func (s *session) published(by gateway.Publishing, p gateway.Published) {
	if p.Certificate == nil {
		fmt.Fprintf(s.out, "%s  nothing is published: make its key with sealgate key generate %s\n", p.Address, p.Address)
		return
	}
	fmt.Fprintf(s.out, "%s  %s  %s\n", p.Address, cmp.Or(string(p.Reason), "usable"), p.Certificate.Fingerprint)
	for _, c := range p.Revoked {
		fmt.Fprintf(s.out, "    and, as revoked, %s\n", c.Fingerprint)
	}
	if by.Page {
		fmt.Fprintf(s.out, "    page: /keys/%s\n", url.PathEscape(p.Address))
	}
	if by.WKD {
		advanced, direct := p.Locations()
		fmt.Fprintf(s.out, "    web key directory: %s\n    or: %s\n", advanced, direct)
	}
}
