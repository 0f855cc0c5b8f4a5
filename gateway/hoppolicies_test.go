package gateway_test

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/gateway/queue"
	"github.com/sealgate/sealgate/gateway/smarthost/mtasts"
	"github.com/sealgate/sealgate/gateway/smarthost/resolve/dnstest"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

// reaches makes one server stand behind every address.
func reaches(to *hop) func(context.Context, netip.AddrPort) (net.Conn, error) {
	return func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", to.address)
	}
}

// byMX makes the house's mailbox send to the servers of domains.
func (h *house) byMX(policy string) {
	h.t.Helper()
	h.saveHop(&hop{}, func(m *groups.Mailbox) {
		m.SMTP, m.Out = groups.Upstream{}, groups.NextHop{Route: groups.Exchanges, Policy: policy}
	}, nil)
}

func (h *hop) certificate(t *testing.T) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(h.tls.CertPEM)
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestDANEOnBothRoutes: the certificate is the one in the DNS, or nothing is sent; a fixed server as one found by MX.
func TestDANEOnBothRoutes(t *testing.T) {
	h, to := newHouse(t), startHop(t)
	key := sha256.Sum256(to.certificate(t).RawSubjectPublicKeyInfo)
	_, port, err := net.SplitHostPort(to.address)
	if err != nil {
		t.Fatal(err)
	}
	mail := []string{"red.test. MX 10 mx.red.test.", "mx.red.test. A 203.0.113.1", "localhost. A 127.0.0.1"}
	with := func(digest string) []string {
		return append(mail, "_25._tcp.mx.red.test. TLSA 3 1 1 "+digest, "_"+port+"._tcp.localhost. TLSA 3 1 1 "+digest)
	}
	names := dnstest.Start(t)
	h.Resolver = names.Client()
	h.MX.Exchanges.Dial = reaches(to)
	for _, c := range []struct {
		name    string
		records []string
		outcome queue.Outcome
		words   string
	}{
		{"the right key", with(hex.EncodeToString(key[:])), queue.OutcomeRelayed, "DANE"},
		{"another key", with(strings.Repeat("ab", 32)), queue.OutcomeDeferred, "TLSA"},
		{"no records", mail, queue.OutcomeDeferred, "TLSA"},
	} {
		t.Run(c.name, func(t *testing.T) {
			names.Set(t, c.records...)
			before := len(to.arrived())
			h.byMX("dane")
			h.wants(h.sends("ann@red.test"), c.outcome, c.words)
			h.saveHop(to, func(m *groups.Mailbox) {
				m.SMTP.Address, m.SMTP.CA, m.Out = "localhost:"+port, "", groups.NextHop{DANE: true}
			}, nil)
			h.wants(h.sends("bob@elsewhere.test"), c.outcome, c.words)
			if got := len(to.arrived()) - before; (got == 2) != (c.outcome == queue.OutcomeRelayed) {
				t.Errorf("%d messages arrived", got)
			}
		})
	}
	h.Resolver.Validating = false
	h.cannotSend("set dns.servers and dns.validating")
	h.byMX("dane")
	h.cannotSend("set dns.validating in the configuration, or choose another policy")
	h.byMX("auto")
	h.cannotSend("")
}

// TestAnSTSPolicyHoldsAfterARestart: who can change the DNS and stand in for the mail server gets nothing from a gateway that
// knew the domain's policy before it was started again.
func TestAnSTSPolicyHoldsAfterARestart(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		h, right, thief := emptyHouse(t, db), startHop(t, "mx.red.test"), startHop(t, "mx.red.test")
		h.group = h.newGroup("Support", support)
		h.box = h.newMailbox(h.group, "support")
		internet := bed.NewInternet(t)
		site := internet.Serve("mta-sts.red.test", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			io.WriteString(w, "version: STSv1\nmode: enforce\nmx: mx.red.test\nmax_age: 604800\n") //nolint:errcheck // the client fails then
		})
		mail := []string{"red.test. MX 10 mx.red.test.", "mx.red.test. A 203.0.113.99"}
		names := dnstest.Start(t, append(mail, `_mta-sts.red.test. TXT "v=STSv1; id=1;"`, "mta-sts.red.test. A "+site.String())...)
		roots := x509.NewCertPool()
		roots.AddCert(right.certificate(t))
		start := func(h *house, to *hop, dial func(context.Context, netip.AddrPort) (net.Conn, error)) {
			h.Resolver = names.Client()
			h.Resolver.Validating = false
			h.MX.Exchanges.Roots, h.MX.Exchanges.Dial = roots, reaches(to)
			h.MX.STS = &mtasts.Store{Resolver: h.Resolver, Cache: gateway.STSPolicies{DB: db}, Roots: internet.Roots, Now: h.Now, Dial: dial}
		}
		start(h, right, func(ctx context.Context, a netip.AddrPort) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", internet.Standing[a.Addr()].String())
		})
		h.byMX("auto")
		h.wants(h.sends("ann@red.test"), queue.OutcomeRelayed, "MTA-STS")

		names.Set(t, mail...) // the record is suppressed, and the web server too
		after := h.node()
		start(after, thief, func(context.Context, netip.AddrPort) (net.Conn, error) { return nil, errors.New("nobody there") })
		after.wants(after.sends("bob@red.test"), queue.OutcomeDeferred, "certificate")
		if got := thief.arrived(); len(got) != 0 {
			t.Errorf("the thief has %v", got)
		}
		after.MX.Exchanges.Dial = reaches(right)
		after.wants(after.sends("cy@red.test"), queue.OutcomeRelayed, "MTA-STS")
	})
}

