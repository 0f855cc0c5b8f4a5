package gateway_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/dkim"
	"github.com/sealgate/sealgate/gateway/smarthost/resolve"
	"github.com/sealgate/sealgate/gateway/smarthost/resolve/dnstest"
	"github.com/sealgate/sealgate/keyring"
)

// author is a domain of the world that signs with DKIM.
type author struct {
	key    dkim.Key
	record dkim.Record
}

func newAuthor(t testing.TB, domain string) author {
	t.Helper()
	_, secret, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	algorithm, public, err := dkim.Public(secret)
	if err != nil {
		t.Fatal(err)
	}
	return author{
		dkim.Key{Domain: domain, Selector: "s", Signer: secret},
		dkim.Record{Domain: domain, Selector: "s", Algorithm: algorithm, Public: public},
	}
}

func (a author) signs(t testing.TB, message []byte) []byte {
	t.Helper()
	fields, err := dkim.Sign(message, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte(fields), message...)
}

// looksAt has a house judge DKIM signatures by a DNS, and say so in its own field.
func (h *house) looksAt(d *dnstest.Server) {
	h.Resolver, h.Verification, h.AuthenticationResults = d.Client(), &gateway.DomainVerification{}, true
}

// TestDomainSignaturesOfWhatArrives: each way a signature can be has its sentence and its field; the message arrives all
// the same, and its verdict about OpenPGP is what it would be without.
func TestDomainSignaturesOfWhatArrives(t *testing.T) {
	h := newHouse(t)
	customer, mailer := newAuthor(t, "customer.test"), newAuthor(t, "mailer.test")
	below := newAuthor(t, "news.customer.test")
	stranger := newAuthor(t, "customer.test") // has another key
	d := dnstest.Start(t, customer.record.Line(), mailer.record.Line(), below.record.Line())
	d.Break("s._domainkey.broken.test", dns.RcodeServerFailure)
	h.looksAt(d)
	clear, sealed := fromCustomer(t, "1@customer.test"), fromCustomer(t, "2@customer.test", h.own.Entity)
	for uid, c := range []struct {
		name     string
		message  []byte
		sentence string
		field    string
	}{
		{"none", clear, "none", "dkim=none;"},
		{"good", customer.signs(t, clear), "good from customer.test", "dkim=pass header.d=customer.test header.s=s;"},
		{"good, encrypted", customer.signs(t, sealed), "good from customer.test", "dkim=pass header.d=customer.test header.s=s;"},
		{"below", below.signs(t, clear), "good from news.customer.test", "dkim=pass header.d=news.customer.test header.s=s;"},
		{"another domain", mailer.signs(t, clear), "good from mailer.test, which is another domain than the sender's", "dkim=pass header.d=mailer.test"},
		{"another key", stranger.signs(t, clear), "bad (customer.test): it does not fit the header, or is forged", "dkim=fail reason="},
		{"changed", append(customer.signs(t, clear), "More.\r\n"...), "bad (customer.test): the text is not what was signed", "dkim=fail reason=\"body hash"},
		{"no record", newAuthor(t, "unknown.test").signs(t, clear), "cannot be used (unknown.test): the domain has no such key in the DNS", "dkim=permerror"},
		{"broken DNS", newAuthor(t, "broken.test").signs(t, clear), "not checked (broken.test): the DNS gave no answer", "dkim=temperror"},
		{"two", mailer.signs(t, customer.signs(t, clear)), "good from mailer.test, which is another domain than the sender's good from customer.test", "dkim=pass header.d=mailer.test header.s=s;\r\n\tdkim=pass header.d=customer.test"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h.receives(arrival(h.box, uint32(uid+1), c.message))
			all := h.articles()
			id := all[len(all)-1].ID
			view, err := h.ReadArticle(h.ctx(), h.agent, id)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(view.DKIM.Sentences("carl@customer.test"), " "); !strings.HasPrefix(got, c.sentence) {
				t.Errorf("it says %q", got)
			}
			if raw := h.raw(id); !strings.HasPrefix(raw, "Authentication-Results: gate.test;\r\n\t"+c.field) || strings.Count(raw, "Authentication-Results") != 1 {
				t.Errorf("it arrived as\n%s", raw)
			}
			want := "none"
			if c.name == "good, encrypted" {
				want = "decrypted"
			}
			if string(view.Verdict.Encryption) != want || view.Verdict.Signature != "none" {
				t.Errorf("the verdict is %s", view.Verdict)
			}
		})
	}
	if e := h.entries("message.received"); e[0].Detail["dkim"] != "pass mailer.test customer.test" {
		t.Errorf("the log says %v", e[0].Detail)
	}
}

// TestNobodyElseWritesInOurName: fields under our name are taken out, at the top and in what is encrypted, whatever is
// switched on; those of other servers stay.
func TestNobodyElseWritesInOurName(t *testing.T) {
	h := newHouse(t)
	forged := "Authentication-Results: gate.test; dkim=pass header.d=bank.test\r\nAuthentication-Results: Gate.Test. (x) 1; spf=pass\r\n"
	kept := "Authentication-Results: mx.desk.test; spf=pass\r\n"
	h.receives(arrival(h.box, 1, append([]byte(forged+kept), fromCustomer(t, "1@customer.test")...)))
	h.looksAt(dnstest.Start(t))
	h.receives(arrival(h.box, 2, append([]byte(forged+kept), fromCustomer(t, "2@customer.test", h.own.Entity)...)))
	for i, a := range h.articles() {
		raw := h.raw(a.ID)
		if strings.Contains(raw, "bank.test") || strings.Contains(raw, "(x)") || !strings.Contains(raw, kept) || strings.Count(raw, "Authentication-Results: gate.test") != i {
			t.Errorf("it arrived as\n%s", raw)
		}
	}
}

