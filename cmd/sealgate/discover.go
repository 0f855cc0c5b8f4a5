package main

import (
	"fmt"
	"io"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/keyring"
	"github.com/sealgate/sealgate/keyring/discover"
)

// check finds a keyserver that cannot be asked.
func (d discoverConfig) check() error {
	if d.Keyserver == "" {
		return nil
	}
	if err := discover.CheckKeyserver(d.Keyserver); err != nil {
		return fmt.Errorf("configuration: discover.keyserver: %w", err)
	}
	return nil
}

// discovery wires what finds certificates. With everything switched off it asks nothing.
func (p *parts) discovery(c discoverConfig, g *gateway.Gateway) *gateway.Discovery {
	d := &gateway.Discovery{
		Store:  discover.NewStore(p.db),
		Finder: &discover.Finder{Network: &discover.Network{}, WKD: c.WKD, Keyserver: c.Keyserver, Now: g.Now},
		Look:   discover.Look{Autocrypt: c.Autocrypt, Gossip: c.Autocrypt, Attached: c.Attachments},
	}
	d.Worker = &discover.Worker{
		Store: d.Store, Finder: d.Finder, Propose: g.Propose, AddressesOf: g.AddressesOf,
		Wanted: g.QueueLookups, Now: g.Now, Log: p.log,
	}
	if c.Refresh {
		d.Worker.Known = g.EachForeign
	}
	return d
}

// discoverCommand looks for one address.
type discoverCommand struct {
	Address string `arg:"" help:"Mail address."`
}

// Run asks, and reports each question and each certificate.
func (d *discoverCommand) Run(s *session) error {
	return s.with(func(p *parts) error {
		report, err := p.gateway.DiscoverAddress(s.ctx, cli, d.Address)
		if err != nil {
			return err
		}
		printDiscovery(s.out, report)
		return nil
	})
}

func printDiscovery(out io.Writer, r gateway.DiscoveryReport) {
	if len(r.Asks) == 0 {
		fmt.Fprintln(out, "Nothing was asked: switch on discover.wkd or name a discover.keyserver in the configuration.")
		return
	}
	for _, a := range r.Asks {
		fmt.Fprintf(out, "asked  %s  %s\n       %s", a.Source, a.URL, a.Answer)
		if a.Why != "" {
			fmt.Fprintf(out, ": %s", a.Why)
		}
		fmt.Fprintln(out)
	}
	for _, p := range r.Proposals {
		if p.Outcome == keyring.Refused {
			fmt.Fprintf(out, "not taken  %s: %s\n", p.Fingerprint, p.Why)
			continue
		}
		fmt.Fprintf(out, "%s  %s (%s)\n", p.Outcome, p.Fingerprint, p.State)
		if p.State == keyring.Proposed {
			fmt.Fprintf(out, "       It waits: compare the fingerprint with its owner, then run sealgate key approve %s\n", p.Fingerprint)
		}
	}
	if len(r.Proposals) == 0 {
		fmt.Fprintln(out, "No certificate was found; ask the owner to send it.")
	}
}