// TestADemandForTLSIsNoWish: a message that demands TLS fails with words where the next hop does not promise the same.
func TestADemandForTLSIsNoWish(t *testing.T) {
	h, to := newHouse(t), startHop(t)
	h.saveHop(to, func(*groups.Mailbox) {}, nil)
	o, err := pgpmime.Protect([]byte("From: "+support+"\r\nSubject: hello\r\n\r\nhello\r\n"), pgpmime.ProtectRequest{Protection: pgpmime.Clear})
	if err != nil {
		t.Fatal(err)
	}
	m := queue.Message{ID: "q", MailboxID: h.box.ID, GroupID: h.group.ID, ReversePath: support, RequireTLS: true}
	results := h.Deliver(t.Context(), m, []queue.Recipient{{ID: "r", Address: "ann@example.org"}}, o)
	h.wants(results, queue.OutcomeFailed, "REQUIRETLS")
	if results[0].Code != "5.7.30" || len(to.arrived()) != 0 {
		t.Errorf("%+v, and arrived: %v", results[0], to.arrived())
	}
}

// TestOpportunisticTLS: a fixed server need not prove who it is where that was chosen, and the result says that it did not.
func TestOpportunisticTLS(t *testing.T) {
	h, to := newHouse(t), startHop(t)
	h.saveHop(to, func(m *groups.Mailbox) { m.SMTP.TLS, m.SMTP.CA = groups.TLSOpportunistic, "" }, nil)
	h.wants(h.sends("ann@example.org"), queue.OutcomeRelayed, "unverified")
	h.saveHop(to, func(m *groups.Mailbox) { m.SMTP.TLS, m.SMTP.CA = groups.TLSStart, "" }, nil)
	h.wants(h.sends("bob@example.org"), queue.OutcomeDeferred, "certificate")
}

// TestPostfixTakesEachMechanism: a real smarthost with Dovecot's SASL; its own log says how we logged in.
func TestPostfixTakesEachMechanism(t *testing.T) {
	bed.Need(t, "postfix", "dovecot")
	h, authority := newHouse(t), bed.NewAuthority(t)
	dovecot := bed.StartDovecot(t, authority, "support", "customer")
	postfix := bed.StartPostfix(t, authority, dovecot)
	login := func(mechanism, password string) {
		t.Helper()
		to := &hop{address: postfix.SMTP, tls: authority}
		h.saveHop(to, func(m *groups.Mailbox) { m.SMTP.Username, m.Out.Mechanism = "support", mechanism }, &groups.Credentials{SMTPPassword: password})
	}
	for mechanism, used := range map[string]string{"": "CRAM-MD5", "CRAM-MD5": "CRAM-MD5", "PLAIN": "PLAIN", "LOGIN": "LOGIN"} {
		t.Run("mechanism "+mechanism, func(t *testing.T) {
			login(mechanism, "secret")
			before := strings.Count(logOf(t, postfix), "sasl_method="+used)
			h.wants(h.sends("customer@desk.test"), queue.OutcomeRelayed, "")
			until(t, func() bool { return strings.Count(logOf(t, postfix), "sasl_method="+used) > before })
		})
	}
	login("", "wrong")
	h.wants(h.sends("customer@desk.test"), queue.OutcomeDeferred, "check user name and password of this mailbox")
}

// logOf is what a Postfix has logged so far.
func logOf(t *testing.T, p *bed.Postfix) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(filepath.Dir(p.Dir), "log"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// until waits for a condition.
func until(t *testing.T, holds func() bool) {
	t.Helper()
	tick, end := time.NewTicker(50*time.Millisecond), time.NewTimer(20*time.Second)
	defer tick.Stop()
	defer end.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-end.C:
			t.Fatal("waited in vain")
		}
	}
}
