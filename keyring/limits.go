package keyring

import (
	"encoding/binary"
	"fmt"
)

// Limits on untrusted input, all checked before the library sees it.
const (
	maxInput        = 1 << 20   // octets in one import
	maxCertificate  = 256 << 10 // octets of one certificate
	maxUserIDs      = 100
	maxSubkeys      = 50
	maxSignatures   = 500 // self-signatures that are verified
	maxKeyBits      = 8192
	maxArgon2Memory = 18      // exponent: 2^18 KiB = 256 MiB
	maxArgon2Work   = 1 << 21 // sum of passes × KiB over all keys of one certificate, some seconds
)

// problem makes an error for people: one sentence, what is wrong and what to do.
func problem(format string, args ...any) error { return fmt.Errorf(format, args...) }

// guard runs f and turns a panic of the OpenPGP library into an error: input must never stop the process.
func guard(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = problem("this block confuses the OpenPGP library, so it is damaged or forged: ask for a fresh export")
		}
	}()
	return f()
}

// checkSizes refuses what is too big to be an honest certificate.
func checkSizes(packets []rawPacket) error {
	size, userIDs, subkeys := 0, 0, 0
	for _, p := range packets {
		size += len(p.body) + 3
		switch p.tag {
		case tagUserID:
			userIDs++
		case tagPublicSubkey, tagSecretSubkey:
			subkeys++
		}
	}
	switch {
	case size > maxCertificate:
		return errTooLarge()
	case userIDs > maxUserIDs:
		return problem("this certificate has %d user IDs, more than the %d that are taken: export it again with fewer",
			userIDs, maxUserIDs)
	case subkeys > maxSubkeys:
		return problem("this certificate has %d subkeys, more than the %d that are taken: export it again with fewer",
			subkeys, maxSubkeys)
	}
	return nil
}

// checkVersion names key versions that we do not read.
func checkVersion(p rawPacket) error {
	switch v := p.version(); v {
	case 4, 6:
		return nil
	case 2, 3:
		return problem("this is a version %d key from PGP 2.x, which is too weak today, and nothing is encrypted to it or verified "+
			"with it here: ask its owner for a new key; old mail to it opens with GnuPG 1.4 only", v)
	case 5:
		return problem("this is a version 5 (LibrePGP) key, and nothing is encrypted to it or verified with it here: " +
			"ask its owner for a version 4 key (gpg makes one with --rfc4880); old mail to it opens with GnuPG 2.4 only")
	default:
		return problem("this key has the unknown version %d: ask its owner for a version 4 key", v)
	}
}

// checkKeyBits looks at the numbers of RSA, ElGamal and DSA keys before anybody computes with them.
func checkKeyBits(p rawPacket) error {
	offset := 6 // version, creation time, algorithm
	if p.version() == 6 {
		offset = 10 // and the length of the key material
	}
	if len(p.body) < offset {
		return problem("this key is cut off: ask for a fresh export")
	}
	count := 0
	switch p.body[5] {
	case 1, 2, 3: // RSA: n, e
		count = 2
	case 16: // ElGamal: p, g, y
		count = 3
	case 17: // DSA: p, q, g, y
		count = 4
	}
	rest := p.body[offset:]
	for ; count > 0 && len(rest) >= 2; count-- {
		bits := int(binary.BigEndian.Uint16(rest))
		if bits > maxKeyBits {
			return problem("this key has %d bits, more than the %d that are taken: ask its owner for a smaller one",
				bits, maxKeyBits)
		}
		rest = rest[min(len(rest), 2+(bits+7)/8):]
	}
	return nil
}
