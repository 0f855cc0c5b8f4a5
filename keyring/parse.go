package keyring

import (
	"slices"
	"time"
	"unicode/utf8"
)

// Item is one block of an input: a certificate, possibly with its secret key, or the reason why it was not taken.
// It is not safe for concurrent use.
type Item struct {
	Index       int // position in the input, from 1
	Certificate *Certificate
	HasSecret   bool
	Locked      bool // the secret key needs a passphrase
	Err         error

	limits   Limits   // zero for what was accepted before
	material material // verified packets, with the secret keys as they came or unlocked
	opened   bool     // the secret keys were unlocked and fit their public halves
	sha1     int      // subkeys that were left out, since only SHA-1 binds them
	stub     bool     // some secret key was only a stub, as for a key on a smart card

	bare *bareRevocation // nil for all but a revocation without its certificate
}

// Parse reads armored or binary input holding one or many certificates or secret keys; at is the instant at which
// what it reports is judged. It never fails as a whole unless nothing in the input is OpenPGP: then the error is a
// sentence for people. An input may have 1 MiB and 5000 blocks, a certificate what DefaultLimits says; the limits of
// secret keys are checked by Unlock. It does not keep input.
func Parse(input []byte, at time.Time) ([]*Item, error) { return Limits{}.Parse(input, at) }

// Parse is the function Parse under these limits.
func (l Limits) Parse(input []byte, at time.Time) ([]*Item, error) {
	l = l.WithDefaults()
	if len(input) > maxInput {
		return nil, problem("this input is larger than %d MiB: import it in smaller parts", maxInput>>20)
	}
	blocks := findBlocks(fromUTF16(input))
	if len(blocks) == 0 {
		return nil, explain(input)
	}
	var items []*Item
	for _, b := range blocks {
		items = append(items, b.items(l, at)...)
		if len(items) > maxBlocks {
			return nil, errTooMany()
		}
	}
	for i, item := range items {
		item.Index = i + 1
	}
	return items, nil
}

func errTooMany() error {
	return problem("this input has more than %d blocks: import it as a file, or in smaller parts", maxBlocks)
}

func findBlocks(input []byte) []block {
	if isBinary(input) {
		return []block{{data: slices.Clone(input)}}
	}
	return armorBlocks(input)
}

// isBinary tells packets from noise: they begin with bit 7 set, random key material is never valid UTF-8, and there is
// a key at the front, or all of it splits cleanly.
func isBinary(input []byte) bool {
	if len(input) == 0 || input[0]&0x80 == 0 || utf8.Valid(input) {
		return false
	}
	packets, err := splitPackets(input)
	return err == nil || slices.ContainsFunc(packets, rawPacket.isPrimary) || beginsWithKey(input[0])
}

// beginsWithKey reads the type from the first octet of a packet, in either format.
func beginsWithKey(head byte) bool {
	p := rawPacket{tag: head & 0x3c >> 2}
	if head&0x40 != 0 {
		p.tag = head & 0x3f
	}
	return p.isPrimary()
}

// items cuts a block at its primary keys, so that a broken certificate never takes its neighbours with it.
func (b block) items(l Limits, at time.Time) []*Item {
	if b.err != nil {
		return []*Item{{Err: b.err}}
	}
	if b.kind == signedText {
		return []*Item{{Err: errSignedText}}
	}
	packets, err := splitPackets(b.data)
	if primaries(packets) > maxBlocks {
		return []*Item{{Err: errTooMany()}}
	}
	var items []*Item
	for _, group := range atPrimaryKeys(packets) {
		items = append(items, l.newItem(group, at))
	}
	if err == nil && len(items) > 0 {
		return items
	}
	if len(items) == 0 {
		return []*Item{{Err: errCutBlock}}
	}
	items[len(items)-1] = &Item{Err: errCutBlock}
	return items
}

