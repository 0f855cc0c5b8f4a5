package smarthost_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"
	"github.com/miekg/dns"
	"github.com/sealgate/sealgate/gateway/smarthost"
)

// TestDestinations: recipients are grouped by domain, however it is written; a fixed hop has them all.
func TestDestinations(t *testing.T) {
	to := envelope("a@one.test", "b@TWO.test", "c@bücher.test", "d@two.test.", `"x@y"@one.test`, "e@xn--bcher-kva.test", "nobody").Recipients
	mx := smarthost.Route{Exchanges: &smarthost.Exchanges{}}
	if got, want := fmt.Sprint(mx.Destinations(to)), "[{one.test [0 4]} {two.test [1 3]} {xn--bcher-kva.test [2 5]} { [6]}]"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	fixed := smarthost.Route{Hop: smarthost.Hop{Address: "hop.test:587"}}
	if got, want := fmt.Sprint(fixed.Destinations(to)), "[{hop.test:587 [0 1 2 3 4 5 6]}]"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestWhatTheDNSDecides: what a domain's records say before anybody is connected to.
func TestWhatTheDNSDecides(t *testing.T) {
	w := newWorld(t,
		"null.test. MX 0 .", "odd.test. MX 0 .", "odd.test. MX 10 mx.odd.test.", "mx.odd.test. A 203.0.113.9",
		"empty.test. TXT nothing", "implicit.test. A 203.0.113.9", "dead.test. MX 10 nowhere.test.",
		"ours.test. MX 10 Sealgate.test.", "ours.test. MX 20 mx.odd.test.", "same.test. MX 10 sealgate.test.", "same.test. MX 10 mx.odd.test.",
		"before.test. MX 5 mx.odd.test.", "before.test. MX 10 sealgate.test.", "before.test. MX 20 nowhere.test.",
		"home.test. MX 10 home.test.", "home.test. A 127.0.0.1", "link.test. A 169.254.169.254")
	w.dns.Break("broken.test", dns.RcodeServerFailure)
	w.serve("203.0.113.9", &exchanger{})
	direct := w.route(smarthost.IfOffered)
	direct.Exchanges.Dial = nil
	for domain, want := range map[string]string{
		"null.test": "failed 5.1.10", "gone.test": "failed 5.1.2", "empty.test": "failed 5.1.2", "[203.0.113.9]": "failed 5.1.2", "a..b": "failed 5.1.2",
		"odd.test": "relayed 2.0.0", "implicit.test": "relayed 2.0.0", "dead.test": "deferred 4.4.1", "broken.test": "deferred 4.4.3",
		"ours.test": "failed 5.4.6", "same.test": "failed 5.4.6", "before.test": "relayed 2.0.0",
		"home.test": "failed 5.4.6", "link.test": "deferred 4.4.1",
	} {
		t.Run(domain, func(t *testing.T) {
			route := w.route(smarthost.IfOffered)
			if domain == "home.test" || domain == "link.test" {
				route = direct
			}
			route.Exchanges.Ourselves = []string{"sealgate.test."}
			got := smarthost.Deliver(t.Context(), route, envelope("a@"+domain), outgoing(t, message))
			if outcomes(got) != "a@"+domain+" "+want {
				t.Errorf("got %+v, want %s", got, want)
			}
		})
	}
}

// TestTheNextServer is asked while what went wrong lies before the final dot, in the order of preference, and only for
// those who still need it.
func TestTheNextServer(t *testing.T) {
	final := &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
	for name, c := range map[string]struct {
		first *exchanger // nil: not there
		want  string
		asked int
	}{
		"first takes it":         {&exchanger{}, "relayed 2.0.0", 1},
		"first is not there":     {nil, "relayed 2.0.0", 2},
		"first is busy at MAIL":  {&exchanger{mail: later("busy")}, "relayed 2.0.0", 2},
		"first is busy at RCPT":  {&exchanger{rcpt: later("busy")}, "relayed 2.0.0", 2},
		"first refuses":          {&exchanger{rcpt: final}, "failed 5.1.1", 1},
		"first is busy too late": {&exchanger{data: later("greylisted")}, "deferred 4.3.2", 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "desk.test. MX 20 b.test.", "desk.test. MX 10 a.test.", "a.test. A 203.0.113.1", "b.test. A 203.0.113.2")
			if c.first != nil {
				w.serve("203.0.113.1", c.first)
			}
			second := w.serve("203.0.113.2", &exchanger{})
			got := smarthost.Deliver(t.Context(), w.route(smarthost.IfOffered), envelope("a@desk.test", "b@desk.test"), outgoing(t, message))
			if outcomes(got) != "a@desk.test "+c.want+", b@desk.test "+c.want || len(w.dialled) != c.asked {
				t.Errorf("asked %v, got %+v", w.dialled, got)
			}
			if n := len(second.received()); n != c.asked-1 {
				t.Errorf("the second server has %d messages", n)
			}
		})
	}
}

