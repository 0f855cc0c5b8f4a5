package keyring

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// component is a key or a user ID together with the signatures that bind it.
type component struct {
	body   []byte   // the public key packet's or the user ID packet's body
	secret []byte   // what follows the public part in a secret key packet; nil when none is held
	sigs   [][]byte // signature packet bodies
}

// material is one certificate as packets: what is stored, merged and exported. Merging is the union of sets, in a
// fixed order, so that neither order nor repetition of imports matters.
type material struct {
	primary component // its signatures are direct-key signatures and key revocations
	userIDs []component
	subkeys []component
}

// union returns everything that is in a or in b, which must have the same primary key.
func union(a, b material) material {
	return normalise(signedPart, material{
		primary: component{
			body:   a.primary.body,
			secret: firstNonNil(a.primary.secret, b.primary.secret),
			sigs:   slices.Concat(a.primary.sigs, b.primary.sigs),
		},
		userIDs: slices.Concat(a.userIDs, b.userIDs),
		subkeys: slices.Concat(a.subkeys, b.subkeys),
	})
}

// normalise puts components and signatures into their fixed order and removes repetition; same maps signatures that
// count as one to one string. Key packets begin with their creation time, so that subkeys come oldest first.
func normalise(same func(sig []byte) string, m material) material {
	m.primary.sigs = normaliseSignatures(same, m.primary.sigs)
	m.userIDs = normaliseComponents(same, m.userIDs)
	m.subkeys = normaliseComponents(same, m.subkeys)
	return m
}

func normaliseComponents(same func([]byte) string, components []component) []component {
	byBody := make(map[string]component, len(components))
	for _, c := range components {
		seen := byBody[string(c.body)]
		byBody[string(c.body)] = component{
			body:   c.body,
			secret: firstNonNil(seen.secret, c.secret),
			sigs:   slices.Concat(seen.sigs, c.sigs),
		}
	}
	var out []component
	for _, c := range byBody {
		c.sigs = normaliseSignatures(same, c.sigs)
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b component) int { return bytes.Compare(a.body, b.body) })
	return out
}

// normaliseSignatures keeps the shortest copy of each signature.
func normaliseSignatures(same func([]byte) string, sigs [][]byte) [][]byte {
	best := make(map[string][]byte, len(sigs))
	for _, s := range sigs {
		key := same(s)
		if other, seen := best[key]; !seen || compareSignatures(s, other) < 0 {
			best[key] = s
		}
	}
	var out [][]byte
	for _, s := range best {
		out = append(out, s)
	}
	slices.SortFunc(out, bytes.Compare)
	return out
}

func compareSignatures(a, b []byte) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return bytes.Compare(a, b)
}

// wholeBody tells signatures apart by every octet: right before they were verified, because a copy without the
// back-signature, which GnuPG keeps in the unhashed area, must not win over the good one.
func wholeBody(sig []byte) string { return string(sig) }

// signedPart is the signature body without its unhashed subpacket area (RFC 9580, section 5.2.3), which anybody can
// rewrite: right for verified signatures, so that such copies cannot blow a certificate up.
func signedPart(body []byte) string {
	width := 2
	if len(body) > 0 && body[0] == 6 {
		width = 4
	}
	hashed, ok := areaEnd(body, 4, width)
	if !ok {
		return string(body)
	}
	unhashed, ok := areaEnd(body, hashed, width)
	if !ok {
		return string(body)
	}
	return string(body[:hashed]) + string(body[unhashed:])
}

// areaEnd returns where the subpacket area that starts at offset with a length of width octets ends.
func areaEnd(body []byte, offset, width int) (int, bool) {
	if len(body) < offset+width {
		return 0, false
	}
	length := 0
	if width == 2 {
		length = int(binary.BigEndian.Uint16(body[offset:]))
	} else {
		length = int(binary.BigEndian.Uint32(body[offset:]))
	}
	end := offset + width + length
	return end, end <= len(body)
}

func firstNonNil(a, b []byte) []byte {
	if a != nil {
		return a
	}
	return b
}

// public returns m without secret keys.
func (m material) public() material {
	m.primary.secret = nil
	m.subkeys = slices.Clone(m.subkeys)
	for i := range m.subkeys {
		m.subkeys[i].secret = nil
	}
	return m
}

// wipe overwrites the secret keys in m.
func (m material) wipe() {
	for _, c := range m.keys() {
		clear(c.secret)
	}
}

// keys returns the primary key and the subkeys, in this order, for reading.
func (m material) keys() []component {
	return append([]component{m.primary}, m.subkeys...)
}

// bytes serializes m: keys that hold a secret as secret key packets, all others as public ones.
func (m material) bytes() []byte {
	out := m.primary.appendKey(nil, tagPublicKey, tagSecretKey)
	for _, u := range m.userIDs {
		out = u.appendSignatures(rawPacket{tagUserID, u.body}.appendTo(out))
	}
	for _, s := range m.subkeys {
		out = s.appendKey(out, tagPublicSubkey, tagSecretSubkey)
	}
	return out
}

func (c component) appendKey(out []byte, public, secret byte) []byte {
	if c.secret == nil {
		out = rawPacket{public, c.body}.appendTo(out)
	} else {
		out = rawPacket{secret, slices.Concat(c.body, c.secret)}.appendTo(out)
	}
	return c.appendSignatures(out)
}

func (c component) appendSignatures(out []byte) []byte {
	for _, s := range c.sigs {
		out = rawPacket{tagSignature, s}.appendTo(out)
	}
	return out
}

func (m material) equal(other material) bool { return bytes.Equal(m.bytes(), other.bytes()) }

// secretPackets serializes what is sealed: the key packets alone, the primary one first, each with its secret. A primary
// key whose secret is elsewhere stands there as a public key packet, to name the certificate.
func (m material) secretPackets() []byte {
	m.primary.sigs = nil
	out := m.primary.appendKey(nil, tagPublicKey, tagSecretKey)
	for _, s := range m.subkeys {
		if s.secret != nil {
			s.sigs = nil
			out = s.appendKey(out, tagPublicSubkey, tagSecretSubkey)
		}
	}
	return out
}
