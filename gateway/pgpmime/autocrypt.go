package pgpmime

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// maxAutocrypt is the largest Autocrypt field, in bytes (Autocrypt level 1, section 2.1.1).
const maxAutocrypt = 10 << 10

// autocryptField writes the Autocrypt field for a sender's address from his certificate as it is now (Autocrypt level 1,
// section 2.1). It is false when none is to be sent: the certificate has no user ID with this one address, is not
// version 4 (readers of level 1 know no other), cannot be encrypted to now, or makes the field too large.
func autocryptField(addr string, e *openpgp.Entity, now time.Time) (field, bool) {
	addr = canonical(addr)
	if !ascii(addr) || e == nil || e.PrimaryKey.Version != 4 || now.IsZero() { // without a time the library looks at no expiry
		return field{}, false
	}
	if _, err := e.VerifyPrimaryKey(now, nil); err != nil {
		return field{}, false
	}
	identity, certification := identityOf(e, addr, now)
	subkey, binding := encryptionSubkey(e, now)
	if identity == nil || subkey == nil {
		return field{}, false
	}
	var keydata bytes.Buffer
	if err := serialize(&keydata, e.PrimaryKey, identity.UserId, certification, subkey, binding); err != nil {
		return field{}, false
	}
	f := foldedKeydata(addr, keydata.Bytes())
	return f, len(f.raw) <= maxAutocrypt && canEncrypt(keydata.Bytes(), now)
}

// identityOf returns the user ID for an address that is valid now, and its newest self-signature; of several the one
// signed last.
func identityOf(e *openpgp.Entity, addr string, now time.Time) (identity *openpgp.Identity, certification *packet.Signature) {
	for _, i := range identities(e) {
		if !sameAddress(userIDAddress(i.UserId.Id), addr) {
			continue
		}
		if s, err := i.Verify(now, nil); err == nil && (certification == nil || s.CreationTime.After(certification.CreationTime)) {
			identity, certification = i, s
		}
	}
	return identity, certification
}

// identities are the user IDs in an order that is always the same.
func identities(e *openpgp.Entity) []*openpgp.Identity {
	var all []*openpgp.Identity
	for _, i := range e.Identities {
		all = append(all, i)
	}
	slices.SortFunc(all, func(a, b *openpgp.Identity) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// encryptionSubkey returns the newest subkey that mail may be encrypted to now, and its binding signature. Post-quantum
// subkeys are too large for the field, and unknown to its readers.
func encryptionSubkey(e *openpgp.Entity, now time.Time) (key *packet.PublicKey, binding *packet.Signature) {
	for _, s := range e.Subkeys {
		b, err := s.Verify(now, nil)
		if err != nil || s.IsPQ() || !s.PublicKey.PubKeyAlgo.CanEncrypt() || !forEncryption(b) {
			continue
		}
		if binding == nil || b.CreationTime.After(binding.CreationTime) {
			key, binding = s.PublicKey, b
		}
	}
	return key, binding
}

// forEncryption reads the key flags (RFC 9580, section 5.2.3.29).
func forEncryption(binding *packet.Signature) bool {
	return binding.FlagsValid && (binding.FlagEncryptCommunications || binding.FlagEncryptStorage)
}

// serializer is a packet that can be written.
type serializer interface{ Serialize(w io.Writer) error }

func serialize(w io.Writer, packets ...serializer) error {
	for _, p := range packets {
		if err := p.Serialize(w); err != nil {
			return fmt.Errorf("write certificate: %w", err)
		}
	}
	return nil
}

// canEncrypt reads back what was written: a certificate that its readers cannot use is not worth sending.
func canEncrypt(certificate []byte, now time.Time) bool {
	list, err := openpgp.ReadKeyRing(bytes.NewReader(certificate))
	if err != nil || len(list) != 1 {
		return false
	}
	_, ok := list[0].EncryptionKey(now, nil)
	return ok
}

// foldedKeydata writes the field with keydata last, one line of base64 after the other.
func foldedKeydata(addr string, keydata []byte) field {
	var b strings.Builder
	b.WriteString("Autocrypt: addr=" + addr + "; keydata=" + lineEnd)
	for chunk := range slices.Chunk([]byte(base64.StdEncoding.EncodeToString(keydata)), base64Width) {
		b.WriteString(" " + string(chunk) + lineEnd)
	}
	return field{name: "autocrypt", raw: []byte(b.String())}
}

// certificateAttachment returns the armored certificate to attach as application/pgp-keys (RFC 3156, section 7), and a
// name for the file. It holds all that a reader needs to encrypt and to verify, now and for older mail: every user ID
// and subkey with its newest self-signature, and every revocation. What others have signed stays away, and secret keys
// are never in it.
func certificateAttachment(e *openpgp.Entity) (name string, armored []byte, err error) {
	if e == nil || e.PrimaryKey == nil {
		return "", nil, errors.New("attach certificate: none given")
	}
	packets := []serializer{e.PrimaryKey}
	packets = append(packets, packetsOf(e.Revocations)...)
	if s, err := e.LatestValidDirectSignature(time.Time{}, nil); err == nil {
		packets = append(packets, s)
	}
	packets = append(packets, userIDs(e)...)
	packets = append(packets, subkeys(e)...)
	var binary bytes.Buffer
	if err := serialize(&binary, packets...); err != nil {
		return "", nil, err
	}
	armored, err = armorOf(openpgp.PublicKeyType, binary.Bytes())
	return "OpenPGP_0x" + e.PrimaryKey.KeyIdString() + ".asc", armored, err
}

// userIDs are the packets of all user IDs that the key has certified.
func userIDs(e *openpgp.Entity) (packets []serializer) {
	for _, i := range identities(e) {
		if s, err := i.LatestValidSelfCertification(time.Time{}, nil); err == nil {
			packets = append(append(append(packets, i.UserId), packetsOf(i.Revocations)...), s)
		}
	}
	return packets
}

// subkeys are the packets of all subkeys that the key has bound.
func subkeys(e *openpgp.Entity) (packets []serializer) {
	for _, s := range e.Subkeys {
		if b, err := s.LatestValidBindingSignature(time.Time{}, nil); err == nil {
			packets = append(append(append(packets, s.PublicKey), packetsOf(s.Revocations)...), b)
		}
	}
	return packets
}

func packetsOf(all []*packet.VerifiableSignature) (packets []serializer) {
	for _, s := range all {
		packets = append(packets, s.Packet)
	}
	return packets
}
