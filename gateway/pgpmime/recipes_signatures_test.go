package pgpmime_test

import (
	"bytes"
	"crypto"
	_ "crypto/md5" // for a signature that nobody should accept
	"crypto/rand"
	"crypto/rsa"
	"encoding/binary"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// detached is an armored signature of each of the people in an order. Options, as no careful program would have them:
//
//	hash=md5|sha224              the hash
//	type=NUMBER                  the type (RFC 9580, section 5.2.1)
//	version=3|5                  an old packet of PGP, or one of LibrePGP
//	at=DATE, expires=SECONDS     when it was made, and how long it holds
//	notation=critical|plain      a notation that nobody knows (section 5.2.3.24)
func (k *kitchen) detached(t testing.TB, o order, signed string) string {
	t.Helper()
	return strings.TrimSuffix(crlfText(armoredAs(t, openpgp.SignatureType, func(b *bytes.Buffer) error {
		for _, who := range k.entities(t, o.who) {
			b.Write(signaturePacket(t, who, o, signed))
		}
		return nil
	})), "\r\n")
}

func signaturePacket(t testing.TB, who *openpgp.Entity, o order, signed string) []byte {
	t.Helper()
	switch o.options["version"] {
	case "3":
		return signatureV3(t, who, signed)
	case "5":
		return signatureByHand(t, who, 5, numberSHA256, signed)
	}
	if o.options["hash"] == "md5" {
		return signatureByHand(t, who, 4, numberMD5, signed)
	}
	key := signingKeyOf(who)
	hash := crypto.SHA512 // long enough for all keys
	if o.options["hash"] == "sha224" {
		hash = crypto.SHA224
	}
	s := &packet.Signature{
		Version: key.Version, PubKeyAlgo: key.PubKeyAlgo, Hash: hash,
		CreationTime: o.at(t), IssuerKeyId: &key.KeyId, IssuerFingerprint: key.Fingerprint,
	}
	if n, err := strconv.ParseUint(o.options["type"], 0, 8); err == nil {
		s.SigType = packet.SignatureType(n)
	}
	if n, err := strconv.ParseUint(o.options["expires"], 10, 32); err == nil {
		seconds := uint32(n)
		s.SigLifetimeSecs = &seconds
	}
	if kind := o.options["notation"]; kind != "" {
		s.Notations = []*packet.Notation{{Name: "unknown@customer.test", Value: []byte("x"), IsCritical: kind == "critical", IsHumanReadable: true}}
	}
	h, err := s.PrepareSign(configAt(o.at(t)))
	if err != nil {
		t.Fatal(err)
	}
	h.Write([]byte(signed))
	var b bytes.Buffer
	if err := s.Sign(h, key, configAt(o.at(t))); err != nil {
		t.Fatal(err)
	}
	if err := s.Serialize(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// signingKeyOf is a subkey that was made to sign, or the primary key.
func signingKeyOf(who *openpgp.Entity) *packet.PrivateKey {
	for _, s := range who.Subkeys {
		if len(s.Bindings) > 0 && s.Bindings[0].Packet.FlagSign {
			return s.PrivateKey
		}
	}
	return who.PrivateKey
}

// The numbers of algorithms in packets (RFC 9580, sections 9.1 and 9.5).
const (
	numberMD5    = 1
	numberSHA256 = 8
	numberRSA    = 1
)

// signatureV3 is a signature as PGP 5 made them (RFC 9580, section 5.2.2).
func signatureV3(t testing.TB, who *openpgp.Entity, signed string) []byte {
	made := binary.BigEndian.AppendUint32([]byte{0}, uint32(now.Unix()))
	digest, value := signRSA(t, who, numberSHA256, append([]byte(signed), made...))
	body := append([]byte{3, 5}, made...)
	body = binary.BigEndian.AppendUint64(body, who.PrimaryKey.KeyId)
	body = append(body, numberRSA, numberSHA256, digest[0], digest[1])
	return newPacket(2, append(body, value...))
}

// signatureByHand is what the library does not write: a version 5 signature of LibrePGP (draft-koch-librepgp, section
// 5.2.3), or one of version 4 with MD5.
func signatureByHand(t testing.TB, who *openpgp.Entity, version, hashNumber byte, signed string) []byte {
	subpackets := binary.BigEndian.AppendUint32([]byte{5, 2}, uint32(now.Unix()))
	header := append([]byte{version, 0, numberRSA, hashNumber, 0, byte(len(subpackets))}, subpackets...)
	hashed := append([]byte(signed), header...)
	if version == 5 {
		hashed = append(hashed, make([]byte, 6)...) // no file name and no date: it is detached
		hashed = binary.BigEndian.AppendUint64(append(hashed, version, 0xff), uint64(len(header)))
	} else {
		hashed = binary.BigEndian.AppendUint32(append(hashed, version, 0xff), uint32(len(header)))
	}
	digest, value := signRSA(t, who, hashNumber, hashed)
	body := append(header, 0, 10, 9, 16)
	body = binary.BigEndian.AppendUint64(body, who.PrimaryKey.KeyId)
	return newPacket(2, append(append(body, digest[0], digest[1]), value...))
}

// signRSA returns the hash, and the signature as a multiprecision integer.
func signRSA(t testing.TB, who *openpgp.Entity, hashNumber byte, hashed []byte) (digest, value []byte) {
	t.Helper()
	hash := crypto.SHA256
	if hashNumber == numberMD5 {
		hash = crypto.MD5
	}
	h := hash.New()
	h.Write(hashed)
	digest = h.Sum(nil)
	key, is := who.PrivateKey.PrivateKey.(*rsa.PrivateKey)
	if !is {
		t.Fatal("only RSA keys make such signatures here")
	}
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, hash, digest)
	if err != nil {
		t.Fatal(err)
	}
	n := new(big.Int).SetBytes(signature)
	return digest, append(binary.BigEndian.AppendUint16(nil, uint16(n.BitLen())), n.Bytes()...)
}

// clearsigned is a text with a cleartext signature (RFC 9580, section 7).
func (k *kitchen) clearsigned(t testing.TB, o order, content string) string {
	t.Helper()
	var b bytes.Buffer
	var keys []*packet.PrivateKey
	for _, who := range k.entities(t, o.who) {
		keys = append(keys, signingKeyOf(who))
	}
	config := configAt(o.at(t))
	config.DefaultHash = crypto.SHA512
	w, err := clearsign.EncodeMulti(&b, keys, config)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeAll(w, strings.TrimSuffix(content, "\r\n")); err != nil {
		t.Fatal(err)
	}
	return crlfText(b.String()) + "\r\n"
}

// inlineSigned is an armored message that is signed, not encrypted.
func (k *kitchen) inlineSigned(t testing.TB, o order, content string) string {
	t.Helper()
	if o.options["version"] != "" {
		return k.inlineSignedOld(t, o, content)
	}
	return crlfText(armored(t, func(b *bytes.Buffer) error {
		w, err := openpgp.SignWithParams(b, k.entities(t, o.who), &openpgp.SignParams{Config: configAt(o.at(t))})
		if err != nil {
			return fmt.Errorf("sign: %w", err)
		}
		return writeAll(w, content)
	}))
}

// inlineSignedOld is a message that announces a signature of an old version, and then holds it (RFC 9580, section 10.3).
func (k *kitchen) inlineSignedOld(t testing.TB, o order, content string) string {
	t.Helper()
	who := k.entities(t, o.who)[0]
	announced := []byte{3, 0, numberSHA256, numberRSA} // section 5.4
	announced = append(binary.BigEndian.AppendUint64(announced, who.PrimaryKey.KeyId), 1)
	literal := append([]byte{'b', 0, 0, 0, 0, 0}, content...) // section 5.9
	packets := append(newPacket(4, announced), newPacket(11, literal)...)
	return armoredPackets(t, append(packets, signaturePacket(t, who, o, content)...))
}

// asksPeers tells whether a recipe needs other programs.
func (r recipe) asksPeers() bool {
	for _, line := range r.lines {
		if order, is := strings.CutPrefix(line, "@@ "); is {
			if program, _, is := strings.Cut(order, "-"); is && peerPrograms[program] != nil {
				return true
			}
		}
	}
	return false
}
