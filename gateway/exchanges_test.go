package gateway_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/queue"
	"github.com/sealgate/sealgate/gateway/smarthost/mtasts"
	"github.com/sealgate/sealgate/gateway/smarthost/resolve/dnstest"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

// TestMailGoesToTheServersOfDomains: each domain's server gets its own recipients; a domain that takes no mail fails, and one
// whose servers must prove who they are and do not waits.
func TestMailGoesToTheServersOfDomains(t *testing.T) {
	h, red, blue := newHouse(t), startHop(t), startHop(t)
	names := dnstest.Start(t,
		"red.test. MX 10 mx.red.test.", "mx.red.test. A 203.0.113.1",
		"blue.test. MX 10 mx.blue.test.", "mx.blue.test. A 203.0.113.2",
		"none.test. MX 0 .",
	)
	h.Resolver = names.Client()
	standing := map[string]string{"203.0.113.1": red.address, "203.0.113.2": blue.address}
	h.MX.Exchanges.Dial = func(ctx context.Context, a netip.AddrPort) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", standing[a.Addr().String()])
	}
	h.saveHop(red, func(m *groups.Mailbox) {
		m.SMTP, m.Out = groups.Upstream{}, groups.NextHop{Route: groups.Exchanges, Policy: "opportunistic"}
	}, nil)
	results := h.sends("ann@red.test", "bob@blue.test", "cy@red.test", "dan@none.test")
	h.wants(slices.Concat(results[:3]), queue.OutcomeRelayed, "unverified")
	h.wants(results[3:], queue.OutcomeFailed, "takes no mail")
	if got := fmt.Sprint(red.arrived(), blue.arrived()); got != "[ann@red.test cy@red.test] [bob@blue.test]" {
		t.Errorf("arrived: %s", got)
	}
	if results[0].Host != "mx.red.test" || results[0].Destination != "red.test (opportunistic)" {
		t.Errorf("result: %+v", results[0])
	}
	for address, want := range map[string]string{"ann@Red.test": "red.test (opportunistic)", "bob@bücher.test": "xn--bcher-kva.test (opportunistic)"} {
		if got := h.DestinationOf(t.Context(), queue.Message{MailboxID: h.box.ID}, address); got != want {
			t.Errorf("destination of %s: %q", address, got)
		}
	}
	if got := h.DestinationOf(t.Context(), queue.Message{MailboxID: "unknown"}, "ann@red.test"); got != "" {
		t.Errorf("destination of a mailbox that nobody used yet: %q", got)
	}
	h.saveHop(red, func(m *groups.Mailbox) {
		m.SMTP, m.Out = groups.Upstream{}, groups.NextHop{Route: groups.Exchanges, Policy: "verified"}
	}, nil)
	h.wants(h.sends("eve@red.test"), queue.OutcomeDeferred, "certificate")
	if len(red.arrived()) != 2 {
		t.Errorf("arrived in spite of the policy: %v", red.arrived())
	}
}

// TestAnSTSPolicySurvivesARestart: what a domain asked for is there for the next process.
func TestAnSTSPolicySurvivesARestart(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		first := gateway.STSPolicies{DB: db}
		if p, err := first.LoadPolicy(t.Context(), "red.test"); err != nil || p.Mode != mtasts.NoPolicy {
			t.Errorf("unknown: %+v, %v", p, err)
		}
		for _, id := range []string{"1", "2"} {
			p := mtasts.Policy{ID: id, Mode: mtasts.Enforce, MX: []string{"mx.red.test", "*.red.test"}, MaxAge: 7 * 24 * time.Hour, Fetched: noon}
			if err := first.SavePolicy(t.Context(), "red.test", p); err != nil {
				t.Fatal(err)
			}
			got, err := gateway.STSPolicies{DB: db}.LoadPolicy(t.Context(), "red.test")
			if err != nil || got.ID != id || got.Mode != p.Mode || !slices.Equal(got.MX, p.MX) || got.MaxAge != p.MaxAge || !got.Fetched.Equal(noon) {
				t.Errorf("loaded %+v, %v", got, err)
			}
		}
	})
}
