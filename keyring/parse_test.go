package keyring

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

const year = 365 * 24 * time.Hour

// lastYear is when the keys of these stories were made.
func lastYear() time.Time { return noon().Add(-year) }

func ann(t testing.TB) *key { return newKeyAt(t, lastYear(), "Ann Bell", "ann@example.org") }

func bob(t testing.TB) *key { return newKeyAt(t, lastYear(), "Bob Carr", "bob@example.org") }

// TestParse holds what people really paste and upload; each case has its report in testdata.
func TestParse(t *testing.T) {
	for name, input := range map[string]func(t *testing.T) []byte{
		"01-armored":           func(t *testing.T) []byte { return []byte(armored(t, "PUBLIC KEY BLOCK", ann(t).public())) },
		"02-binary":            func(t *testing.T) []byte { return ann(t).public() },
		"03-two-blocks":        twoBlocks,
		"04-two-in-one-block":  func(t *testing.T) []byte { return bytes.Join([][]byte{ann(t).public(), bob(t).public()}, nil) },
		"05-public-and-secret": func(t *testing.T) []byte { return append(ann(t).public(), bob(t).secret()...) },
		"06-locked-secret":     func(t *testing.T) []byte { return ann(t).locked("hunter2") },
		"07-truncated-armor":   truncatedArmor,
		"08-truncated-binary":  truncatedBinary,
		"09-pasted-binary":     func(t *testing.T) []byte { return []byte(strings.ToValidUTF8(string(ann(t).public()), "\ufffd")) },
		"10-pasted-latin1":     func(t *testing.T) []byte { return latin1(ann(t).public()) },
		"11-garbage":           func(*testing.T) []byte { return []byte("Dear support, my key is attached.\n") },
		"12-empty":             func(*testing.T) []byte { return []byte(" \r\n") },
		"13-noise":             noise,
		"14-expired": func(t *testing.T) []byte {
			return newKeyAt(t, lastYear(), "Ann", "ann@example.org", lifetime(30*24*time.Hour)).public()
		},
		"15-revoked":         func(t *testing.T) []byte { return ann(t).later(time.Hour).revoke(packet.KeyCompromised).public() },
		"16-revoked-user-id": revokedUserID,
		"17-expired-subkey":  expiredSubkey,
		"18-no-address":      func(t *testing.T) []byte { return newKeyAt(t, lastYear(), "Build Server", "").public() },
		"19-not-yet-valid": func(t *testing.T) []byte {
			return newKeyAt(t, noon().Add(time.Hour), "Ann", "ann@example.org").public()
		},
		"20-weak-rsa":          func(t *testing.T) []byte { return newKeyAt(t, lastYear(), "Ann", "ann@example.org", rsa1024).public() },
		"21-version-6":         func(t *testing.T) []byte { return newKeyAt(t, lastYear(), "Ann", "ann@example.org", version6).public() },
		"22-version-3":         func(t *testing.T) []byte { return withVersion(ann(t).public(), 3) },
		"23-version-5":         func(t *testing.T) []byte { return withVersion(ann(t).public(), 5) },
		"24-encrypted-message": encryptedMessage,
		"25-signature":         signature,
		"26-clearsigned":       clearsigned,
		"27-smime": func(*testing.T) []byte {
			return []byte("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
		},
		"28-quoted":           quoted,
		"29-utf16":            func(t *testing.T) []byte { return utf16le(armored(t, "PUBLIC KEY BLOCK", ann(t).public())) },
		"30-broken-neighbour": brokenNeighbour,
		"31-lone-revocation":  loneRevocation,
		"32-no-blank-line":    noBlankLine,
		"33-grafted-subkey":   graftedSubkey,
		"34-injected-user-id": func(t *testing.T) []byte {
			return newKeyAt(t, lastYear(), "x\r\nSealgate-Signature: good", "a@x.example").public()
		},
		"35-retired": func(t *testing.T) []byte { return ann(t).later(time.Hour).revoke(packet.KeyRetired).public() },
		"36-damaged-characters": func(t *testing.T) []byte {
			return []byte(strings.Replace(armored(t, "PUBLIC KEY BLOCK", ann(t).public()), "\nx", "\n?", 1))
		},
		"37-middle":      func(t *testing.T) []byte { return ann(t).public()[53:] },
		"38-lost-dashes": func(*testing.T) []byte { return []byte("BEGIN PGP PUBLIC KEY BLOCK\n\nmDMEZ\n") },
	} {
		t.Run(name, func(t *testing.T) {
			golden(t, name, report(Parse(input(t), noon())))
		})
	}
}

func twoBlocks(t *testing.T) []byte {
	return []byte("My old key:\n\n" + armored(t, "PUBLIC KEY BLOCK", ann(t).public()) +
		"\nand the new one:\n" + armored(t, "PUBLIC KEY BLOCK", bob(t).public()) + "-- \nAnn")
}

func truncatedArmor(t *testing.T) []byte {
	text := armored(t, "PUBLIC KEY BLOCK", ann(t).public())
	return []byte(text[:len(text)*2/3] + "\n\n" + armored(t, "PUBLIC KEY BLOCK", bob(t).public()))
}

func truncatedBinary(t *testing.T) []byte {
	data := append(ann(t).public(), bob(t).public()...)
	return data[:len(data)-20]
}

// latin1 is what a text field makes of binary: one character per octet.
func latin1(data []byte) []byte {
	var out strings.Builder
	for _, b := range data {
		out.WriteRune(rune(b))
	}
	return []byte(out.String())
}

func noise(*testing.T) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([]byte, 20_000)
	for i := range out {
		out[i] = byte(r.Uint32())
	}
	return out
}

