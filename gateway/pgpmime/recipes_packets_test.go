package pgpmime_test

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// packetBlocks take the armor in the block to its packets, change them, and put armor around them again:
//
//	packets WHO       encrypts all packets in the block as they are, as no honest program would
//	joined            puts the packets of several armors into one
//	retagged OLD NEW  gives packets another tag
//	cut N             leaves out the last N bytes
//	flipped N         changes a bit N bytes after the start, or before the end when N is negative
//	zeroed AT N       makes N bytes zero
//	resealed FROM TO… encrypts the session key anew, as the reader FROM can
//	swapped N         exchanges the first two pieces of N bytes in the last packet; doubled N repeats the first; dropped N leaves it out
//	before TAG TEXT   puts a packet in front
//	recipients N      names N other recipients in front; hidden=yes leaves out who they are
//	passworded        encrypts with a passphrase only
//	literal, compressed N   a message of the text in the block; packets that are compressed N times
//	binary            base64 lines without the armor
func (k *kitchen) packetBlocks() map[string]func(testing.TB, order, string) string {
	change := func(change func(testing.TB, order, []byte) []byte) func(testing.TB, order, string) string {
		return func(t testing.TB, o order, content string) string {
			return armoredPackets(t, change(t, o, dearmored(t, content)))
		}
	}
	return map[string]func(testing.TB, order, string) string{
		"packets": change(func(t testing.TB, o order, p []byte) []byte { return sealPackets(t, k.keys[o.who[0]].entity, p) }),
		"joined":  change(func(_ testing.TB, _ order, p []byte) []byte { return p }),
		"retagged": change(func(t testing.TB, o order, p []byte) []byte {
			return withTag(t, p, byte(numbered(t, o, 0)), byte(numbered(t, o, 1)))
		}),
		"cut": change(func(t testing.TB, o order, p []byte) []byte { return p[:len(p)-o.number(t)] }),
		"flipped": change(func(t testing.TB, o order, p []byte) []byte {
			p[(len(p)+o.number(t))%len(p)] ^= 1
			return p
		}),
		"zeroed": change(func(t testing.TB, o order, p []byte) []byte {
			clear(p[numbered(t, o, 0):][:numbered(t, o, 1)])
			return p
		}),
		"resealed": change(func(t testing.TB, o order, p []byte) []byte { return k.resealed(t, o, p) }),
		"swapped":  change(func(t testing.TB, o order, p []byte) []byte { return pieces(t, o, p, 1, 0) }),
		"doubled":  change(func(t testing.TB, o order, p []byte) []byte { return pieces(t, o, p, 0, 0, 1) }),
		"dropped":  change(func(t testing.TB, o order, p []byte) []byte { return pieces(t, o, p, 1) }),
		"before": change(func(t testing.TB, o order, p []byte) []byte {
			return append(newPacket(byte(numbered(t, o, 0)), []byte(o.who[1])), p...)
		}),
		"recipients": change(func(t testing.TB, o order, p []byte) []byte {
			return append(k.recipients(t, o), p...)
		}),
		"compressed": change(func(t testing.TB, o order, p []byte) []byte { return squeezed(t, p, o.number(t)) }),
		"passworded": func(t testing.TB, o order, content string) string {
			return crlfText(armored(t, func(b *bytes.Buffer) error {
				w, err := openpgp.SymmetricallyEncrypt(b, []byte("secret"), nil, configAt(now))
				if err != nil {
					return err
				}
				return writeAll(w, content)
			}))
		},
		"literal": func(t testing.TB, o order, content string) string {
			return crlfText(armored(t, func(b *bytes.Buffer) error {
				w, err := packet.SerializeLiteral(noClose{b}, true, o.options["name"], 0)
				if err != nil {
					return err
				}
				return writeAll(w, content)
			}))
		},
		"binary": func(t testing.TB, _ order, content string) string {
			return textBlocks["base64"](t, order{}, string(dearmored(t, content)))
		},
	}
}

func armoredPackets(t testing.TB, packets []byte) string {
	return crlfText(armored(t, func(b *bytes.Buffer) error { _, err := b.Write(packets); return err }))
}

