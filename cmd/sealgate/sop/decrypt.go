package sop

import (
	"bytes"
	"slices"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/pgpmime/pgp"
)

// runDecrypt opens a message. Its plaintext leaves only after its integrity was proven. Signatures that do not count
// are no failure: the list of verifications is then empty.
func runDecrypt(i *invocation) error {
	if err := i.checkDecrypt(); err != nil {
		return err
	}
	v, err := i.verifier(i.options["--verify-with"], "--verify-not-before", "--verify-not-after")
	if err != nil {
		return err
	}
	keys, err := i.keys(i.arguments, "--with-key-password")
	if err != nil {
		return err
	}
	message, err := i.standardInput()
	if err != nil {
		return err
	}
	binary, err := binaryOf(message)
	if err != nil {
		return fail(BadData, "standard input: %v", err)
	}
	d, plaintext, err := i.open(binary, keys, v)
	if err != nil {
		return err
	}
	lines := v.verifications(d.Signatures)
	i.keep("--verifications-out", lines)
	i.keep("--verify-out", lines)
	i.keep("--session-key-out", sessionKeyText(pgp.SessionKey{Cipher: d.CipherID, Key: d.SessionKey}))
	_, err = i.out.Write(plaintext)
	return err
}

// checkDecrypt looks for what does not fit together before anything is read.
func (i *invocation) checkDecrypt() error {
	asked := i.has("--verifications-out") || i.has("--verify-out") // the second is its name before revision 05
	switch {
	case i.has("--with-password"):
		return fail(UnsupportedOption, "--with-password is not for mail, which is encrypted to certificates only")
	case asked != i.has("--verify-with"):
		return fail(IncompleteVerification, "--verify-with and --verifications-out belong together")
	case !asked && (i.has("--verify-not-before") || i.has("--verify-not-after")):
		return fail(IncompleteVerification, "a period for signatures needs --verify-with and --verifications-out")
	case len(i.arguments) == 0 && !i.has("--with-session-key"):
		return fail(MissingArg, "name the secret keys to decrypt with")
	}
	return nil
}

// open tries the session keys first, then the secret keys.
func (i *invocation) open(message []byte, keys []*loaded, v verifier) (d pgp.Decryption, plaintext []byte, err error) {
	options := pgp.Options{Now: i.Now, WithSessionKey: true}
	ring := newKeyRing(keys, v)
	for _, name := range i.options["--with-session-key"] {
		text, err := i.input(name)
		if err != nil {
			return d, nil, err
		}
		key, err := parseSessionKey(text)
		if err != nil {
			return d, nil, err
		}
		var out bytes.Buffer
		d, err = pgp.DecryptWith(&out, bytes.NewReader(message), key, ring, options)
		if err != nil || d.Outcome == pgp.Decrypted {
			return d, out.Bytes(), err
		}
	}
	if len(keys) > 0 {
		var out bytes.Buffer
		lookUp := func([]string) (pgp.Ring, error) { return ring, nil }
		d, err = pgp.Decrypt(&out, bytes.NewReader(message), lookUp, options)
		if err != nil || d.Outcome == pgp.Decrypted {
			return d, out.Bytes(), err
		}
	}
	return d, nil, notOpened(d)
}

func notOpened(d pgp.Decryption) error {
	switch {
	case d.Outcome == pgp.MalformedMessage:
		return fail(BadData, "standard input is not an encrypted message: %s", d.Reason)
	case d.Reason != "":
		return fail(CannotDecrypt, "%s", d.Reason)
	case d.Outcome == pgp.NoKey:
		return fail(CannotDecrypt, "the message is encrypted to others: %v", d.KeyIDs)
	}
	return fail(CannotDecrypt, "the message is damaged, or not for these keys")
}

// keyRing is the engine's view of what the caller named.
type keyRing struct {
	openpgp.EntityList
	secrets openpgp.EntityList
}

// newKeyRing puts the certificates to verify with before the secret keys: the engine takes the first that fits, and
// they may tell more of a signer, a revocation say.
func newKeyRing(keys []*loaded, v verifier) keyRing {
	var r keyRing
	for _, l := range keys {
		r.secrets = append(r.secrets, l.entity())
	}
	r.EntityList = slices.Concat(v.ring(), r.secrets)
	return r
}

// EntitiesById implements openpgp.KeyRing. Id 0 is a recipient without a name (RFC 9580, section 5.1.8).
func (r keyRing) EntitiesById(id uint64) []*openpgp.Entity {
	if id == 0 {
		return r.secrets
	}
	return r.EntityList.EntitiesById(id)
}

// Secrets implements pgp.Ring.
func (r keyRing) Secrets() openpgp.EntityList { return r.secrets }