func revokedUserID(t *testing.T) []byte {
	return ann(t).addUserID("Ann Old", "old@example.org").later(time.Hour).revokeUserID("Ann Old <old@example.org>").public()
}

func expiredSubkey(t *testing.T) []byte {
	k := ann(t)
	k.Subkeys = nil
	k.cfg.KeyLifetimeSecs = 3600
	k.must(k.AddEncryptionSubkey(&k.cfg))
	return k.public()
}

func rsa1024(c *packet.Config) { c.Algorithm, c.RSABits, c.Curve = packet.PubKeyAlgoRSA, 1024, "" }

func version6(c *packet.Config) { c.Algorithm, c.V6Keys = packet.PubKeyAlgoEd25519, true }

// withVersion rewrites the version octet of the first packet, which has a two-octet header.
func withVersion(data []byte, version byte) []byte {
	data[2] = version
	return data
}

func encryptedMessage(t *testing.T) []byte {
	var out bytes.Buffer
	k := ann(t)
	w, err := openpgp.EncryptWithParams(&out, []*openpgp.Entity{k.Entity}, nil, &openpgp.EncryptParams{Config: &k.cfg})
	k.must(err)
	_, err = w.Write([]byte("hello"))
	k.must(err)
	k.must(w.Close())
	return []byte(armored(t, "MESSAGE", out.Bytes()))
}

func signature(t *testing.T) []byte {
	var out bytes.Buffer
	k := ann(t)
	k.must(openpgp.DetachSign(&out, []*openpgp.Entity{k.Entity}, strings.NewReader("hello"), &k.cfg))
	return []byte(armored(t, "SIGNATURE", out.Bytes()))
}

// clearsigned is a signed text with a certificate inside, dash-escaped.
func clearsigned(t *testing.T) []byte {
	inside := armored(t, "PUBLIC KEY BLOCK", bob(t).public())
	return []byte("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nMy key:\n" +
		strings.ReplaceAll(inside, "-----", "- -----") + string(signature(t)))
}

func quoted(t *testing.T) []byte {
	text := "> " + strings.ReplaceAll(armored(t, "PUBLIC KEY BLOCK", ann(t).public()), "\n", "\r\n>  ")
	return []byte("Ann wrote:\r\n" + strings.TrimRight(text, "\r\n> "))
}

func utf16le(text string) []byte {
	out := []byte{0xff, 0xfe}
	for _, unit := range utf16.Encode([]rune(text)) {
		out = append(out, byte(unit), byte(unit>>8))
	}
	return out
}

// brokenNeighbour has a certificate whose key material is nonsense between two good ones.
func brokenNeighbour(t *testing.T) []byte {
	broken := rawPacket{tagPublicKey, []byte{4, 0, 0, 0, 1, 22, 3, 1, 2, 3}}.appendTo(nil)
	broken = rawPacket{tagUserID, []byte("Eve <eve@example.org>")}.appendTo(broken)
	return bytes.Join([][]byte{ann(t).public(), broken, bob(t).public()}, nil)
}

func loneRevocation(t *testing.T) []byte {
	k := ann(t).revoke(packet.KeyCompromised)
	var out bytes.Buffer
	k.must(k.Revocations[0].Packet.Serialize(&out))
	return []byte(armored(t, "PUBLIC KEY BLOCK", out.Bytes()))
}

func noBlankLine(t *testing.T) []byte {
	text := armored(t, "PUBLIC KEY BLOCK", ann(t).public())
	return []byte(strings.Replace(text, "-----\n\n", "-----\nVersion: X 1\nComment: https://x.example\n", 1))
}

