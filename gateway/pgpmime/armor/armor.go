// Package armor is the text form of OpenPGP objects (RFC 9580, section 6): bytes in, lines out, and the other way round.
//
// It is the engine's own because the OpenPGP library's armor is the bottleneck of large mail: this one encodes and
// decodes many lines at a time, into buffers that it uses again. It writes as mail wants it: CRLF, 64 characters a line,
// no armor headers, so nothing but the object itself leaves. It reads what mail programs and servers made of that:
// either line end, blanks around a line, empty lines, armor headers of any content, and any checksum or none.
//
// Armor protects nothing. What Read returns may have been altered by anybody; the OpenPGP message inside tells.
package armor

import "errors"

// The types of armor, as they stand in the BEGIN line after the word (RFC 9580, section 6.2.1).
const (
	Message       = "PGP MESSAGE"
	Signature     = "PGP SIGNATURE"
	PublicKey     = "PGP PUBLIC KEY BLOCK"
	PrivateKey    = "PGP PRIVATE KEY BLOCK"
	SignedMessage = "PGP SIGNED MESSAGE" // text with a cleartext signature: its BEGIN line is known, but no armor follows it
)

var (
	// ErrNoBlock means that there is no BEGIN line of a known type.
	ErrNoBlock = errors.New("there is no armor")
	// ErrCorrupt means that what stands between BEGIN and END is not base64, or that END is of another type.
	ErrCorrupt = errors.New("the armor is damaged")
)

const (
	begin = "-----BEGIN "
	end   = "-----END "
	dash  = "-----"
)

// knownType is the type that a BEGIN line names, when it is exactly that.
func knownType(line []byte) (blockType string, ok bool) {
	for _, t := range []string{Message, Signature, PublicKey, PrivateKey, SignedMessage} {
		if string(line) == begin+t+dash {
			return t, true
		}
	}
	return "", false
}
