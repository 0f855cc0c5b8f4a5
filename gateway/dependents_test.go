package gateway_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/keyring"
)

// TestSealedHistoryIsCountedByKey: what came encrypted to a key depends on it, whichever subkey was used; what came to
// another key, in clear, or was opened a second time does not count.
func TestSealedHistoryIsCountedByKey(t *testing.T) {
	h := newHouse(t)
	history := func() string {
		t.Helper()
		words, err := h.Dependents(t.Context(), h.admin, h.own.Fingerprint)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(words, func(w string) bool { return strings.Contains(w, "came encrypted to it") })
		if i < 0 {
			return ""
		}
		count, _, _ := strings.Cut(words[i], " came")
		return count
	}
	stranger := newKey(t, "stranger@elsewhere.test", 0)
	h.receives(arrival(h.box, 1, fromCustomer(t, "1@customer.test")))
	h.receives(arrival(h.box, 2, fromCustomer(t, "2@customer.test", stranger)))
	if got := history(); got != "" {
		t.Errorf("%s count before one came encrypted", got)
	}
	h.receives(arrival(h.box, 3, fromCustomer(t, "3@customer.test", h.own.Entity)))
	if got := history(); got != "1 article" {
		t.Errorf("%q count, want 1 article", got)
	}
	h.passes(time.Minute)
	if _, err := h.AddSubkey(t.Context(), h.admin, h.own.Fingerprint, keyring.ToEncrypt, 0); err != nil {
		t.Fatal(err)
	}
	h.receives(arrival(h.box, 4, fromCustomer(t, "4@customer.test", h.own.Entity, stranger)))
	if got := history(); got != "2 articles" {
		t.Errorf("%q count, want 2 articles", got)
	}
}

// TestWaitingArticlesAreNamed: an article that came encrypted to a certificate whose secret key is not held waits for it.
func TestWaitingArticlesAreNamed(t *testing.T) {
	h := newHouse(t)
	carl := h.customer("carl@customer.test")
	for uid, want := range []string{"", "1 article waits for this certificate", "2 articles wait for this certificate"} {
		words, err := h.Dependents(t.Context(), h.admin, fingerprint(carl))
		if all := strings.Join(words, "\n"); err != nil || (all == "") != (want == "") || !strings.Contains(all, want) {
			t.Errorf("%d came: %q, %v; want %q", uid, all, err, want)
		}
		h.receives(arrival(h.box, uint32(uid+1), fromCustomer(t, strings.Repeat("x", uid+1)+"@customer.test", carl)))
	}
}
