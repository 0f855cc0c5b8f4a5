package gateway_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/keyring"
)

// TestADumpOfHundredsComesInBatches: every certificate is taken once however often the dump comes, each batch has its entry
// in the log, and a damaged end is said.
func TestADumpOfHundredsComesInBatches(t *testing.T) {
	h := newHouse(t)
	var dump bytes.Buffer
	for i := range 250 {
		dump.Write(public(t, newKey(t, fmt.Sprintf("p%d@example.org", i), 0)))
	}
	imports := func(input string) (count map[keyring.Outcome]int) {
		count = map[keyring.Outcome]int{}
		err := h.ImportDump(h.ctx(), h.admin, strings.NewReader(input), nil, func(r gateway.ImportReport) error {
			for _, c := range r.Changes {
				count[c.Outcome]++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return count
	}
	before := len(h.entries("certificate.imported"))
	if got := imports(dump.String()); got[keyring.Added] != 250 || len(got) != 1 {
		t.Errorf("first: %v", got)
	}
	if got := len(h.entries("certificate.imported")) - before; got != 2 {
		t.Errorf("%d entries in the log", got)
	}
	if got := imports(dump.String()[:dump.Len()-300]); got[keyring.Unchanged] != 249 || got[keyring.Refused] != 1 {
		t.Errorf("cut off: %v", got)
	}
}

// TestWhatAPersonRuledIsUsed: a domain rule serves who has no certificate, and a second certificate waits with an alert.
func TestWhatAPersonRuledIsUsed(t *testing.T) {
	h := newHouse(t)
	gate := newKey(t, "gate@customer.example", 0)
	fingerprint := h.imports(public(t, gate), "").Changes[0].Fingerprint
	if err := h.PinCertificate(h.ctx(), h.admin, "customer.example", fingerprint); err != nil {
		t.Fatal(err)
	}
	plan := func(address string) string {
		p, err := h.Plan(h.ctx(), h.admin, gateway.PlanRequest{From: h.group.Addresses[0], Visible: []string{address}})
		if err != nil {
			t.Fatal(err)
		}
		return p.Recipients[0].Fingerprint
	}
	if plan("anybody@customer.example") != fingerprint {
		t.Error("the rule of the domain is not used")
	}
	if err := h.UnpinCertificate(h.ctx(), h.admin, "customer.example"); err != nil || plan("anybody@customer.example") != "" {
		t.Errorf("the rule stays: %v", err)
	}
	second := h.imports(public(t, newKey(t, "gate@customer.example", 0)), "").Changes[0]
	if !strings.Contains(second.Alert(), fingerprint) || plan("gate@customer.example") != fingerprint {
		t.Errorf("the second certificate: %+v", second)
	}
	entries := h.entries("certificate.imported")
	if last := entries[len(entries)-1]; !strings.Contains(fmt.Sprint(entries[0].Detail, last.Detail), "alert: gate@customer.example") {
		t.Errorf("no alert in the log: %v", last.Detail)
	}
}
