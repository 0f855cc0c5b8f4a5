package keyring

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
)

// Limits bound untrusted certificates and secret keys, before the library sees them. A zero field is its default. They
// hold for what comes in: what is stored already stays readable when they are made smaller.
type Limits struct {
	CertificateBytes int   // one certificate; default 256 KiB
	UserIDs          int   // of one certificate; default 100
	Subkeys          int   // of one certificate; default 50
	Signatures       int   // self-signatures of one certificate, which are verified; default 500
	KeyBits          int   // of an RSA, DSA or ElGamal key; default 8192
	Argon2Memory     int64 // bytes that one passphrase may need; default 256 MiB
	Argon2Work       int64 // bytes of memory times passes, of all keys of one secret key; default 2 GiB, some seconds
	S2KWork          int64 // bytes hashed for iterated passphrases, of all keys of one secret key; default 1 GiB, some seconds
}

// DefaultLimits are what an honest key stays below.
func DefaultLimits() Limits {
	return Limits{
		CertificateBytes: 256 << 10, UserIDs: 100, Subkeys: 50, Signatures: 500, KeyBits: 8192,
		Argon2Memory: 256 << 20, Argon2Work: 2 << 30, S2KWork: 1 << 30,
	}
}

// WithDefaults fills in the zero fields.
func (l Limits) WithDefaults() Limits {
	d := DefaultLimits()
	return Limits{
		CertificateBytes: cmp.Or(l.CertificateBytes, d.CertificateBytes), UserIDs: cmp.Or(l.UserIDs, d.UserIDs),
		Subkeys: cmp.Or(l.Subkeys, d.Subkeys), Signatures: cmp.Or(l.Signatures, d.Signatures), KeyBits: cmp.Or(l.KeyBits, d.KeyBits),
		Argon2Memory: cmp.Or(l.Argon2Memory, d.Argon2Memory), Argon2Work: cmp.Or(l.Argon2Work, d.Argon2Work),
		S2KWork: cmp.Or(l.S2KWork, d.S2KWork),
	}
}

const (
	maxInput   = 1 << 20     // octets in one paste
	maxBlocks  = 5000        // in one paste
	maxRefused = 1000        // in a row, in a dump: then it is no dump
	maxSubkeys = 50          // that a key of ours may get
	trusted    = math.MaxInt // no limit, for what was accepted before
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
func (l Limits) checkSizes(packets []rawPacket) error {
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
	case size > l.CertificateBytes:
		return l.errTooLarge()
	case userIDs > l.UserIDs:
		return problem("this certificate has %d user IDs, more than the %d that are taken: export it again with fewer",
			userIDs, l.UserIDs)
	case subkeys > l.Subkeys:
		return problem("this certificate has %d subkeys, more than the %d that are taken: export it again with fewer",
			subkeys, l.Subkeys)
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
func (l Limits) checkKeyBits(p rawPacket) error {
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
		if bits > l.KeyBits {
			return problem("this key has %d bits, more than the %d that are taken: ask its owner for a smaller one",
				bits, l.KeyBits)
		}
		rest = rest[min(len(rest), 2+(bits+7)/8):]
	}
	return nil
}
