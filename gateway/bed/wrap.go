package bed

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// Wrap returns an RFC 3156 message that p made: headers are the outer header lines, body a MIME entity with its own
// Content-Type. It is signed where signer is a secret key, and encrypted where there are certificates.
func Wrap(p OpenPGP, headers string, body, signer []byte, certificates ...[]byte) ([]byte, error) {
	outer := crlf([]byte(strings.TrimRight(headers, "\r\n") + "\nMIME-Version: 1.0\n"))
	entity := crlf(body)
	switch {
	case len(certificates) > 0:
		armored, err := p.Encrypt(entity, signer, certificates...)
		if err != nil {
			return nil, err
		}
		return append(outer, encryptedParts(armored)...), nil
	case signer != nil:
		armored, err := p.Sign(entity, signer)
		if err != nil {
			return nil, err
		}
		hash, err := hashOf(armored)
		if err != nil {
			return nil, err
		}
		return append(outer, signedParts(hash, entity, armored)...), nil
	}
	return append(outer, entity...), nil
}

// Unwrap opens an RFC 3156 message with p and returns the inner MIME entity with CRLF line ends. With a key it must be
// encrypted, without one signed only. Where signer is a certificate, a message without its good signature is an error.
func Unwrap(p OpenPGP, message, key, signer []byte) (entity []byte, err error) {
	kind, parts, err := partsOf(crlf(message))
	if err != nil {
		return nil, err
	}
	want := "multipart/encrypted"
	if key == nil {
		want = "multipart/signed"
	}
	if kind != want || len(parts) != 2 {
		return nil, fmt.Errorf("the message is %s with %d parts, want %s with two", kind, len(parts), want)
	}
	_, armored, _ := bytes.Cut(parts[1], []byte("\r\n\r\n"))
	if key == nil {
		return parts[0], p.Verify(parts[0], armored, signer)
	}
	plain, err := p.Decrypt(armored, key, signer)
	return crlf(plain), err
}

var errNoHash = errors.New("the signature has no header that this reads")

// hashOf returns the name for micalg of the hash in an armored signature. It reads no more of the packet than that.
func hashOf(armored []byte) (string, error) {
	_, text, _ := bytes.Cut(crlf(armored), []byte("\r\n\r\n"))
	line, _, _ := bytes.Cut(text, []byte("\r\n"))
	packet, err := base64.StdEncoding.DecodeString(string(line[:len(line)/4*4]))
	if err != nil || len(packet) < 10 {
		return "", errNoHash
	}
	header := 2 // RFC 9580, section 4.2.1: a new format packet whose body has less than 192 bytes
	switch {
	case packet[0]&0x40 == 0: // section 4.2.2: an old format packet; its two low bits tell how long the length is
		header = 1 + 1<<(packet[0]&3)
	case packet[1] >= 192:
		header = 3
	}
	// The names for micalg (RFC 3156, section 5) of the numbers in RFC 9580, section 9.5.
	names := map[byte]string{8: "sha256", 9: "sha384", 10: "sha512", 11: "sha224", 12: "sha3-256", 14: "sha3-512"}
	name, known := names[packet[header+3]] // after version, type and algorithm (section 5.2.3)
	if !known {
		return "", errNoHash
	}
	return name, nil
}
