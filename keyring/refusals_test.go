package keyring

import (
	"bytes"
	"compress/zlib"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/ProtonMail/go-crypto/openpgp/s2k"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// allocated is how many octets f asked for, freed or not: what it would cost at most.
func allocated(f func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// TestRefusals is what is refused at the door: with a sentence that says what to do, and without the work that it asks
// for. Work is counted in octets allocated, since no clock in a test is to be believed.
func TestRefusals(t *testing.T) {
	const mib = 1 << 20
	for name, c := range map[string]struct {
		input func(*testing.T) []byte
		paste string // what is said of it as a paste, unlocked with the passphrase "x"
		dump  string // and in a dump; "" for the same
		most  int64  // octets
	}{
		"wrong passphrase":       {func(t *testing.T) []byte { return ann(t).locked("y") }, ErrPassphrase.Error(), "", mib},
		"truncated armor":        {cutArmor, "ends before its END line: copy the whole block", "", mib},
		"binary pasted as text":  {func(t *testing.T) []byte { return []byte(strings.ToValidUTF8(string(ann(t).public()), "\ufffd")) }, "upload the file", "", mib},
		"binary as Latin-1":      {func(t *testing.T) []byte { return latin1(ann(t).public()) }, "upload the file", "", mib},
		"20,000 certifications":  {junkCertifications, "larger than 1 MiB: import it in smaller parts", "larger than 256 KiB: export it again without third-party signatures", mib},
		"2,000 certifications":   {func(t *testing.T) []byte { return certified(t, 2000) }, "larger than 256 KiB: export it again", "", 2 * mib},
		"100,000 user IDs":       {func(t *testing.T) []byte { return manyUserIDs(t, 100_000) }, "larger than 1 MiB", "larger than 256 KiB", 4 * mib},
		"30,000 user IDs":        {func(t *testing.T) []byte { return manyUserIDs(t, 30_000) }, "larger than 256 KiB", "", 24 * mib},
		"101 user IDs":           {func(t *testing.T) []byte { return manyUserIDs(t, 100) }, "101 user IDs, more than the 100", "", mib},
		"501 self-signatures":    {selfSigned, "more than 500 signatures", "", 16 * mib},
		"RSA 16384":              {func(*testing.T) []byte { return rsa16384(tagPublicKey) }, "16384 bits, more than the 8192", "", mib},
		"secret RSA 16384":       {func(*testing.T) []byte { return rsa16384(tagSecretKey) }, "16384 bits, more than the 8192", "", mib},
		"Argon2 of 512 MiB":      {argon2(1, 1, 19), "more than 256 MiB or too long", "", 4 * mib},
		"Argon2 of 2 TiB":        {argon2(255, 255, 31), "more than 256 MiB or too long", "", 4 * mib},
		"Argon2 of any exponent": {argon2(1, 1, 255), "more than 256 MiB or too long", "", 4 * mib},
		"Argon2 of 200 passes":   {argon2(200, 4, 18), "more than 256 MiB or too long", "", 4 * mib},
		"Argon2 without a pass":  {argon2(0, 1, 16), "nothing can compute", "", 4 * mib},
		"Argon2 without a lane":  {argon2(1, 0, 16), "nothing can compute", "", 4 * mib},
		"iterated too often":     {iterated(17, 255), "1054 MiB are hashed", "", 8 * mib},
		"nested compression":     {nestedCompression, "this is an OpenPGP message, not a certificate", "", mib},
		"nothing but key heads":  {func(*testing.T) []byte { return bytes.Repeat([]byte{0x98, 1, 4}, 300_000) }, "more than 5000 blocks", "1000 blocks in a row", 128 * mib},
		"nothing but BEGIN":      {func(*testing.T) []byte { return []byte(strings.Repeat("-----BEGIN PGP X-----\n", 40_000)) }, "more than 5000 blocks", "1000 blocks in a row", 16 * mib},
	} {
		t.Run(name, func(t *testing.T) {
			input := c.input(t)
			var said string
			if n := allocated(func() { said = pasted(input) }); n > c.most || !strings.Contains(said, c.paste) {
				t.Errorf("as a paste: %d octets for %q, want at most %d for %q", n, said, c.most, c.paste)
			}
			want := c.dump
			if want == "" {
				want = c.paste
			}
			if n := allocated(func() { said = dumped(bytes.NewReader(input)) }); n > c.most || !strings.Contains(said, want) {
				t.Errorf("as a dump: %d octets for %q, want at most %d for %q", n, said, c.most, want)
			}
		})
	}
}

// pasted is what is said last of an input at the door for pastes.
func pasted(input []byte) string {
	items, err := Parse(input, noon())
	if err != nil {
		return err.Error()
	}
	return words(items[len(items)-1])
}

func dumped(r io.Reader) (said string) {
	err := Scan(r, noon(), func(i *Item) error {
		said = words(i)
		return nil
	})
	if err != nil {
		return err.Error()
	}
	return said
}

func words(i *Item) string {
	if err := i.Unlock([]byte("x")); err != nil {
		return err.Error()
	}
	return "taken"
}

func cutArmor(t *testing.T) []byte {
	text := armored(t, "PUBLIC KEY BLOCK", ann(t).public())
	return []byte(text[:len(text)*2/3])
}

func junkCertifications(t *testing.T) []byte { return certified(t, 20_000) }

// certified is a certificate with certifications by nobody.
func certified(t *testing.T, count int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	out := ann(t).public()
	for range count {
		junk := make([]byte, 170)
		for i := range junk {
			junk[i] = byte(r.Uint32())
		}
		copy(junk, []byte{4, 0x10, 22, 10, 0, 0, 0, 0})
		out = rawPacket{tagSignature, junk}.appendTo(out)
	}
	return out
}

func manyUserIDs(t *testing.T, count int) []byte {
	out := ann(t).public()
	for i := range count {
		out = rawPacket{tagUserID, fmt.Appendf(nil, "%d@x.example", i)}.appendTo(out)
	}
	return out
}

// selfSigned has more self-signatures than anybody verifies.
func selfSigned(t *testing.T) []byte {
	k := newKeyAt(t, lastYear(), "Ann", "ann@example.org")
	sig := k.Identities["Ann <ann@example.org>"].SelfCertifications[0].Packet
	var more []byte
	for range 501 {
		sig.CreationTime = sig.CreationTime.Add(1e9)
		k.must(sig.SignUserId("Ann <ann@example.org>", k.PrimaryKey, k.PrivateKey, &k.cfg))
		var packet bytes.Buffer
		k.must(sig.Serialize(&packet))
		more = append(more, packet.Bytes()...)
	}
	return slices.Concat(k.public(), rawPacket{tagUserID, []byte("Ann <ann@example.org>")}.appendTo(nil), more)
}

func rsa16384(tag byte) []byte {
	body, _ := hex.DecodeString("040000000101" + "4000" + strings.Repeat("ff", 2048) + "0011010001")
	if tag == tagSecretKey {
		body = append(body, 0, 0x40, 0, 0xff)
	}
	return rawPacket{tag, body}.appendTo(nil)
}

// argon2 is a secret key that says so many passes, lanes, and so much memory. Its secret is nothing.
func argon2(passes, lanes, memory byte) func(*testing.T) []byte {
	return func(t *testing.T) []byte {
		return reserialized(t, newKeyAt(t, lastYear(), "A", "a@example.org").secret(), func(packets []rawPacket) {
			n, err := publicLength(packets[0].body)
			if err != nil {
				t.Fatal(err)
			}
			// usage, cipher, AEAD mode, S2K type, salt, parameters, nonce and ciphertext
			locked := slices.Concat([]byte{253, 9, 2, 4}, make([]byte, 16), []byte{passes, lanes, memory}, make([]byte, 15+48))
			packets[0].body = slices.Concat(packets[0].body[:n], locked)
		})
	}
}

// iterated is a key with so many subkeys, each locked with another salt and a count of the given code.
func iterated(subkeys int, code byte) func(*testing.T) []byte {
	return func(t *testing.T) []byte {
		k := ann(t)
		for range subkeys - 2 {
			k.must(k.AddEncryptionSubkey(&k.cfg))
		}
		cheap := &packet.Config{S2KConfig: &s2k.Config{S2KMode: s2k.IteratedSaltedS2K, S2KCount: 1024}}
		e, err := openpgp.ReadEntity(packet.NewReader(bytes.NewReader(k.secret())))
		k.must(err)
		k.must(e.EncryptPrivateKeys([]byte("x"), cheap))
		var out bytes.Buffer
		k.must(e.SerializePrivateWithoutSigning(&out, nil))
		return reserialized(t, out.Bytes(), func(packets []rawPacket) {
			for i, p := range packets {
				if p.tag != tagSecretKey && p.tag != tagSecretSubkey {
					continue
				}
				n, err := publicLength(p.body)
				if err != nil {
					t.Fatal(err)
				}
				packets[i].body = slices.Clone(p.body)
				packets[i].body[n+12] = code
			}
		})
	}
}

// nestedCompression is 64 MiB of nothing, compressed three times.
func nestedCompression(t *testing.T) []byte {
	inner := rawPacket{tagLiteral, make([]byte, 64<<20)}.appendTo(nil)
	for range 3 {
		var out bytes.Buffer
		out.WriteByte(2) // zlib
		w := zlib.NewWriter(&out)
		if _, err := w.Write(inner); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		inner = rawPacket{tagCompressed, out.Bytes()}.appendTo(nil)
	}
	return []byte(armored(t, "MESSAGE", inner))
}

// TestRefusedSecretStaysLocked: the sentence about its work comes before any derivation, also for the right passphrase,
// and whichever of its keys is the bomb.
func TestRefusedSecretStaysLocked(t *testing.T) {
	item := parseOne(t, iterated(17, 255)(t), noon())
	refused := item.checkWork()
	if err := item.Unlock([]byte("x")); refused == nil || err == nil || err.Error() != refused.Error() || !item.Locked || item.opened {
		t.Errorf("%v, %v, locked %v", refused, err, item.Locked)
	}
	if err := item.Unlock(nil); !errors.Is(err, ErrNeedsPassphrase) {
		t.Errorf("without passphrase: %v", err)
	}
}

// TestLimitsAreThoseGiven: each limit moves with its value, both ways.
func TestLimitsAreThoseGiven(t *testing.T) {
	plain := ann(t).locked("x")
	for name, c := range map[string]struct {
		limits Limits
		input  []byte
		want   string
	}{
		"fewer user IDs":     {Limits{UserIDs: 1}, ann(t).addUserID("A", "a@example.org").public(), "2 user IDs, more than the 1 "},
		"more user IDs":      {Limits{UserIDs: 200}, manyUserIDs(t, 150), "taken"},
		"no subkey":          {Limits{Subkeys: 1}, secondSubkey(ann(t), 0).public(), "2 subkeys, more than the 1 "},
		"smaller":            {Limits{CertificateBytes: 300}, ann(t).public(), "larger than 0 KiB"},
		"larger":             {Limits{CertificateBytes: 1 << 20}, certified(t, 2000), "taken"},
		"one self-signature": {Limits{Signatures: 1}, ann(t).public(), "more than 1 signatures"},
		"fewer bits":         {Limits{KeyBits: 512}, newKeyAt(t, lastYear(), "A", "a@example.org", rsa1024).public(), "1024 bits, more than the 512 "},
		"little hashing":     {Limits{S2KWork: 100_000}, plain, "too long"},
		"enough hashing":     {Limits{S2KWork: 200_000}, plain, "taken"},
		"little memory":      {Limits{Argon2Memory: 1 << 20}, argon2(1, 1, 11)(t), "more than 1 MiB"},
		"little work":        {Limits{Argon2Work: 3 << 20}, argon2(4, 1, 10)(t), "too long"},
	} {
		t.Run(name, func(t *testing.T) {
			items, err := c.limits.Parse(c.input, noon())
			if err != nil || len(items) != 1 {
				t.Fatal(items, err)
			}
			if got := words(items[0]); !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			err = c.limits.Scan(bytes.NewReader(c.input), noon(), func(i *Item) error {
				if got := words(i); !strings.Contains(got, c.want) {
					t.Errorf("in a dump: got %q, want %q", got, c.want)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// watched reads noise, and remembers the most that was held at any time.
type watched struct {
	left, since int
	fill        func([]byte)
	most        uint64
}

func (w *watched) Read(b []byte) (int, error) {
	if w.left <= 0 {
		return 0, io.EOF
	}
	n := min(len(b), w.left)
	w.fill(b[:n])
	w.left -= n
	if w.since += n; w.since > 8<<20 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		w.since, w.most = 0, max(w.most, m.HeapAlloc)
	}
	return n, nil
}

// TestFiftyMegabytesOfNoise: whatever the noise is made of, a sentence comes, and hardly anything is ever held.
func TestFiftyMegabytesOfNoise(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for name, fill := range map[string]func([]byte){
		"random octets": func(b []byte) {
			for i := range b {
				b[i] = byte(random.Uint32())
			}
		},
		"one line of letters": func(b []byte) { repeat(b, "a") },
		"lines of letters":    func(b []byte) { repeat(b, "lorem ipsum dolor\n") },
		"BEGIN lines":         func(b []byte) { repeat(b, "-----BEGIN PGP PUBLIC KEY BLOCK-----\n") },
		"key packets":         func(b []byte) { repeat(b, "\x98\x01\x04") },
		"user ID packets":     func(b []byte) { repeat(b, "\xb4\x01x") },
	} {
		t.Run(name, func(t *testing.T) {
			var before runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			noise := &watched{left: 50 << 20, fill: fill}
			said := dumped(noise)
			if !strings.Contains(said, ":") || said == "taken" {
				t.Errorf("said %q", said)
			}
			if held := int64(noise.most) - int64(before.HeapAlloc); held > 4<<20 {
				t.Errorf("%d octets were held", held)
			}
		})
	}
}

func repeat(b []byte, text string) {
	for n := 0; n < len(b); n += copy(b[n:], text) {
	}
}
