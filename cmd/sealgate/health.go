package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/sealgate/sealgate/gateway"
)

// healthCommand tells what of the certificates will need a hand.
type healthCommand struct {
	Warn bool `help:"Send the owners of groups what is due now, instead of waiting for the daily round."`
}

// Run prints the forecast.
func (h *healthCommand) Run(s *session) error {
	return s.with(func(p *parts) error {
		f, err := p.gateway.Forecast(s.ctx, cli)
		if err != nil {
			return err
		}
		s.printForecast(f)
		if !h.Warn {
			return nil
		}
		r, err := p.gateway.WarnOwners(s.ctx, cli)
		if err != nil {
			return err
		}
		s.said("Warnings queued: %d; serve sends them.", r.Sent)
		if r.Failed > 0 {
			return fmt.Errorf("%d warnings could not be queued; sealgate activity list says why, and they are tried again", r.Failed)
		}
		return nil
	})
}

func (s *session) printForecast(f gateway.Forecast) {
	var lines []string
	for _, e := range f.Ending {
		lines = append(lines, fmt.Sprintf("%-9s %s\n          %s", leftWord(e), e.Sentence(), e.Fingerprint))
	}
	for _, k := range f.Keyless {
		lines = append(lines, fmt.Sprintf("%-9s %s", "no key", k.Sentence()))
	}
	for _, k := range f.Waiting {
		lines = append(lines, fmt.Sprintf("%-9s %s", "waiting", k.Sentence()))
	}
	for _, m := range f.Missing {
		lines = append(lines, fmt.Sprintf("%-9s %s The last message left on %s.", "missing", m.Sentence(), m.Last.UTC().Format(time.DateOnly)))
	}
	if len(lines) == 0 {
		lines = []string{"Nothing needs a hand: no certificate ends within 60 days, every sender address has a key, no article waits for one, and nobody who was written to lacks a certificate."}
	}
	fmt.Fprintln(s.out, strings.Join(lines, "\n"))
}

func leftWord(e gateway.EndingCertificate) string {
	switch {
	case e.Successor != "":
		return "replaced"
	case e.Days < 0:
		return "ended"
	}
	return fmt.Sprintf("%d days", e.Days)
}
