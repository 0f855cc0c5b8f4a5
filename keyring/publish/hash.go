package publish

import (
	"crypto/sha1"
	"net/url"
	"strings"
)

// zBase32 is the alphabet of z-base-32 (RFC 6189, section 5.1.6).
const zBase32 = "ybndrfg8ejkmcpqxot1uwisza345h769"

// hashLength is the length of a hash in characters: 160 bits are 32 times 5.
const hashLength = 32

// Hash names a local part in a web key directory: SHA-1 of it in lower case, in z-base-32, 32 characters
// (draft-koch-openpgp-webkey-service, section 3.1). Only ASCII letters are lowered.
func Hash(local string) string {
	sum := sha1.Sum([]byte(lowerASCII(local))) // as a name, not as a protection
	var out strings.Builder
	bits, n := uint(0), 0
	for _, b := range sum {
		bits, n = bits<<8|uint(b), n+8
		for ; n >= 5; n -= 5 {
			out.WriteByte(zBase32[bits>>(n-5)&31])
		}
	}
	return out.String()
}

func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// Locations are the two places of an address's certificate, by the advanced and by the direct method. A client asks the
// first, and the second only where the host of the first does not exist.
func Locations(local, domain string) (advanced, direct string) {
	name := "/hu/" + Hash(local) + "?l=" + strings.ReplaceAll(url.QueryEscape(local), "+", "%20")
	return "https://openpgpkey." + domain + Below + "/" + domain + name, "https://" + domain + Below + name
}
