package sop_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"encoding/binary"
	"io"
	"math/big"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/bed"
)

// TestUpdateRenews: a key from the days of SHA-1 signs again what it says about itself, so that others take it.
func TestUpdateRenews(t *testing.T) {
	bed.Need(t, "sqop")
	folder(t)
	old := keyOf2012(t, false)
	updated := us(t, old, "update-key")
	file(t, "old.cert", us(t, old, "extract-cert"))
	file(t, "new.cert", us(t, updated, "extract-cert"))
	file(t, "new.key", updated)
	file(t, "signature", us(t, []byte(text), "sign", "new.key"))
	for cert, taken := range map[string]bool{"old.cert": false, "new.cert": true} {
		for _, args := range [][]string{{"verify", "signature", cert}, {"encrypt", cert}} {
			cmd := exec.Command("sqop", args...)
			cmd.Stdin = strings.NewReader(text)
			if out, err := cmd.Output(); (err == nil && len(out) > 0) != taken {
				t.Errorf("sqop %v: %v", args, err)
			}
		}
	}
	if again := us(t, updated, "update-key", "--no-armor"); !bytes.Equal(again, us(t, updated, "dearmor")) {
		t.Error("there was something to update a second time")
	}
}

// TestUpdateRenewsNoForgery: what somebody else slipped into a key is not signed again.
func TestUpdateRenewsNoForgery(t *testing.T) {
	updated := us(t, us(t, keyOf2012(t, true), "update-key"), "dearmor")
	packets := packet.NewReader(bytes.NewReader(updated))
	renewed := 0
	for p, err := packets.Next(); err == nil; p, err = packets.Next() {
		if s, ok := p.(*packet.Signature); ok && s.Hash == crypto.SHA512 {
			if renewed++; s.FlagAuthenticate {
				t.Error("the forged self-signature was renewed")
			}
		}
	}
	if renewed != 3 {
		t.Errorf("%d self-signatures were renewed, not 3", renewed)
	}
}

// keyOf2012 is a key with subkeys to sign and to encrypt, whose self-signatures use SHA-1, as was usual then. The
// library no longer makes such. With forged it holds a newer self-signature that another key made.
func keyOf2012(t *testing.T, forged bool) []byte {
	t.Helper()
	then := time.Date(2012, 1, 1, 0, 0, 0, 0, time.UTC)
	config := &packet.Config{Time: func() time.Time { return then }, Algorithm: packet.PubKeyAlgoRSA, RSABits: 2048}
	e, err := openpgp.NewEntity("Old", "", "old@example.org", config)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.AddSigningSubkey(config); err != nil {
		t.Fatal(err)
	}
	const userID = "Old <old@example.org>"
	primary := hashedKey(t, e.PrimaryKey)
	var out bytes.Buffer
	write := func(p interface{ Serialize(io.Writer) error }) {
		if err := p.Serialize(&out); err != nil {
			t.Fatal(err)
		}
	}
	write(e.PrivateKey)
	write(&packet.OpaquePacket{Tag: 13, Contents: []byte(userID)})
	hashedID := append(binary.BigEndian.AppendUint32([]byte{0xb4}, uint32(len(userID))), userID...)
	write(sha1Signature(t, e.PrivateKey, 0x13, slices.Concat(primary, hashedID), flags(0x03)))
	if forged {
		forger := *e.Subkeys[0].PrivateKey
		forger.KeyId, forger.CreationTime = e.PrimaryKey.KeyId, then.Add(time.Hour)
		write(sha1Signature(t, &forger, 0x13, slices.Concat(primary, hashedID), flags(0x2f)))
	}
	for n, allowed := range []byte{0x0c, 0x02} { // to encrypt, to sign
		sub := e.Subkeys[n]
		both := slices.Concat(primary, hashedKey(t, sub.PublicKey))
		subpackets := flags(allowed)
		if allowed == 0x02 {
			back := sha1Signature(t, sub.PrivateKey, 0x19, both, nil).Contents
			subpackets = append(subpackets, subpacket(32, back)...)
		}
		write(sub.PrivateKey)
		write(sha1Signature(t, e.PrivateKey, 0x18, both, subpackets))
	}
	return out.Bytes()
}

// hashedKey is a key as signatures cover it (RFC 9580, section 5.2.4).
func hashedKey(t *testing.T, key *packet.PublicKey) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := key.Serialize(&b); err != nil {
		t.Fatal(err)
	}
	p, err := packet.NewOpaqueReader(&b).Next()
	if err != nil {
		t.Fatal(err)
	}
	return append(binary.BigEndian.AppendUint16([]byte{0x99}, uint16(len(p.Contents))), p.Contents...)
}

func flags(f byte) []byte { return subpacket(27, []byte{f}) }

// subpacket writes one (RFC 9580, section 5.2.3.7).
func subpacket(kind byte, content []byte) []byte {
	length := len(content) + 1
	head := []byte{byte(length)}
	if length >= 192 {
		head = []byte{byte((length-192)>>8) + 192, byte(length - 192)}
	}
	return slices.Concat(head, []byte{kind}, content)
}

// sha1Signature is a version 4 RSA signature with SHA-1 over about.
func sha1Signature(t *testing.T, key *packet.PrivateKey, kind byte, about, subpackets []byte) *packet.OpaquePacket {
	t.Helper()
	created := binary.BigEndian.AppendUint32(nil, uint32(key.CreationTime.Unix()))
	hashed := append(subpacket(2, created), subpackets...)
	body := append([]byte{4, kind, byte(packet.PubKeyAlgoRSA), 2}, binary.BigEndian.AppendUint16(nil, uint16(len(hashed)))...)
	body = append(body, hashed...)
	trailer := binary.BigEndian.AppendUint32([]byte{4, 0xff}, uint32(len(body)))
	digest := sha1.Sum(slices.Concat(about, body, trailer))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key.PrivateKey.(*rsa.PrivateKey), crypto.SHA1, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	issuer := subpacket(16, binary.BigEndian.AppendUint64(nil, key.KeyId))
	body = append(binary.BigEndian.AppendUint16(body, uint16(len(issuer))), issuer...)
	number := new(big.Int).SetBytes(signature)
	body = append(append(body, digest[:2]...), binary.BigEndian.AppendUint16(nil, uint16(number.BitLen()))...)
	return &packet.OpaquePacket{Tag: 2, Contents: append(body, number.Bytes()...)}
}
