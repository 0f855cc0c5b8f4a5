package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway"
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