func primaries(packets []rawPacket) int {
	count := 0
	for _, p := range packets {
		if p.isPrimary() {
			count++
		}
	}
	return count
}

func atPrimaryKeys(packets []rawPacket) [][]rawPacket {
	var groups [][]rawPacket
	for i, p := range packets {
		if i == 0 || p.isPrimary() {
			groups = append(groups, nil)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], p)
	}
	return groups
}

func (l Limits) newItem(packets []rawPacket, at time.Time) *Item {
	if revocation, ok := revocationItem(packets); ok {
		return revocation
	}
	item := &Item{limits: l}
	item.Err = guard(func() error { return item.read(packets, at) })
	if item.Err != nil {
		return &Item{Err: item.Err}
	}
	return item
}

func (i *Item) read(packets []rawPacket, at time.Time) error {
	if err := whatElse(packets); err != nil {
		return err
	}
	if err := checkVersion(packets[0]); err != nil {
		return err
	}
	if err := i.limits.checkSizes(packets); err != nil {
		return err
	}
	m, err := i.assemble(packets)
	if err != nil {
		return err
	}
	clean, entity, err := check(normalise(wholeBody, m), i.limits.Signatures, nil)
	if err != nil {
		return err
	}
	if len(entity.Identities) == 0 && len(m.userIDs) > 0 && entity.PrimaryKey.Version == 4 {
		return problem("no user ID of this certificate has a valid self-signature: ask its owner for a fresh export")
	}
	i.sha1 = boundBySHA1(m, clean)
	i.material = normalise(signedPart, clean)
	i.Certificate = describe(i.material, entity, at)
	i.Certificate.secretKeys = secretKeys(entity, i.material)
	i.HasSecret = len(i.Certificate.secretKeys) > 0
	i.Certificate.HasSecret = i.HasSecret
	i.Locked = slices.ContainsFunc(i.material.keys(), component.locked)
	return nil
}

// assemble sorts the packets of one certificate into its components. Signatures of the primary key on itself are
// taken wherever they stand, so that a misplaced revocation is never missed.
func (i *Item) assemble(packets []rawPacket) (m material, err error) {
	var current *component
	for n, p := range packets {
		switch {
		case n == 0:
			current = &m.primary
			if *current, err = i.keyComponent(p); err != nil {
				return m, err
			}
		case p.tag == tagPublicSubkey || p.tag == tagSecretSubkey:
			current = nil
			if c, err := i.keyComponent(p); err == nil { // one unreadable subkey does not spoil the certificate
				m.subkeys = append(m.subkeys, c)
				current = &m.subkeys[len(m.subkeys)-1]
			}
		case p.tag == tagUserID:
			m.userIDs = append(m.userIDs, component{body: p.body})
			current = &m.userIDs[len(m.userIDs)-1]
		case p.tag == tagSignature:
			if len(p.body) > 1 && (p.body[1] == 0x1f || p.body[1] == 0x20) {
				m.primary.sigs = append(m.primary.sigs, p.body)
			} else if current != nil {
				current.sigs = append(current.sigs, p.body)
			}
		case p.tag != tagTrust && p.tag != tagMarker && p.tag != tagPadding:
			current = nil // user attributes and unknown packets go, with their signatures
		}
	}
	return m, nil
}

// keyComponent separates the public part of a key packet from the secret one.
func (i *Item) keyComponent(p rawPacket) (component, error) {
	if i.limits.KeyBits > 0 {
		if err := i.limits.checkKeyBits(p); err != nil {
			return component{}, err
		}
	}
	if p.tag == tagPublicKey || p.tag == tagPublicSubkey {
		return component{body: p.body}, nil
	}
	n, err := publicLength(p.body)
	if err != nil {
		return component{}, err
	}
	c := component{body: p.body[:n:n]}
	switch secret := p.body[n:]; {
	case len(secret) == 0:
	case readProtection(c.version(), secret).stub:
		i.stub = true
	default:
		c.secret = secret
	}
	return c, nil
}
