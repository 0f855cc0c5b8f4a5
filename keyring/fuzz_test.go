package keyring

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzArmor: whatever text comes, the reader ends, and a block that it gives away whole reads the same when it is armored
// anew.
func FuzzArmor(f *testing.F) {
	text := armored(f, "PUBLIC KEY BLOCK", ann(f).public())
	for _, seed := range []string{
		text, strings.ReplaceAll(text, "\n", "\r\n> "), strings.ReplaceAll(text, "\n", " "), text[:len(text)/2],
		"-----BEGIN PGP SIGNED MESSAGE-----\n\nx\n-----BEGIN PGP SIGNATURE-----\n\nmQ==\n-----END PGP SIGNATURE-----",
		"-----BEGIN PGP X-----=-----END PGP X----------BEGIN PGP Y-----", "\xff\xfe-\x00", "\u200b-----BEGIN PGP \u00a0-----",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		d := dearmor{in: bufio.NewReader(bytes.NewReader(input))}
		for range len(input) + 1 {
			_, body, err := d.next()
			if err != nil {
				return
			}
			data, err := io.ReadAll(body)
			if err != nil {
				continue
			}
			again := armorBlocks([]byte(armored(t, "MESSAGE", data)))
			if len(again) != 1 || !bytes.Equal(again[0].data, data) {
				t.Fatalf("%x reads as %v", data, again)
			}
		}
		t.Fatal("there are more blocks than octets")
	})
}

// FuzzPackets: the reader of pastes and the one of dumps cut an input into the same packets.
func FuzzPackets(f *testing.F) {
	f.Add(ann(f).public())
	f.Add(ann(f).locked("x"))
	f.Add([]byte{0xc6, 0xe1, 4, 4, 0})
	f.Add([]byte{0x99, 0, 1, 4, 0xb4, 0})
	f.Fuzz(func(t *testing.T, input []byte) {
		whole, _ := splitPackets(input)
		d, in := dump{limits: Limits{CertificateBytes: 1 << 30}}, bufio.NewReader(bytes.NewReader(input))
		for i, want := range whole {
			p, _, err := d.readPacket(in)
			if err != nil {
				return // an indeterminate length, which a dump does not have
			}
			if p.tag != want.tag || !bytes.Equal(p.body, want.body) {
				t.Fatalf("packet %d is %d %x and %d %x", i, want.tag, want.body, p.tag, p.body)
			}
		}
	})
}

// FuzzUnlock: whatever the secret part of a key says of its protection, looking at it does no work and never panics.
func FuzzUnlock(f *testing.F) {
	public := parseOne(f, ann(f).public(), noon()).material
	f.Add(byte(4), []byte{0, 1, 2})
	f.Add(byte(4), []byte{254, 9, 3, 8, 1, 2, 3, 4, 5, 6, 7, 8, 255})
	f.Add(byte(4), append([]byte{253, 9, 2, 4}, make([]byte, 40)...))
	f.Add(byte(6), append([]byte{253, 26, 9, 2, 20, 4}, make([]byte, 40)...))
	f.Add(byte(4), []byte{255, 0, 101, 0, 'G', 'N', 'U', 1})
	f.Fuzz(func(t *testing.T, version byte, secret []byte) {
		if len(secret) == 0 {
			return
		}
		p := readProtection(version, secret)
		if p.hashed < 0 || p.hashed > exportCount {
			t.Errorf("%d octets are hashed", p.hashed)
		}
		m := public.public()
		m.primary.secret = secret
		item := &Item{HasSecret: true, Locked: p.locked, material: m, limits: Limits{Argon2Memory: 1 << 20, Argon2Work: 1 << 20, S2KWork: 1 << 17}}
		if n := allocated(func() { _ = item.Unlock([]byte("x")) }); n > 64<<20 {
			t.Errorf("%d octets to unlock %x", n, secret)
		}
	})
}

// FuzzOwnersText: the words beside a revocation are one printable line that does not end its quotation.
func FuzzOwnersText(f *testing.F) {
	f.Add("laptop stolen")
	f.Add("\u201d\r\n\x1b[2J\u202e\xff" + strings.Repeat("ä", 200))
	f.Fuzz(func(t *testing.T, text string) {
		got := ownersText(text)
		if !utf8.ValidString(got) || strings.ContainsAny(got, "\r\n\x1b\u201d\u202e") || len(got) > maxReasonText+len("…") {
			t.Errorf("%q", got)
		}
	})
}

// FuzzSignedPart: cutting the unhashed area out never panics and never makes anything longer.
func FuzzSignedPart(f *testing.F) {
	for _, s := range parseOne(f, ann(f).public(), noon()).material.userIDs[0].sigs {
		f.Add(s)
	}
	f.Add([]byte{6, 0, 0, 0, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, body []byte) {
		if got := signedPart(body); len(got) > len(body) {
			t.Errorf("%x became %x", body, got)
		}
	})
}
