package gateway

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/pgpmime"
)

// Gossip is never taken from what travelled in clear, whatever the two headers look like.
func FuzzMailOf(f *testing.F) {
	f.Add("From: a@b.test\r\nAutocrypt: x\r\nAutocrypt-Gossip: outside\r\n\r\nhello", "Autocrypt-Gossip: inside\r\nAutocrypt: y\r\n")
	f.Add("From: a@b.test\r\nTo: c@d.test\r\n\r\n", "")
	f.Add("", "Autocrypt-Gossip: a\n\nAutocrypt-Gossip: b")
	f.Fuzz(func(t *testing.T, original, inside string) {
		received := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
		m := mailOf([]byte(original), pgpmime.Opened{PayloadHeader: []byte(inside)}, received)
		if m.Effective().After(received) {
			t.Errorf("effective at %s", m.Effective())
		}
		for _, value := range m.Gossip {
			for _, word := range strings.Fields(value) {
				if !strings.Contains(inside, word) {
					t.Errorf("gossip of elsewhere: %q", value)
				}
			}
		}
		if without := mailOf([]byte(original), pgpmime.Opened{}, received); len(without.Gossip) > 0 || !slices.Equal(without.Autocrypt, m.Autocrypt) {
			t.Errorf("without a payload: %+v", without)
		}
	})
}
