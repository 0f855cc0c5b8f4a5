package gateway_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/keyring"
)

// dated is a message of joe's of another day.
func dated(at time.Time, message []byte) []byte {
	return bytes.Replace(message, []byte("Date: Wed, 04 Mar 2026 11:00:00 +0000"), []byte("Date: "+at.Format(time.RFC1123Z)), 1)
}

func (h *house) saidOf(key *openpgp.Entity) string {
	h.t.Helper()
	c, err := h.Certificate(h.ctx(), h.agent, fingerprint(key))
	if err != nil {
		h.t.Fatal(err)
	}
	seen, err := h.Sightings(h.ctx(), h.agent, []*keyring.Certificate{c})
	if err != nil {
		h.t.Fatal(err)
	}
	return strings.Join(gateway.Unseen(seen[c.Fingerprint]), " ")
}

// A mailbox that is synced for the first time holds the mail of years: what only old mail shows, nobody approves by itself.
func TestNothingStaleIsApprovedByItself(t *testing.T) {
	day := 24 * time.Hour
	for name, c := range map[string]struct {
		at    time.Time
		want  keyring.State
		words string
	}{
		"of today":           {noon, keyring.Approved, ""},
		"of five weeks ago":  {noon.Add(-35 * day), keyring.Approved, ""},
		"of fifty days ago":  {noon.Add(-50 * day), keyring.Proposed, "Not seen for 50 days in mail from " + joe + "."},
		"of tomorrow's date": {noon.Add(day), keyring.Approved, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.discovering()
			if err := h.SetApprovals(t.Context(), h.admin, h.group.ID, []keyring.Source{keyring.Autocrypt}); err != nil {
				t.Fatal(err)
			}
			key := newKey(t, joe, 0)
			h.receives(arrival(h.box, 1, dated(c.at, withField(autocrypt(t, joe, key)))))
			if h.state(key) != c.want || h.saidOf(key) != c.words {
				t.Errorf("state %q, said: %q", h.state(key), h.saidOf(key))
			}
		})
	}
}

// Mail that came without the key since says that its owner may have lost it.
func TestMailWithoutTheKeyMakesItStale(t *testing.T) {
	h := newHouse(t)
	h.discovering()
	key := newKey(t, joe, 0)
	ago := func(days int) time.Time { return noon.Add(-time.Duration(days) * 24 * time.Hour) }
	h.receives(arrival(h.box, 1, dated(ago(60), withField(autocrypt(t, joe, key)))))
	h.receives(arrival(h.box, 2, dated(ago(2), withField(""))))
	want := "Not seen for 60 days in mail from " + joe + ", which has come without it since: ask whether it is still in use."
	if got := h.saidOf(key); got != want {
		t.Errorf("said: %q", got)
	}
	h.receives(arrival(h.box, 3, dated(ago(1), withField(autocrypt(t, joe, key)))))
	if got := h.saidOf(key); got != "" || h.state(key) != keyring.Proposed {
		t.Errorf("after it was shown again: %q, %q", got, h.state(key))
	}
}
