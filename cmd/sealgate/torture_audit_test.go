package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

const protectedByGateway = "Message-ID: <token-1@desk.test>\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n"

// TestAuditorFindsFaults: an auditor that cannot fail proves nothing.
func TestAuditorFindsFaults(t *testing.T) {
	one := []string{customer}
	cases := map[string]struct {
		happens func(a *auditor)
		want    string // in the one fault; "" for none
	}{
		"all is well": {func(a *auditor) { a.arrive(support, one, []byte(protectedByGateway), true) }, ""},
		"lost":        {func(*auditor) {}, "1 acknowledged and lost"},
		"lost for one of two": {func(a *auditor) {
			a.acknowledge("token-1", []string{customer, otherCustomer})
			a.arrive(support, one, []byte(protectedByGateway), true)
		}, "token-1 for " + otherCustomer},
		"in clear": {func(a *auditor) {
			a.arrive(support, one, []byte(protectedByGateway+tortureCanary), true)
		}, "1 left in clear"},
		"not encrypted": {func(a *auditor) {
			a.arrive(support, one, []byte("Message-ID: <token-1@desk.test>\r\n\r\nnothing\r\n"), true)
		}, "1 left in clear"},
		"twice for no reason": {func(a *auditor) {
			a.arrive(support, one, []byte(protectedByGateway), true)
			a.arrive(support, one, []byte(protectedByGateway), true)
		}, "1 arrived twice without a lost reply"},
		"twice after an interruption long before": {func(a *auditor) {
			a.interrupt(time.Now().Add(-time.Minute), time.Now().Add(-time.Second))
			a.arrive(support, one, []byte(protectedByGateway), true)
			a.arrive(support, one, []byte(protectedByGateway), true)
		}, "1 arrived twice without a lost reply"},
		"twice because the hop did not answer": {func(a *auditor) {
			a.arrive(support, one, []byte(protectedByGateway), false)
			a.arrive(support, one, []byte(protectedByGateway), true)
		}, ""},
		"twice because of a kill": {func(a *auditor) {
			a.arrive(support, one, []byte(protectedByGateway), true)
			a.interrupt(time.Now(), time.Now())
			a.arrive(support, one, []byte(protectedByGateway), true)
		}, ""},
		"other bytes": {func(a *auditor) {
			a.arrive(support, one, []byte(protectedByGateway), false)
			a.arrive(support, one, []byte(protectedByGateway+"more"), true)
		}, "1 arrived again with other bytes"},
		"refused": {func(a *auditor) {
			a.arrive(support, one, []byte(protectedByGateway), true)
			a.refuse("token-2", errors.New("554"))
		}, "1 refused for good"},
		"a notice in clear": {func(a *auditor) {
			a.arrive(support, one, []byte(protectedByGateway), true)
			a.arrive("", []string{support}, []byte("Subject: failed\r\n\r\n"+tortureCanary), true)
		}, "1 left in clear"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			a := newAuditor()
			a.acknowledge("token-1", one)
			c.happens(a)
			faults := a.audit().faults()
			if c.want == "" && len(faults) > 0 {
				t.Errorf("found %q", faults)
			}
			if c.want != "" && (len(faults) != 1 || !slices.ContainsFunc(faults, func(f string) bool { return strings.Contains(f, c.want) })) {
				t.Errorf("found %q, want one with %q", faults, c.want)
			}
		})
	}
}
