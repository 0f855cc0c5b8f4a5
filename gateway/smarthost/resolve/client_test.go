package resolve_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/sealgate/sealgate/gateway/smarthost/resolve"
	"github.com/sealgate/sealgate/gateway/smarthost/resolve/dnstest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestWhatTheDNSSays: each kind of record as it is in the zone, through aliases, and none where there is none.
func TestWhatTheDNSSays(t *testing.T) {
	zone := dnstest.Start(t,
		"desk.test. MX 20 MX2.desk.test.", "desk.test. MX 10 mx1.desk.test.", "nothing.test. MX 0 .",
		"mx1.desk.test. A 203.0.113.1", "mx1.desk.test. AAAA 2001:db8::1", "alias.test. CNAME mx1.desk.test.",
		`_mta-sts.desk.test. TXT "v=STSv1; " "id=1\"\\;"`, "_25._tcp.mx1.desk.test. TLSA 3 1 1 0102",
		"loop1.test. CNAME loop2.test.", "loop2.test. CNAME loop1.test.")
	c, ctx := zone.Client(), t.Context()
	for name, question := range map[string]struct {
		ask  func() (any, error)
		want string
	}{
		"MX":           {func() (any, error) { return c.MX(ctx, "desk.test") }, "{[{20 mx2.desk.test} {10 mx1.desk.test}] desk.test true} <nil>"},
		"upper case":   {func() (any, error) { return c.MX(ctx, "DESK.test") }, "{[{20 mx2.desk.test} {10 mx1.desk.test}] desk.test true} <nil>"},
		"null MX":      {func() (any, error) { return c.MX(ctx, "nothing.test") }, "{[{0 }] nothing.test true} <nil>"},
		"no MX":        {func() (any, error) { return c.MX(ctx, "mx1.desk.test") }, "{[] mx1.desk.test true} <nil>"},
		"no name":      {func() (any, error) { return c.MX(ctx, "gone.test") }, "{[]  true} no such name in the DNS"},
		"not a name":   {func() (any, error) { return c.MX(ctx, "a..b") }, "{[]  false} no such name in the DNS"},
		"addresses":    {func() (any, error) { return c.Addresses(ctx, "mx1.desk.test") }, "{[2001:db8::1 203.0.113.1] mx1.desk.test true} <nil>"},
		"by alias":     {func() (any, error) { return c.Addresses(ctx, "alias.test") }, "{[2001:db8::1 203.0.113.1] mx1.desk.test true} <nil>"},
		"text":         {func() (any, error) { return c.TXT(ctx, "_mta-sts.desk.test") }, `{[v=STSv1; id=1"\;] _mta-sts.desk.test true} <nil>`},
		"associations": {func() (any, error) { return c.TLSA(ctx, "_25._tcp.mx1.desk.test") }, "{[{3 1 1 [1 2]}] _25._tcp.mx1.desk.test true} <nil>"},
		"alias loop":   {func() (any, error) { return c.MX(ctx, "loop1.test") }, "{[]  false} the DNS gave no answer about MX loop1.test: its aliases do not end"},
	} {
		t.Run(name, func(t *testing.T) {
			reply, err := question.ask()
			if got := fmt.Sprint(reply, " ", err); got != question.want {
				t.Errorf("got  %s\nwant %s", got, question.want)
			}
		})
	}
}

// TestTroubleMayPass: whatever is no answer is an error of its own kind, never "there is none".
func TestTroubleMayPass(t *testing.T) {
	zone := dnstest.Start(t, "desk.test. MX 10 mx.desk.test.")
	zone.Break("broken.test", dns.RcodeServerFailure)
	zone.Break("refused.test", dns.RcodeRefused)
	silent := zone.Client()
	silent.Servers, silent.Timeout = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1")}, 200*time.Millisecond
	for name, c := range map[string]struct {
		client *resolve.Client
		domain string
	}{
		"SERVFAIL": {zone.Client(), "broken.test"}, "REFUSED": {zone.Client(), "refused.test"},
		"nobody there": {silent, "desk.test"}, "no server": {&resolve.Client{}, "desk.test"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.client.MX(t.Context(), c.domain)
			var trouble *resolve.Error
			if !errors.As(err, &trouble) || errors.Is(err, resolve.ErrNoName) || !strings.Contains(err.Error(), c.domain) {
				t.Errorf("got %v", err)
			}
		})
	}
	behind := zone.Client()
	behind.Servers = append(silent.Servers, behind.Servers...)
	if reply, err := behind.MX(t.Context(), "desk.test"); err != nil || len(reply.Records) != 1 {
		t.Errorf("the second server: %+v, %v", reply, err)
	}
}

// TestWhoIsBelieved: the AD bit counts only from resolvers that were said to validate.
func TestWhoIsBelieved(t *testing.T) {
	zone := dnstest.Start(t, "desk.test. MX 10 mx.desk.test.", "plain.test. MX 10 mx.desk.test.")
	zone.Unsigned("plain.test")
	c := zone.Client()
	for name, want := range map[string]bool{"desk.test": true, "plain.test": false} {
		if reply, err := c.MX(t.Context(), name); err != nil || reply.Authenticated != want {
			t.Errorf("%s: %+v, %v", name, reply, err)
		}
	}
	c.Validating = false
	if reply, err := c.MX(t.Context(), "desk.test"); err != nil || reply.Authenticated {
		t.Errorf("a resolver that is not said to validate: %+v, %v", reply, err)
	}
}

// TestLargeAnswers come by TCP, and have an end.
func TestLargeAnswers(t *testing.T) {
	var records []string
	for i := range 101 {
		domain := "many.test."
		if i == 100 {
			domain = "toomany.test."
		}
		records = append(records, fmt.Sprintf("%s MX %d a-rather-long-name-of-a-host-%d.desk.test.", domain, i, i))
	}
	for i := range 100 {
		records = append(records, fmt.Sprintf("toomany.test. MX %d a-rather-long-name-of-a-host-%d.desk.test.", i, i))
	}
	c := dnstest.Start(t, records...).Client()
	if reply, err := c.MX(t.Context(), "many.test"); err != nil || len(reply.Records) != 100 {
		t.Errorf("%d records, %v", len(reply.Records), err)
	}
	if _, err := c.MX(t.Context(), "toomany.test"); err == nil || !strings.Contains(err.Error(), "more than 100") {
		t.Errorf("got %v", err)
	}
}

// TestFromFile reads the system's list.
func TestFromFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	for content, want := range map[string]string{
		"nameserver 127.0.0.53\nnameserver 2001:db8::53\n": "[127.0.0.53:53 [2001:db8::53]:53] false",
		"search desk.test\n": "names none",
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got := ""
		if c, err := resolve.FromFile(path); err != nil {
			got = err.Error()
		} else {
			got = fmt.Sprint(c.Servers, c.Validating)
		}
		if !strings.Contains(got, want) {
			t.Errorf("%q: got %s, want %s", content, got, want)
		}
	}
}