// dearmored are the packets of all armor in a text, one after the other.
func dearmored(t testing.TB, text string) (packets []byte) {
	t.Helper()
	const end = "-----END PGP "
	for text = strings.TrimSpace(text); text != ""; {
		stop := strings.Index(text, end)
		if stop < 0 {
			t.Fatalf("%q is not armor", text)
		}
		line, rest, _ := strings.Cut(text[stop:], "\n")
		block, err := armor.Decode(strings.NewReader(text[:stop] + line + "\n"))
		if err != nil {
			t.Fatal(err)
		}
		binary, err := io.ReadAll(block.Body)
		if err != nil {
			t.Fatal(err)
		}
		packets, text = append(packets, binary...), strings.TrimSpace(rest)
	}
	return packets
}

// newPacket is a packet with a header of five bytes for its length (RFC 9580, section 4.2.1).
func newPacket(tag byte, body []byte) []byte {
	n := len(body)
	return append([]byte{0xc0 | tag, 0xff, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, body...)
}

// opaque takes packets apart.
func opaque(t testing.TB, packets []byte) (all []*packet.OpaquePacket) {
	t.Helper()
	r := packet.NewOpaqueReader(bytes.NewReader(packets))
	for {
		p, err := r.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// numbered is one of several numbers of an order.
func numbered(t testing.TB, o order, i int) int {
	return order{what: o.what, who: o.who[i : i+1]}.number(t)
}

// withTag gives packets of one tag another. The version that integrity protection puts first goes with it.
func withTag(t testing.TB, packets []byte, old, tag byte) (out []byte) {
	for _, p := range opaque(t, packets) {
		if p.Tag == old {
			p.Tag = tag
			if old == 18 {
				p.Contents = p.Contents[1:]
			}
		}
		out = append(out, newPacket(p.Tag, p.Contents)...)
	}
	return out
}

// pieces puts the pieces of the last packet into another order; those that are not named first follow as they are. What
// stands before the pieces in a SEIPDv2 packet (RFC 9580, section 5.13.2) stays.
func pieces(t testing.TB, o order, packets []byte, first ...int) (out []byte) {
	const head, size = 36, 64 + 16 // the smallest chunk, and its tag
	all := opaque(t, packets)
	for _, p := range all[:len(all)-1] {
		out = append(out, newPacket(p.Tag, p.Contents)...)
	}
	last := all[len(all)-1]
	if len(last.Contents) < head+3*size || last.Contents[0] != 2 {
		t.Fatalf("%s needs a SEIPDv2 message of three chunks", o.what)
	}
	body := slices.Clone(last.Contents[:head])
	for _, i := range first {
		body = append(body, last.Contents[head+i*size:][:size]...)
	}
	return append(out, newPacket(last.Tag, append(body, last.Contents[head+2*size:]...))...)
}

// resealed names new readers of a message that somebody could read.
func (k *kitchen) resealed(t testing.TB, o order, packets []byte) []byte {
	t.Helper()
	config := &packet.Config{Time: configAt(now).Time, CacheSessionKey: true}
	md, err := openpgp.ReadMessage(bytes.NewReader(packets), openpgp.EntityList{k.keys[o.who[0]].entity}, nil, config)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, to := range k.entities(t, o.who[1:]) {
		key, ok := to.EncryptionKey(now, config)
		if !ok {
			t.Fatal("no key to encrypt to")
		}
		if err := packet.SerializeEncryptedKeyAEAD(&out, key.PublicKey, md.DecryptedWithAlgorithm, false, md.SessionKey, config); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range opaque(t, packets) {
		if p.Tag != 1 {
			out.Write(newPacket(p.Tag, p.Contents))
		}
	}
	return out.Bytes()
}

// recipients are session key packets for others.
func (k *kitchen) recipients(t testing.TB, o order) []byte {
	t.Helper()
	one := opaque(t, dearmored(t, k.encrypt(t, order{options: o.options}, nil, []string{"stranger"}, "")))[0]
	return bytes.Repeat(newPacket(one.Tag, one.Contents), o.number(t))
}