// TestOneOfTwoGoesOn: a recipient that the first server puts off is taken to the second, the other is not sent twice.
func TestOneOfTwoGoesOn(t *testing.T) {
	w := newWorld(t, "desk.test. MX 20 b.test.", "desk.test. MX 10 a.test.", "a.test. A 203.0.113.1", "b.test. A 203.0.113.2")
	address, received := polite().with("RCPT", "250 ok", "450 4.2.1 later").serve(t)
	w.standing[netip.MustParseAddr("203.0.113.1")] = address
	second := w.serve("203.0.113.2", &exchanger{})
	got := smarthost.Deliver(t.Context(), w.route(smarthost.InClear), envelope("a@desk.test", "b@desk.test"), outgoing(t, message))
	if outcomes(got) != "a@desk.test relayed 2.0.0, b@desk.test relayed 2.0.0" || got[0].Host != "a.test" || got[1].Host != "b.test" {
		t.Errorf("got %+v", got)
	}
	if want := "[clear support@desk.test b@desk.test]"; fmt.Sprint(second.received()) != want || strings.Count(received(), "RCPT") != 2 {
		t.Errorf("the second server has %v, want %s", second.received(), want)
	}
}

// TestHowManyAreAsked: an attempt has an end however many servers and addresses a domain names.
func TestHowManyAreAsked(t *testing.T) {
	var records []string
	for i := range 20 {
		records = append(records, fmt.Sprintf("desk.test. MX %d mx%d.test.", i, i))
		for j := range 9 {
			records = append(records, fmt.Sprintf("mx%d.test. A 203.0.113.%d", i, i*10+j), fmt.Sprintf("mx%d.test. AAAA 2001:db8::%d:%d", i, i, j))
		}
	}
	w := newWorld(t, records...)
	route := w.route(smarthost.IfOffered)
	got := smarthost.Deliver(t.Context(), route, envelope("a@desk.test"), outgoing(t, message))
	if outcomes(got) != "a@desk.test deferred 4.4.1" || len(w.dialled) != 15 {
		t.Errorf("%d connections: %+v", len(w.dialled), got)
	}
	if one := w.dialled[:3]; !strings.Contains(one[0], ":") || strings.Contains(one[1], ":") {
		t.Errorf("of the first server it tried %v", one)
	}
	w.dialled, route.Exchanges.Hosts, route.Exchanges.Family = nil, 2, "ip4"
	smarthost.Deliver(t.Context(), route, envelope("a@desk.test"), outgoing(t, message))
	if all := strings.Join(w.dialled, " "); len(w.dialled) != 6 || strings.Contains(all, ":") {
		t.Errorf("with ip4 it tried %s", all)
	}
}

// TestEqualServersShareTheMail: chance decides between servers of one preference.
func TestEqualServersShareTheMail(t *testing.T) {
	w := newWorld(t, "desk.test. MX 10 a.test.", "desk.test. MX 10 b.test.", "a.test. A 203.0.113.1", "b.test. A 203.0.113.2")
	a, b := w.serve("203.0.113.1", &exchanger{}), w.serve("203.0.113.2", &exchanger{})
	for range 40 {
		smarthost.Deliver(t.Context(), w.route(smarthost.IfOffered), envelope("a@desk.test"), outgoing(t, message))
	}
	if n, m := len(a.received()), len(b.received()); n+m != 40 || n == 0 || m == 0 {
		t.Errorf("one has %d, the other %d", n, m)
	}
}

// TestSeveralDomains: each goes its own way, and the results stand in the envelope's order.
func TestSeveralDomains(t *testing.T) {
	w := newWorld(t, "one.test. A 203.0.113.1", "two.test. MX 0 .", "three.test. A 203.0.113.3")
	w.serve("203.0.113.1", &exchanger{})
	got := smarthost.Deliver(t.Context(), w.route(smarthost.IfOffered), envelope("a@three.test", "b@two.test", "c@one.test", "d@three.test"), outgoing(t, message))
	if want := "a@three.test deferred 4.4.1, b@two.test failed 5.1.10, c@one.test relayed 2.0.0, d@three.test deferred 4.4.1"; outcomes(got) != want {
		t.Errorf("got  %s\nwant %s", outcomes(got), want)
	}
}