// TestTheFieldTellsOpenPGPToo, as RFC 7281 does for S/MIME.
func TestTheFieldTellsOpenPGPToo(t *testing.T) {
	h := newHouse(t)
	carl := h.customer("carl@customer.test")
	h.looksAt(dnstest.Start(t))
	h.receives(arrival(h.box, 1, signedByCustomer(t, "1@customer.test", carl, h.own.Entity)))
	if err := h.SetCertificateState(h.ctx(), h.admin, fingerprint(carl), keyring.Proposed); err != nil {
		t.Fatal(err)
	}
	h.receives(arrival(h.box, 2, signedByCustomer(t, "2@customer.test", carl, h.own.Entity)))
	for i, want := range []string{"openpgp=pass body.fingerprint=" + fingerprint(carl) + "\r\n", "openpgp=policy reason=\"unapproved-key\"\r\n"} {
		if raw := h.raw(h.articles()[i].ID); !strings.HasPrefix(raw, "Authentication-Results: gate.test;\r\n\tdkim=none;\r\n\t"+want) {
			t.Errorf("it arrived as\n%s", raw)
		}
	}
}

// TestALaterOpeningKeepsWhatWasSeenFirst: domains change their keys, so a message is judged once, when it arrives.
func TestALaterOpeningKeepsWhatWasSeenFirst(t *testing.T) {
	h := newHouse(t)
	customer := newAuthor(t, "customer.test")
	d := dnstest.Start(t, customer.record.Line())
	h.looksAt(d)
	late := newKey(t, "late@desk.test", 0)
	h.receives(arrival(h.box, 1, customer.signs(t, fromCustomer(t, "1@customer.test", late))))
	d.Set(t)
	h.imports(private(t, late), "")
	all := h.articles()
	if len(all) != 2 {
		t.Fatalf("%d articles", len(all))
	}
	view, err := h.ReadArticle(h.ctx(), h.agent, all[1].ID)
	if err != nil || fmt.Sprint(view.DKIM.Sentences("carl@customer.test")) != "[good from customer.test]" || view.Verdict.Encryption != "decrypted" {
		t.Errorf("%v %s (%v)", view.DKIM, view.Verdict, err)
	}
	if raw := h.raw(all[1].ID); !strings.Contains(raw, "Authentication-Results: gate.test;\r\n\tdkim=pass header.d=customer.test") {
		t.Errorf("it says\n%s", raw)
	}
}

// TestWithoutADNSNobodyLooks: offline, and where it is switched off, nothing is said.
func TestWithoutADNSNobodyLooks(t *testing.T) {
	h := newHouse(t)
	customer := newAuthor(t, "customer.test")
	h.Verification = &gateway.DomainVerification{}
	h.receives(arrival(h.box, 1, customer.signs(t, fromCustomer(t, "1@customer.test"))))
	h.Resolver, h.Verification = dnstest.Start(t, customer.record.Line()).Client(), nil
	h.receives(arrival(h.box, 2, customer.signs(t, fromCustomer(t, "2@customer.test"))))
	for _, a := range h.articles() {
		view, err := h.ReadArticle(h.ctx(), h.agent, a.ID)
		if err != nil || view.DKIM != nil || strings.Contains(h.raw(a.ID), "Authentication-Results") {
			t.Errorf("%v (%v)", view.DKIM, err)
		}
	}
}

// TestASilentDNSDelaysLittle: each message waits its time at most, after three in a row nobody asks for a while, and then
// it is asked again.
func TestASilentDNSDelaysLittle(t *testing.T) {
	h := newHouse(t)
	silent := newSilentDNS(t)
	var mu sync.Mutex
	now := noon
	h.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	h.Resolver, h.Verification = silent.client(), &gateway.DomainVerification{Within: 20 * time.Millisecond}
	customer := newAuthor(t, "customer.test")
	receive := func(uid uint32) {
		t.Helper()
		h.receives(arrival(h.box, uid, customer.signs(t, fromCustomer(t, fmt.Sprintf("%d@customer.test", uid)))))
		view, err := h.ReadArticle(h.ctx(), h.agent, h.articles()[uid-1].ID)
		if got := fmt.Sprint(view.DKIM.Sentences("carl@customer.test")); err != nil || got != "[not checked (customer.test): the DNS gave no answer]" {
			t.Errorf("message %d says %s (%v)", uid, got, err)
		}
	}
	for uid := range uint32(3) {
		receive(uid + 1)
	}
	asked := silent.asked()
	if asked < 3 {
		t.Errorf("%d questions for three messages", asked)
	}
	receive(4)
	if silent.asked() != asked {
		t.Error("it is asked although it says nothing")
	}
	mu.Lock()
	now = now.Add(31 * time.Second)
	mu.Unlock()
	receive(5)
	if silent.asked() == asked {
		t.Error("it is never asked again")
	}
}

// silentDNS takes questions and never answers.
type silentDNS struct {
	address   netip.AddrPort
	questions atomic.Int64
}

func newSilentDNS(t *testing.T) *silentDNS {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &silentDNS{address: netip.MustParseAddrPort(socket.LocalAddr().String())}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for b := make([]byte, 4096); ; s.questions.Add(1) {
			if _, _, err := socket.ReadFrom(b); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { socket.Close(); <-ended })
	return s
}

func (s *silentDNS) asked() int64 { return s.questions.Load() }

func (s *silentDNS) client() *resolve.Client {
	return &resolve.Client{Servers: []netip.AddrPort{s.address}}
}
