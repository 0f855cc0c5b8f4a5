package main

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/keyring"
	"github.com/sealgate/sealgate/keyring/discover"
)

func TestTheReportOfALookup(t *testing.T) {
	var out bytes.Buffer
	printDiscovery(&out, gateway.DiscoveryReport{
		Asks: []discover.Ask{
			{Source: keyring.WKD, URL: "https://openpgpkey.example.test/x", Answer: discover.Absent, Why: "there is no certificate"},
			{Source: keyring.Keyserver, URL: "https://keys.test/y", Answer: discover.Found},
		},
		Proposals: []gateway.Proposal{
			{Fingerprint: "AAAA", Outcome: keyring.Added, State: keyring.Proposed},
			{Fingerprint: "BBBB", Outcome: keyring.Refused, Why: "too weak"},
		},
	})
	for _, words := range []string{
		"asked  wkd  https://openpgpkey.example.test/x\n       absent: there is no certificate\n", "asked  keyserver  https://keys.test/y\n       found\n",
		"added  AAAA (proposed)\n", "sealgate key approve AAAA", "not taken  BBBB: too weak\n",
	} {
		if !strings.Contains(out.String(), words) {
			t.Errorf("%q is missing in\n%s", words, out.String())
		}
	}
	out.Reset()
	printDiscovery(&out, gateway.DiscoveryReport{})
	if !strings.Contains(out.String(), "Nothing was asked") {
		t.Errorf("without servers: %s", out.String())
	}
}

func TestTheDiscoveryCommands(t *testing.T) {
	config := writeConfig(t, "domain: sealgate.test\ndiscover:\n  wkd: false\n")
	do := func(args ...string) string {
		return must(t, "", append([]string{"-c", config, "discover"}, args...)...)
	}
	if out, code := sealgate(t, "", "-c", config, "group", "save", "Support", "--address", support); code != 0 {
		t.Fatal(out)
	}
	for _, step := range []struct {
		args []string
		want string
	}{
		{[]string{"joe@customer.test"}, "Nothing was asked"},
		{[]string{"address", "joe@customer.test"}, "Nothing was asked"},
		{[]string{"lookups", "--json"}, `"WKD": false`},
		{[]string{"approvals"}, "nothing"},
		{[]string{"approve", "Support", "wkd", "attachment"}, ""},
		{[]string{"approvals"}, "attachment, wkd"},
		{[]string{"approvals", "--json"}, `"attachment"`},
		{[]string{"approve", "Support"}, ""},
		{[]string{"approvals"}, "nothing"},
	} {
		if out := do(step.args...); !strings.Contains(out, step.want) {
			t.Errorf("%v: %s", step.args, out)
		}
	}
	for want, args := range map[string][]string{
		"choose among wkd":  {"approve", "Support", "gossip"},
		"Sales":             {"approve", "Sales", "wkd"},
		"local@domain":      {"nobody"},
		"expected \"<addre": {},
	} {
		if out, code := sealgate(t, "", append([]string{"-c", config, "discover"}, args...)...); code == 0 || !strings.Contains(out, want) {
			t.Errorf("%v: exit %d\n%s", args, code, out)
		}
	}
}

func TestTheListOfLookups(t *testing.T) {
	l := discover.Lookup{
		Kind: discover.ForSigner, Subject: discover.SignerSubject("0123456789ABCDEF", "joe@customer.test"), Waiting: true,
		Due: time.Date(2026, 3, 4, 12, 15, 0, 0, time.UTC), Asked: time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC),
		Asks: []discover.Ask{{Source: keyring.WKD, Answer: discover.Absent, Why: "there is no certificate"}, {Source: keyring.Keyserver, Answer: discover.Failed, Why: "no route"}},
	}
	want := "joe@customer.test|0123456789ABCDEF|2026-03-04T12:00:00Z|2026-03-04T12:15:00Z|wkd absent: there is no certificate; keyserver failed: no route"
	if got := strings.Join(lookupRow(l), "|"); got != want {
		t.Errorf("%s", got)
	}
	if got := lookupRow(discover.Lookup{Kind: discover.ForAddress, Subject: "a@b.test"}); got[2] != "not yet" || got[3] != "" {
		t.Errorf("one that was not asked yet: %q", got)
	}
}

// A whole running gateway: the ticket system has its answer while the directory of the customer's domain has not given one,
// and what the directory has waits for approval afterwards.
func TestTheTicketSystemWaitsForNoDirectory(t *testing.T) {
	s := newSite(t, nil)
	internet := bed.NewInternet(t)
	certificate := s.gpg.Export(t, s.gpg.Generate(t, "Customer <"+customer+">", ""))
	asked, answer := make(chan struct{}, 10), make(chan struct{})
	internet.Serve("openpgpkey.desk.test", func(w http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		<-answer
		w.Write(certificate)
	})
	g := s.parts.gateway
	g.Discovery.Finder.Network = &discover.Network{Resolver: internet, Roots: internet.Roots, Standing: internet.Standing}
	if err := s.submit("From: "+support+"\r\nTo: "+customer+"\r\nSubject: hello\r\n\r\nHello\r\n", customer); err != nil {
		t.Fatal(err)
	}
	select {
	case <-asked:
	case <-time.After(patience):
		t.Fatal("nobody asked the directory")
	}
	if n := s.logged("certificate.proposed"); n != 0 {
		t.Errorf("%d proposals before the directory answered", n)
	}
	close(answer)
	s.wait("the proposal", func() bool { return s.logged("certificate.proposed") == 1 })
	plan, err := g.Plan(t.Context(), cli, gateway.PlanRequest{GroupID: s.group.ID, From: support, Visible: []string{customer}})
	if err != nil || plan.Recipients[0].Fingerprint != "" {
		t.Errorf("a proposal is used: %+v, %v", plan.Recipients, err)
	}
}