// graftedSubkey has Bob's subkey with its binding under Ann's primary key.
func graftedSubkey(t *testing.T) []byte {
	a, b := ann(t), bob(t)
	a.Subkeys = append(a.Subkeys, b.Subkeys...)
	return a.public()
}

func TestParseRefusesWhatIsTooBig(t *testing.T) {
	flood := ann(t).public()
	for range 101 {
		flood = rawPacket{tagUserID, []byte("x")}.appendTo(flood)
	}
	subkeys := ann(t).public()
	for range 51 {
		subkeys = rawPacket{tagPublicSubkey, []byte("x")}.appendTo(subkeys)
	}
	big, _ := hex.DecodeString("040000000101" + "4000" + strings.Repeat("ff", 2048) + "0011010001")
	for name, c := range map[string]struct {
		input []byte
		want  string
	}{
		"input":       {make([]byte, maxInput+1), "larger than 1 MiB"},
		"certificate": {rawPacket{tagSignature, make([]byte, DefaultLimits().CertificateBytes)}.appendTo(ann(t).public()), "larger than 256 KiB"},
		"user IDs":    {flood, "102 user IDs"},
		"subkeys":     {subkeys, "52 subkeys"},
		"RSA 16384":   {rawPacket{tagPublicKey, big}.appendTo(nil), "16384 bits"},
	} {
		t.Run(name, func(t *testing.T) {
			items, err := Parse(c.input, noon())
			if err == nil {
				err = items[0].Err
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestParseDropsThirdPartyCertifications(t *testing.T) {
	a, b := ann(t), bob(t)
	a.must(a.SignIdentity("Ann Bell <ann@example.org>", b.Entity, &a.cfg))
	with := a.public()
	c := parseOne(t, with, noon()).Certificate
	without, _ := c.Binary()
	if len(without) >= len(with) || len(c.Entity.Identities["Ann Bell <ann@example.org>"].OtherCertifications) != 0 {
		t.Errorf("the certification of another key stayed: %d octets of %d", len(without), len(with))
	}
	if again := parseOne(t, without, noon()); again.Certificate.Fingerprint != a.fingerprint() {
		t.Errorf("the rest is another certificate")
	}
}

func TestParseDoesNotKeepItsInput(t *testing.T) {
	input := ann(t).secret()
	item := parseOne(t, input, noon())
	clear(input)
	if err := item.Unlock(nil); err != nil {
		t.Error(err)
	}
}

func TestArmoredHasNoHeaders(t *testing.T) {
	c := parseOne(t, ann(t).secret(), noon()).Certificate
	text, err := c.Armored()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(text), "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n") || !strings.HasSuffix(string(text), "-----END PGP PUBLIC KEY BLOCK-----\n") {
		t.Errorf("got %s", text)
	}
	if again := parseOne(t, text, noon()); again.HasSecret || again.Certificate.Fingerprint != c.Fingerprint {
		t.Errorf("the armored certificate is not the public one")
	}
}

func TestAPanicOfTheLibraryIsAnError(t *testing.T) {
	if err := guard(func() error { panic("index out of range") }); err == nil || !strings.Contains(err.Error(), "fresh export") {
		t.Errorf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	a := newKeyAt(f, lastYear(), "Ann", "ann@example.org").addUserID("A", "a@example.org").later(time.Hour).revoke(packet.KeyRetired)
	f.Add(a.public())
	f.Add(a.locked("x"))
	f.Add(newKeyAt(f, lastYear(), "Ann", "ann@example.org", version6).secret())
	f.Add([]byte(armored(f, "PRIVATE KEY BLOCK", a.secret())))
	f.Add([]byte("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEZ\n=x\n-----END PGP PUBLIC KEY BLOCK-----"))
	f.Add([]byte{0x99, 0x01, 0x0d, 3})
	f.Fuzz(func(t *testing.T, input []byte) {
		items, err := Parse(input, noon())
		if err == nil && len(items) == 0 {
			t.Fatal("neither items nor an error")
		}
		for _, item := range items {
			if (item.Err == nil) == (item.Certificate == nil) {
				t.Fatal("an item is neither a certificate nor an error")
			}
			if item.Err != nil || item.checkWork() != nil {
				continue
			}
			_ = item.Unlock([]byte("x"))
			item.Certificate.ForEncryption(noon())
			binary, err := item.Certificate.Binary()
			if err != nil {
				t.Fatal(err)
			}
			again := parseOne(t, binary, noon()).Certificate
			if twice, _ := again.Binary(); !bytes.Equal(binary, twice) {
				t.Error("what was exported reads differently")
			}
		}
	})
}
