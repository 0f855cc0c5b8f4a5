package discover

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sealgate/sealgate/keyring"
)

// maxAutocrypt is the largest Autocrypt field that is read, in bytes (Autocrypt level 1, section 2.1.1).
const maxAutocrypt = 10 << 10

// maxGossip is how many gossip fields of one message are read.
const maxGossip = 50

// errIgnored says that a field is left out by the rules of Autocrypt.
var errIgnored = errors.New("the Autocrypt field is ignored")

// Mail is what a message says about itself, as far as Autocrypt needs it. Autocrypt holds the values of the Autocrypt
// fields of its outer header, Gossip those of Autocrypt-Gossip in the header of its decrypted payload: nothing else may be
// put there.
type Mail struct {
	From      []string // canonical addresses of the From field
	To        []string // canonical addresses of To and Cc
	Date      time.Time
	Received  time.Time
	Report    bool // multipart/report: its header is another's
	Autocrypt []string
	Gossip    []string
	Attached  [][]byte // contents of parts of type application/pgp-keys
}

// Effective is the date that counts for Autocrypt: that of the message, but never in the future (level 1, section 2.2).
func (m Mail) Effective() time.Time {
	if m.Date.IsZero() || m.Date.After(m.Received) {
		return m.Received
	}
	return m.Date
}

// Old tells whether what the message shows is no longer to be relied on at an instant, whatever came later.
func (m Mail) Old(at time.Time) bool { return at.Sub(m.Effective()) > peerLifetime }

// Header is one Autocrypt or Autocrypt-Gossip field.
type Header struct {
	Address string // canonical
	Mutual  bool   // prefer-encrypt=mutual
	KeyData []byte
}

// ParseHeader reads the value of an Autocrypt field (level 1, section 2.1). Attributes without a leading underscore that
// are unknown make it invalid; white space inside keydata does not count.
func ParseHeader(value string) (Header, error) {
	if len(value) > maxAutocrypt {
		return Header{}, fmt.Errorf("%w: it is larger than %d KiB", errIgnored, maxAutocrypt>>10)
	}
	var h Header
	seen := map[string]bool{}
	for piece := range strings.SplitSeq(value, ";") {
		if strings.TrimSpace(piece) == "" {
			continue
		}
		name, content, ok := strings.Cut(piece, "=")
		name, content = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(content)
		if !ok || seen[name] {
			return Header{}, fmt.Errorf("%w: an attribute has no value or stands twice", errIgnored)
		}
		seen[name] = true
		if err := h.attribute(name, content); err != nil {
			return Header{}, err
		}
	}
	if h.Address == "" || len(h.KeyData) == 0 {
		return Header{}, fmt.Errorf("%w: it has no addr or no keydata", errIgnored)
	}
	return h, nil
}

func (h *Header) attribute(name, content string) (err error) {
	switch {
	case name == "addr":
		if h.Address, err = keyring.CanonicalAddress(content); err != nil {
			return fmt.Errorf("%w: addr is %w", errIgnored, err)
		}
	case name == "prefer-encrypt":
		h.Mutual = content == "mutual" // other values are as if it were missing
	case name == "keydata":
		h.KeyData, err = base64.StdEncoding.DecodeString(strings.Join(strings.Fields(content), ""))
		if err != nil {
			return fmt.Errorf("%w: keydata is not base64", errIgnored)
		}
	case !strings.HasPrefix(name, "_"):
		return fmt.Errorf("%w: it has an unknown critical attribute", errIgnored)
	}
	return nil
}

// direct returns the one valid Autocrypt field of a message (level 1, section 2.3): none of a report, none unless there is
// exactly one From, only one whose addr is that From, and none at all when several are valid.
func (m Mail) direct() (Header, error) {
	if len(m.Autocrypt) == 0 {
		return Header{}, ErrAbsent
	}
	if m.Report || len(m.From) != 1 {
		return Header{}, fmt.Errorf("%w: the message is a report or has not one sender", errIgnored)
	}
	var valid []Header
	last := fmt.Errorf("%w: its addr is not the sender", errIgnored)
	for _, value := range m.Autocrypt {
		h, err := ParseHeader(value)
		if err != nil {
			last = err
			continue
		}
		if isAddress(m.From[0])(h.Address) {
			valid = append(valid, h)
		}
	}
	switch len(valid) {
	case 0:
		return Header{}, last
	case 1:
		return valid[0], nil
	}
	return Header{}, fmt.Errorf("%w: there are several", errIgnored)
}

// gossip returns the valid gossip fields of a message: only of its own To and Cc, the first for each address (level 1,
// section 2.4). prefer-encrypt says nothing there.
func (m Mail) gossip() []Header {
	var all []Header
	seen := map[string]bool{}
	for n, value := range m.Gossip {
		h, err := ParseHeader(value)
		if n >= maxGossip || err != nil || !isOneOf(m.To)(h.Address) || seen[keyring.Fold(h.Address)] {
			continue
		}
		seen[keyring.Fold(h.Address)] = true
		h.Mutual = false
		all = append(all, h)
	}
	return all
}

// peerLifetime is how long a key counts after the last message that showed it, when newer messages show none.
const peerLifetime = 35 * 24 * time.Hour

// Peer is what Autocrypt knows of an address (level 1, section 2.2). Times are zero for never.
type Peer struct {
	Address     string // folded
	LastSeen    time.Time
	Shown       time.Time // effective date of the newest message with a valid field
	Fingerprint string
	Mutual      bool
	GossipShown time.Time
	Gossiped    string // fingerprint
}

// Seen returns the state after a message from the address. It moves only forward in effective date, so that an old message
// that arrives late changes nothing. fingerprint is "" for a message without a valid field.
func (p Peer) Seen(effective time.Time, fingerprint string, mutual bool) Peer {
	if effective.After(p.LastSeen) {
		p.LastSeen = effective
	}
	if fingerprint != "" && effective.After(p.Shown) {
		p.Shown, p.Fingerprint, p.Mutual = effective, fingerprint, mutual
	}
	return p
}

// Heard returns the state after gossip about the address, which also moves only forward.
func (p Peer) Heard(effective time.Time, fingerprint string) Peer {
	if effective.After(p.GossipShown) {
		p.GossipShown, p.Gossiped = effective, fingerprint
	}
	return p
}

// Stale tells whether the address has written without a key for more than 35 days since it last showed one (level 1,
// section 2.3): its key is then no longer to be relied on.
func (p Peer) Stale() bool {
	return !p.Shown.IsZero() && p.LastSeen.Sub(p.Shown) > peerLifetime
}

// Unseen is for how many whole days no message from the address has shown its key; 0 up to 35 days, and when none ever
// did.
func (p Peer) Unseen(at time.Time) int {
	if p.Shown.IsZero() || at.Sub(p.Shown) <= peerLifetime {
		return 0
	}
	return int(at.Sub(p.Shown) / (24 * time.Hour))
}
