package discover

import (
	"errors"
	"fmt"
	"time"

	"github.com/sealgate/sealgate/keyring"
)

// maxAttached is how many attached keys of one message are read.
const maxAttached = 10

// InMail is what a message brought. Direct is the finding of its Autocrypt field, if it had one that counts.
type InMail struct {
	Findings []Finding
	Direct   *Finding
	Mutual   bool
	Why      []error // of what was left out

	old bool // the message is
}

// Look says which parts of a message are looked at.
type Look struct{ Autocrypt, Attached, Gossip bool }

// FromMail reads the certificates that came with a message: of its Autocrypt field, of attached keys with a user ID that
// equals its one From address, and of gossip about its own recipients. Nothing is asked of the network.
func FromMail(m Mail, look Look, at time.Time) InMail {
	in := InMail{old: m.Old(at)}
	if look.Autocrypt {
		in.addDirect(m, at)
	}
	if look.Attached && len(m.From) == 1 && !m.Report {
		for _, content := range m.Attached[:min(len(m.Attached), maxAttached)] {
			items, err := forAddress(content, m.From[0], at)
			in.take(keyring.Attachment, m.From[0], "attached key", items, err)
		}
	}
	if look.Gossip {
		for _, h := range m.gossip() {
			items, err := forAddress(h.KeyData, h.Address, at)
			in.take(keyring.Gossip, h.Address, "Autocrypt-Gossip field", items, err)
		}
	}
	return in
}

func (in *InMail) addDirect(m Mail, at time.Time) {
	h, err := m.direct()
	if errors.Is(err, ErrAbsent) {
		return
	}
	var items []*keyring.Item
	if err == nil {
		items, err = autocryptItems(h, at)
	}
	in.take(keyring.Autocrypt, h.Address, "Autocrypt field", items, err)
	if err == nil {
		direct := in.Findings[len(in.Findings)-1]
		in.Direct, in.Mutual = &direct, h.Mutual
	}
}

// autocryptItems reads keydata, which is one certificate. Its user ID need not name the address (level 1, section 2.1.1),
// but one that does not cannot be found by it, so it is not taken.
func autocryptItems(h Header, at time.Time) ([]*keyring.Item, error) {
	items, err := forAddress(h.KeyData, h.Address, at)
	if err == nil && len(items) != 1 {
		err = fmt.Errorf("%w: keydata holds more than one certificate", errIgnored)
	}
	return items, err
}

func (in *InMail) take(source keyring.Source, address, from string, items []*keyring.Item, err error) {
	if err != nil {
		in.Why = append(in.Why, fmt.Errorf("%s: %w", from, err))
		return
	}
	for _, f := range findings(source, address, from, items) {
		f.Stale = in.old
		in.Findings = append(in.Findings, f)
	}
}
