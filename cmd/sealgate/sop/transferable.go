package sop

import (
	"bytes"
	"crypto"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Packet type ids (RFC 9580, section 5).
const (
	tagSignature     = 2
	tagSecretKey     = 5
	tagPublicKey     = 6
	tagSecretSubkey  = 7
	tagMarker        = 10
	tagUserID        = 13
	tagPublicSubkey  = 14
	tagUserAttribute = 17
	tagPadding       = 21
)

// component is a key, a user ID or a user attribute, with the packets that follow it: mostly signatures.
type component struct {
	head *packet.OpaquePacket
	tail []*packet.OpaquePacket
}

// transferable is a certificate or secret key as packets, the primary key first (RFC 9580, section 10.1). What is not
// changed keeps every octet, with what others certified and what we do not understand.
type transferable []component

// split cuts packets at primary keys and other components.
func split(binary []byte) (found []transferable, err error) {
	packets := packet.NewOpaqueReader(bytes.NewReader(binary))
	for {
		p, err := packets.Next()
		switch {
		case errors.Is(err, io.EOF):
			return found, nil
		case err != nil:
			return nil, err
		case p.Tag == tagSecretKey || p.Tag == tagPublicKey:
			found = append(found, transferable{{head: p}})
			continue
		case len(found) == 0:
			continue // a marker, say
		}
		t := &found[len(found)-1]
		switch p.Tag {
		case tagSecretSubkey, tagPublicSubkey, tagUserID, tagUserAttribute:
			*t = append(*t, component{head: p})
		default:
			last := &(*t)[len(*t)-1]
			last.tail = append(last.tail, p)
		}
	}
}

// bytes writes the packets.
func (t transferable) bytes() []byte {
	var b bytes.Buffer
	for _, c := range t {
		for _, p := range append([]*packet.OpaquePacket{c.head}, c.tail...) {
			p.Serialize(&b) //nolint:errcheck // a bytes.Buffer takes everything
		}
	}
	return b.Bytes()
}

func (c component) isSecret() bool {
	return c.head.Tag == tagSecretKey || c.head.Tag == tagSecretSubkey
}

func (c component) isUserID() bool { return c.head.Tag == tagUserID }

// publicKey is the key of a component, nil for one that cannot be read or is no key.
func (c component) publicKey() *packet.PublicKey {
	p, err := c.head.Parse()
	if err != nil {
		return nil
	}
	switch p := p.(type) {
	case *packet.PublicKey:
		return p
	case *packet.PrivateKey:
		return &p.PublicKey
	}
	return nil
}

// public leaves the secrets out. A secret subkey of an unknown kind goes whole, as its public part cannot be told.
func (t transferable) public() transferable {
	var public transferable
	for _, c := range t {
		if c.isSecret() {
			key := c.publicKey()
			if key == nil {
				continue
			}
			c.head = opaque(key)
		}
		public = append(public, c)
	}
	return public
}

// opaque is a packet's octets.
func opaque(p interface{ Serialize(io.Writer) error }) *packet.OpaquePacket {
	var b bytes.Buffer
	if p.Serialize(&b) != nil {
		return nil
	}
	o, err := packet.NewOpaqueReader(&b).Next()
	if err != nil {
		return nil
	}
	return o
}

// add puts a signature packet after the component, unless it is there.
func (c *component) add(signature *packet.OpaquePacket) {
	if !slices.ContainsFunc(c.tail, func(p *packet.OpaquePacket) bool { return samePacket(p, signature) }) {
		c.tail = append(c.tail, signature)
	}
}

func samePacket(a, b *packet.OpaquePacket) bool {
	return a.Tag == b.Tag && bytes.Equal(a.Contents, b.Contents)
}

// signatures are those of the component's signatures that can be read.
func (c component) signatures() (found []*packet.Signature) {
	for _, o := range c.tail {
		if o.Tag != tagSignature {
			continue
		}
		if p, err := o.Parse(); err == nil {
			if s, ok := p.(*packet.Signature); ok {
				found = append(found, s)
			}
		}
	}
	return found
}

// newSignature is one still to be made by signer.
func newSignature(signer *packet.PublicKey, kind packet.SignatureType, at time.Time) *packet.Signature {
	return &packet.Signature{
		Version: signer.Version, SigType: kind, PubKeyAlgo: signer.PubKeyAlgo, Hash: crypto.SHA512, CreationTime: at,
		IssuerKeyId: &signer.KeyId, IssuerKeyVersion: uint8(signer.Version), IssuerFingerprint: signer.Fingerprint,
	}
}
