package main

import (
	"fmt"
	"io"
	"strings"
	"time"

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

// discoverCommand holds what finds certificates that nobody imported. An address alone is asked for now.
type discoverCommand struct {
	Address   discoverAddress   `cmd:"" default:"withargs" help:"Look for an address's certificate now, and say what was asked and why nothing was taken."`
	Lookups   discoverLookups   `cmd:"" help:"List who is asked, what waits to be asked, and what was asked last."`
	Approvals discoverApprovals `cmd:"" help:"List the sources that each group approves by itself."`
	Approve   discoverApprove   `cmd:"" help:"Say which sources a group approves by itself."`
}

type discoverAddress struct {
	Address string `arg:"" help:"Mail address."`
}

// Run asks, and reports each question and each certificate.
func (d *discoverAddress) Run(s *session) error {
	return s.with(func(p *parts) error {
		report, err := p.gateway.DiscoverAddress(s.ctx, cli, d.Address)
		if err != nil {
			return err
		}
		printDiscovery(s.out, report)
		return nil
	})
}

type discoverLookups struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Run lists.
func (d *discoverLookups) Run(s *session) error {
	return s.with(func(p *parts) error {
		status, err := p.gateway.DiscoveryStatus(s.ctx, cli)
		if err != nil {
			return err
		}
		if d.JSON {
			return s.json(status)
		}
		s.said("Asked are: %s.", askedInWords(status))
		if len(status.Lookups) == 0 {
			s.said("No address was looked for yet.")
			return nil
		}
		var rows [][]string
		for _, l := range status.Lookups {
			rows = append(rows, lookupRow(l))
		}
		return s.table("ADDRESS | KEY | ASKED | NEXT | OUTCOME", rows)
	})
}

func askedInWords(d gateway.DiscoveryStatus) string {
	var all []string
	if d.WKD {
		all = append(all, "the web key directories of addresses")
	}
	if d.Keyserver != "" {
		all = append(all, d.Keyserver)
	}
	if len(all) == 0 {
		return "no servers"
	}
	return strings.Join(all, ", ")
}

func lookupRow(l discover.Lookup) []string {
	asked, next := "not yet", ""
	if !l.Asked.IsZero() {
		asked = l.Asked.Format(time.RFC3339)
	}
	if l.Waiting {
		next = l.Due.Format(time.RFC3339)
	}
	var outcome []string
	for _, a := range l.Asks {
		words := fmt.Sprintf("%s %s", a.Source, a.Answer)
		if a.Why != "" {
			words += ": " + a.Why
		}
		outcome = append(outcome, words)
	}
	return []string{l.Address(), l.KeyID(), asked, next, strings.Join(outcome, "; ")}
}

type discoverApprovals struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Run lists every group.
func (d *discoverApprovals) Run(s *session) error {
	return s.with(func(p *parts) error {
		all, err := p.gateway.AllApprovals(s.ctx, cli)
		if err != nil {
			return err
		}
		named := map[string][]keyring.Source{}
		var rows [][]string
		for _, g := range all {
			named[g.Name] = append([]keyring.Source{}, g.Sources...)
			rows = append(rows, []string{g.Name, sourceNames(g.Sources)})
		}
		if d.JSON {
			return s.json(named)
		}
		return s.table("GROUP | APPROVES BY ITSELF", rows)
	})
}

func sourceNames(sources []keyring.Source) string {
	if len(sources) == 0 {
		return "nothing"
	}
	var names []string
	for _, s := range sources {
		names = append(names, string(s))
	}
	return strings.Join(names, ", ")
}

type discoverApprove struct {
	Group   string   `arg:"" help:"Name of the group."`
	Sources []string `arg:"" optional:"" name:"source" help:"wkd, keyserver, autocrypt, attachment; none means that everything waits for a person."`
}

// Run replaces the sources.
func (d *discoverApprove) Run(s *session) error {
	return s.with(func(p *parts) error {
		group, err := p.gateway.Groups.GroupByName(s.ctx, d.Group)
		if err != nil {
			return fmt.Errorf("group %q: %w", d.Group, err)
		}
		var sources []keyring.Source
		for _, name := range d.Sources {
			sources = append(sources, keyring.Source(name))
		}
		if err := p.gateway.SetApprovals(s.ctx, cli, group.ID, sources); err != nil {
			return err
		}
		s.said("Group %s approves by itself: %s.", group.Name, sourceNames(sources))
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
