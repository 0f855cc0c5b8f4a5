package smarthost_test

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/gateway/smarthost"
	"github.com/sealgate/sealgate/gateway/smarthost/mtasts"
)

// reply sends one message to a@desk.test by a policy and says how it ended, with the protection or the reason.
func reply(t *testing.T, route smarthost.Route) string {
	t.Helper()
	got := smarthost.Deliver(t.Context(), route, envelope("a@desk.test"), outgoing(t, message))[0]
	if got.Outcome == smarthost.Relayed {
		return "relayed, " + got.TLS
	}
	return fmt.Sprintf("%s %s: %s", got.Outcome, got.Code, got.Reply)
}

// TestPolicies: what each policy makes of each kind of server. Nothing that asks for something ends in clear.
func TestPolicies(t *testing.T) {
	const none, offered, name, domain, pin = smarthost.InClear, smarthost.IfOffered, smarthost.MXName, smarthost.DomainName, smarthost.Pinned
	w := newWorld(t, "desk.test. MX 10 mx.desk.test.", "mx.desk.test. A 203.0.113.1")
	right, other := w.ca.leaf(time.Hour, "mx.desk.test"), w.ca.leaf(time.Hour, "elsewhere.test")
	old, stranger := w.ca.leaf(-time.Hour, "mx.desk.test"), newIssuer(t).leaf(time.Hour, "mx.desk.test")
	whole, deeper := w.ca.leaf(time.Hour, "desk.test"), w.ca.leaf(time.Hour, "*.desk.test")
	for _, c := range []struct {
		policy smarthost.Policy
		server string
		shows  []tls.Certificate
		want   string
	}{
		{none, "with TLS", []tls.Certificate{right}, "relayed, in clear"},
		{offered, "without TLS", nil, "relayed, in clear"},
		{offered, "a stranger", []tls.Certificate{stranger}, "relayed, TLS 1.3, unverified"},
		{name, "without TLS", nil, "deferred 4.7.4: the mail server does not offer STARTTLS"},
		{name, "the right name", []tls.Certificate{right}, "relayed, TLS 1.3, verified by the name of the exchanger"},
		{name, "a wildcard", []tls.Certificate{deeper}, "relayed, TLS 1.3, verified by the name of the exchanger"},
		{name, "another name", []tls.Certificate{other}, "deferred 4.7.5: the mail server's TLS certificate is for elsewhere.test, not for mx.desk.test"},
		{name, "expired", []tls.Certificate{old}, "deferred 4.7.5: the mail server's TLS certificate expired on"},
		{name, "a stranger", []tls.Certificate{stranger}, "deferred 4.7.5: the mail server's TLS certificate is from an unknown authority"},
		{domain, "the domain", []tls.Certificate{whole}, "relayed, TLS 1.3, verified by the name of the domain"},
		{domain, "directly below", []tls.Certificate{right}, "relayed, TLS 1.3, verified by the name of the domain"},
		{domain, "another name", []tls.Certificate{other}, "deferred 4.7.5"},
		{pin, "the pinned key, expired, by a stranger", []tls.Certificate{old}, "relayed, TLS 1.3, verified by its pinned key"},
		{pin, "another key", []tls.Certificate{right}, "deferred 4.7.5: the mail server's key is not the pinned one: expected"},
		{pin, "without TLS", nil, "deferred 4.7.4"},
		{smarthost.DANE, "nothing published", []tls.Certificate{right}, "deferred 4.7.5: DANE is required and unavailable: there are no TLSA records for mx.desk.test"},
		{smarthost.MTASTS, "nothing published", []tls.Certificate{right}, "deferred 4.7.5: MTA-STS is required, and desk.test publishes no policy"},
		{smarthost.Auto, "nothing published", []tls.Certificate{stranger}, "relayed, TLS 1.3, unverified"},
		{"strict", "an unknown policy", []tls.Certificate{right}, `deferred 4.3.5: unknown TLS policy "strict"`},
	} {
		t.Run(string(c.policy)+" "+c.server, func(t *testing.T) {
			x := w.serve("203.0.113.1", &exchanger{}, c.shows...)
			route := w.route(c.policy)
			route.Exchanges.Pins = []smarthost.Pin{{1}, smarthost.PinOf(old.Leaf)}
			got := reply(t, route)
			if !strings.HasPrefix(got, c.want) {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if relayed := strings.HasPrefix(got, "relayed"); relayed != (len(x.received()) == 1) {
				t.Errorf("the server has %v", x.received())
			}
		})
	}
}

// tlsa writes a TLSA record of mx.desk.test.
func tlsa(usage, selector, matching int, c *x509.Certificate) string {
	data := c.Raw
	if selector == 1 {
		data = c.RawSubjectPublicKeyInfo
	}
	switch matching {
	case 1:
		sum := sha256.Sum256(data)
		data = sum[:]
	case 2:
		sum := sha512.Sum512(data)
		data = sum[:]
	}
	return fmt.Sprintf("_25._tcp.mx.desk.test. TLSA %d %d %d %s", usage, selector, matching, hex.EncodeToString(data))
}

// TestDANE holds the rules of RFC 7672 for a policy that requires it, and for one that takes what is published.
func TestDANE(t *testing.T) {
	w := newWorld(t)
	ours, wrongName := w.ca.leaf(time.Hour, "mx.desk.test"), w.ca.leaf(time.Hour, "elsewhere.test")
	old, mail := w.ca.leaf(-time.Hour, "elsewhere.test"), w.ca.leaf(time.Hour, "desk.test")
	stranger := newIssuer(t)
	const relayed, refused = "relayed, TLS 1.3, verified by DANE", "deferred 4.7.5: the mail server's TLS certificate "
	const unavailable, unverified = "deferred 4.7.5: DANE is required and unavailable: ", "relayed, TLS 1.3, unverified"
	cases := map[string]struct {
		records    string // several are split by "|"
		unsigned   string
		shows      []tls.Certificate
		dane, auto string
	}{
		"a digest that does not match": {tlsa(3, 1, 1, mail.Leaf), "", []tls.Certificate{ours}, refused + "matches none of the 1 TLSA", refused},
		"one of two matches":           {tlsa(3, 1, 1, mail.Leaf) + "|" + tlsa(3, 1, 1, ours.Leaf), "", []tls.Certificate{ours}, relayed, relayed},
		"an authority, the MX name":    {tlsa(2, 0, 1, w.ca.cert), "", []tls.Certificate{ours}, relayed, relayed},
		"an authority, the domain":     {tlsa(2, 1, 2, w.ca.cert), "", []tls.Certificate{mail}, relayed, relayed},
		"an authority, another name":   {tlsa(2, 1, 1, w.ca.cert), "", []tls.Certificate{wrongName}, refused + "is for elsewhere.test", refused},
		"an authority, expired":        {tlsa(2, 1, 1, w.ca.cert), "", []tls.Certificate{old}, refused + "expired on", refused},
		"another authority":            {tlsa(2, 1, 1, stranger.cert), "", []tls.Certificate{ours}, refused + "matches none", refused},
		"an authority by its own leaf": {tlsa(2, 1, 1, ours.Leaf), "", []tls.Certificate{ours}, refused + "matches none", refused},
		"the web's usage 1":            {tlsa(1, 1, 1, ours.Leaf), "", []tls.Certificate{ours}, unavailable + "none of the TLSA records", unverified},
		"an unknown digest":            {strings.Replace(tlsa(3, 1, 1, ours.Leaf), "3 1 1", "3 1 7", 1), "", []tls.Certificate{ours}, unavailable + "none of the", unverified},
		"a digest of another length":   {"_25._tcp.mx.desk.test. TLSA 3 1 1 0102", "", []tls.Certificate{ours}, unavailable + "none of the", unverified},
		"unusable, and no TLS":         {tlsa(1, 1, 1, ours.Leaf), "", nil, unavailable, "deferred 4.7.4"},
		"usable, and no TLS":           {tlsa(3, 1, 1, ours.Leaf), "", nil, "deferred 4.7.4", "deferred 4.7.4"},
		"an unsigned list":             {tlsa(3, 1, 1, mail.Leaf), "desk.test", []tls.Certificate{ours}, unavailable + "the DNS answer about the mail servers of desk.test is not authenticated", unverified},
		"unsigned addresses":           {tlsa(3, 1, 1, mail.Leaf), "mx.desk.test", []tls.Certificate{ours}, unavailable + "the DNS answers about mx.desk.test are not authenticated", unverified},
		"unsigned records":             {tlsa(3, 1, 1, mail.Leaf), "_25._tcp.mx.desk.test", []tls.Certificate{ours}, unavailable + "the TLSA records of mx.desk.test are not authenticated", unverified},
		"nothing, and no TLS":          {"", "", nil, unavailable + "there are no TLSA records", "relayed, in clear"},
	}
	for usage := 0; usage < 6; usage++ { // DANE-EE in all its forms: neither name nor date matter
		selector, matching := usage%2, usage/2
		cases[fmt.Sprintf("3 %d %d", selector, matching)] = struct {
			records, unsigned string
			shows             []tls.Certificate
			dane, auto        string
		}{tlsa(3, selector, matching, old.Leaf), "", []tls.Certificate{old}, relayed, relayed}
	}
	for name, c := range cases {
		for policy, want := range map[smarthost.Policy]string{smarthost.DANE: c.dane, smarthost.Auto: c.auto} {
			t.Run(name+" "+string(policy), func(t *testing.T) {
				w := &world{t: t, dns: newWorld(t).dns, ca: w.ca, standing: map[netip.Addr]string{}}
				records := []string{"desk.test. MX 10 mx.desk.test.", "mx.desk.test. A 203.0.113.1"}
				if c.records != "" {
					records = append(records, strings.Split(c.records, "|")...)
				}
				w.dns.Set(t, records...)
				if c.unsigned != "" {
					w.dns.Unsigned(c.unsigned)
				}
				w.serve("203.0.113.1", &exchanger{}, c.shows...)
				route := w.route(policy)
				route.Exchanges.Port = 25
				if got := reply(t, route); !strings.HasPrefix(got, want) {
					t.Errorf("got  %s\nwant %s", got, want)
				}
			})
		}
	}
}

// TestDANELookupThatFails keeps mail from a server whose records cannot be told: somebody may be hiding them. It goes to
// the next one.
func TestDANELookupThatFails(t *testing.T) {
	w := newWorld(t, "desk.test. MX 10 mx.desk.test.", "mx.desk.test. A 203.0.113.1")
	w.dns.Break("_25._tcp.mx.desk.test", dns.RcodeServerFailure)
	w.serve("203.0.113.1", &exchanger{})
	if got := reply(t, w.route(smarthost.Auto)); !strings.HasPrefix(got, "deferred 4.4.3: whether mx.desk.test has TLSA records cannot be told now") {
		t.Error(got)
	}
	w.dns.Set(t, "desk.test. MX 10 mx.desk.test.", "desk.test. MX 20 two.desk.test.", "mx.desk.test. A 203.0.113.1", "two.desk.test. A 203.0.113.1")
	if got := reply(t, w.route(smarthost.Auto)); got != "relayed, in clear" {
		t.Error(got)
	}
}

// TestDANEBehindAliases: the records of the name behind the alias count, and it is the name asked for.
func TestDANEBehindAliases(t *testing.T) {
	w := newWorld(t)
	ours := w.ca.leaf(time.Hour, "mx.desk.test")
	w.dns.Set(t, "desk.test. MX 10 alias.test.", "alias.test. CNAME mx.desk.test.", "mx.desk.test. A 203.0.113.1", tlsa(2, 1, 1, w.ca.cert))
	x := w.serve("203.0.113.1", &exchanger{}, ours)
	if got := reply(t, w.route(smarthost.DANE)); got != "relayed, TLS 1.3, verified by DANE" {
		t.Error(got)
	}
	if got := x.received(); len(got) != 1 || !strings.HasPrefix(got[0], "TLS mx.desk.test") {
		t.Errorf("asked for %v", got)
	}
}

// sts publishes a policy for desk.test without a web server: it is in the cache already.
func sts(t *testing.T, w *world, mode mtasts.Mode, mx ...string) *mtasts.Store {
	t.Helper()
	cache := &mtasts.Memory{}
	p := mtasts.Policy{ID: "1", Mode: mode, MX: mx, MaxAge: time.Hour, Fetched: time.Now()}
	if err := cache.SavePolicy(t.Context(), "desk.test", p); err != nil {
		t.Fatal(err)
	}
	return &mtasts.Store{Resolver: w.dns.Client(), Cache: cache, Now: time.Now}
}

// TestMTASTS: only servers that the policy names get mail, with a certificate for their name.
func TestMTASTS(t *testing.T) {
	w := newWorld(t, "desk.test. MX 10 evil.test.", "desk.test. MX 20 mx.desk.test.", "evil.test. A 203.0.113.1", "mx.desk.test. A 203.0.113.2")
	right, stranger := w.ca.leaf(time.Hour, "mx.desk.test"), newIssuer(t).leaf(time.Hour, "mx.desk.test")
	evil := w.serve("203.0.113.1", &exchanger{}, w.ca.leaf(time.Hour, "evil.test"))
	for name, c := range map[string]struct {
		mode  mtasts.Mode
		mx    string
		shows []tls.Certificate
		both  string // what mta-sts and auto say; or
		auto  string
	}{
		"enforced":           {mtasts.Enforce, "*.desk.test", []tls.Certificate{right}, "relayed, TLS 1.3, verified by MTA-STS", ""},
		"by a stranger":      {mtasts.Enforce, "mx.desk.test", []tls.Certificate{stranger}, "deferred 4.7.5: the mail server's TLS certificate is from an unknown", ""},
		"without TLS":        {mtasts.Enforce, "mx.desk.test", nil, "deferred 4.7.4: the mail server does not offer STARTTLS", ""},
		"other servers":      {mtasts.Enforce, "else.test", nil, "deferred 4.7.5: the MTA-STS policy of desk.test names else.test, and its mail servers are others, such as evil.test", ""},
		"tested only":        {mtasts.Testing, "mx.desk.test", []tls.Certificate{right}, "deferred 4.7.5: MTA-STS is required, and desk.test publishes no policy of mode enforce", "relayed, TLS 1.3, unverified"},
		"given up":           {mtasts.None, "", []tls.Certificate{right}, "deferred 4.7.5: MTA-STS is required", "relayed, TLS 1.3, unverified"},
		"a star is one name": {mtasts.Enforce, "*.test", []tls.Certificate{right}, "relayed, TLS 1.3, verified by MTA-STS", ""},
	} {
		for _, policy := range []smarthost.Policy{smarthost.MTASTS, smarthost.Auto} {
			t.Run(name+" "+string(policy), func(t *testing.T) {
				before := len(evil.received())
				w.serve("203.0.113.2", &exchanger{}, c.shows...)
				route := w.route(policy)
				route.Exchanges.Resolver = w.dns.Client()
				route.Exchanges.STS = sts(t, w, c.mode, c.mx)
				want := c.both
				if policy == smarthost.Auto && c.auto != "" {
					want = c.auto
				}
				if got := reply(t, route); !strings.HasPrefix(got, want) {
					t.Errorf("got  %s\nwant %s", got, want)
				}
				if c.mode == mtasts.Enforce && c.mx != "*.test" && len(evil.received()) != before {
					t.Error("a server that is not named has the mail")
				}
			})
		}
	}
}

// TestRequireTLS: RFC 8689. The message goes only over proven TLS to a server that promises the same; another may.
func TestRequireTLS(t *testing.T) {
	w := newWorld(t, "desk.test. MX 10 a.desk.test.", "desk.test. MX 20 mx.desk.test.", "a.desk.test. A 203.0.113.1", "mx.desk.test. A 203.0.113.2")
	right := w.ca.leaf(time.Hour, "*.desk.test")
	w.serve("203.0.113.1", &exchanger{}, right)
	promise := w.serve("203.0.113.2", &exchanger{requireTLS: true}, right)
	e := envelope("a@desk.test")
	e.RequireTLS = true
	send := func(route smarthost.Route) string {
		return outcomes(smarthost.Deliver(t.Context(), route, e, outgoing(t, message)))
	}
	for policy, want := range map[smarthost.Policy]string{
		smarthost.MXName: "relayed 2.0.0", smarthost.DomainName: "relayed 2.0.0",
		smarthost.IfOffered: "failed 5.7.30", smarthost.InClear: "failed 5.7.30", smarthost.Auto: "failed 5.7.30",
	} {
		if got := send(w.route(policy)); got != "a@desk.test "+want {
			t.Errorf("%s: got %s, want %s", policy, got, want)
		}
	}
	if got := promise.received(); len(got) != 2 || !strings.HasSuffix(got[0], "support@desk.test REQUIRETLS a@desk.test") {
		t.Errorf("the server has %v", got)
	}
	w.dns.Unsigned("desk.test")
	if got := send(w.route(smarthost.MXName)); got != "a@desk.test failed 5.7.30" {
		t.Errorf("by a name from an unsigned list: %s", got)
	}
	unpromised := w.route(smarthost.DomainName)
	unpromised.Exchanges.Hosts = 1
	if got := send(unpromised); got != "a@desk.test failed 5.7.30" {
		t.Errorf("without the promise: %s", got)
	}
}

// TestRequireTLSWaitsForTheOthers: that one server cannot is no last word while another is only down, whichever came
// first; a server without TLS is not waited for.
func TestRequireTLSWaitsForTheOthers(t *testing.T) {
	for name, c := range map[string]struct{ cannot, down, want string }{
		"the down one last":  {"10", "20", "deferred 4.4.1"},
		"the down one first": {"20", "10", "deferred 4.4.1"},
		"none is down":       {"10", "", "failed 5.7.30"},
	} {
		for _, server := range []string{"with TLS", "without TLS"} {
			t.Run(name+", the other "+server, func(t *testing.T) {
				w := newWorld(t, "desk.test. MX "+c.cannot+" a.desk.test.", "a.desk.test. A 203.0.113.1")
				if c.down != "" {
					w.dns.Set(t, "desk.test. MX "+c.cannot+" a.desk.test.", "a.desk.test. A 203.0.113.1", "desk.test. MX "+c.down+" b.desk.test.", "b.desk.test. A 203.0.113.2")
				}
				var shows []tls.Certificate
				if server == "with TLS" {
					shows = append(shows, w.ca.leaf(time.Hour, "a.desk.test"))
				}
				w.serve("203.0.113.1", &exchanger{}, shows...)
				e := envelope("a@desk.test")
				e.RequireTLS = true
				if got := outcomes(smarthost.Deliver(t.Context(), w.route(smarthost.DomainName), e, outgoing(t, message))); got != "a@desk.test "+c.want {
					t.Errorf("got %s, want %s", got, c.want)
				}
			})
		}
	}
}

// TestOpportunisticTLSThatBreaks goes on in clear, once.
func TestOpportunisticTLSThatBreaks(t *testing.T) {
	w := newWorld(t, "desk.test. A 203.0.113.1")
	x := &exchanger{}
	w.serve("203.0.113.1", x, tls.Certificate{}) // it offers TLS and has no certificate
	if got := reply(t, w.route(smarthost.IfOffered)); got != "relayed, in clear" || len(w.dialled) != 2 {
		t.Errorf("%s after %v", got, w.dialled)
	}
	if got := reply(t, w.route(smarthost.MXName)); !strings.HasPrefix(got, "deferred 4.7.5") || len(x.received()) != 1 {
		t.Errorf("required: %s", got)
	}
}

// TestPostfixByMX relays through a real mail server found in the DNS, verified by DANE.
func TestPostfixByMX(t *testing.T) {
	bed.Need(t, "postfix", "dovecot")
	authority := bed.NewAuthority(t)
	dovecot := bed.StartDovecot(t, authority, "support", "customer")
	postfix := bed.StartPostfix(t, authority, dovecot)
	postfix.Set(t, "smtpd_relay_restrictions=permit_auth_destination, reject")
	pair, err := tls.X509KeyPair(authority.CertPEM, authority.KeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, "desk.test. MX 10 gone.desk.test.", "desk.test. MX 20 mx.desk.test.", "gone.desk.test. A 203.0.113.7", "mx.desk.test. A 203.0.113.1", tlsa(3, 1, 1, pair.Leaf))
	w.standing[netip.MustParseAddr("203.0.113.1")] = postfix.SMTP
	got := smarthost.Deliver(t.Context(), w.route(smarthost.Auto), envelope("customer@desk.test", "nobody-there@desk.test"), outgoing(t, message))
	if outcomes(got) != "customer@desk.test relayed 2.0.0, nobody-there@desk.test failed 5.1.1" || got[0].TLS != "TLS 1.3, verified by DANE" || !got[0].DSN {
		t.Errorf("got %+v", got)
	}
	if !strings.HasSuffix(string(arrived(t, dovecot, "customer")), "\r\n\r\nThe answer.\r\n.dot\r\n") {
		t.Error("it is not what was sent")
	}
}
