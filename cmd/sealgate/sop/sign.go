package sop

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/pgpmime/armor"
	"github.com/sealgate/sealgate/gateway/pgpmime/pgp"
	"github.com/sealgate/sealgate/keyring"
)

// runSign makes detached signatures.
func runSign(i *invocation) error {
	as, err := i.oneOf("--as", "binary", "text")
	if err != nil {
		return err
	}
	w, data, err := i.toSign(as, i.arguments)
	if err != nil {
		return err
	}
	signatures, _, err := pgp.Sign(bytes.NewReader(data), w)
	if err != nil {
		return err
	}
	i.keep("--micalg-out", micalg(signatures))
	return i.emit(armor.Signature, signatures)
}

// toSign unlocks the signers and reads the data.
func (i *invocation) toSign(as string, keys []string) (w pgp.Writing, data []byte, err error) {
	w = pgp.Writing{Now: i.Now, Random: i.Random, Text: as != "binary"}
	if w.Signers, err = i.signers(keys); err != nil {
		return w, nil, err
	}
	data, err = i.data(as)
	return w, data, err
}

// signers are the unlocked keys to sign with.
func (i *invocation) signers(names []string) ([]*openpgp.Entity, error) {
	found, err := i.keys(names, "--with-key-password")
	if err != nil {
		return nil, err
	}
	var signers []*openpgp.Entity
	for _, l := range found {
		switch l.ForSigning(i.Now) {
		case keyring.Usable:
			signers = append(signers, l.entity())
		case keyring.Weak:
			return nil, fail(UnsupportedAsymmetricAlgo, "the key in %s is too weak to sign", called(l.from))
		default:
			return nil, fail(KeyCannotSign, "the key in %s cannot sign: %s", called(l.from), l.Judge(keyring.ToSign, i.Now).Brief)
		}
	}
	return signers, nil
}

// data reads standard input; as anything but binary it must be text.
func (i *invocation) data(as string) ([]byte, error) {
	data, err := i.standardInput()
	if err == nil && as != "binary" && !utf8.Valid(data) {
		return nil, fail(ExpectedText, "standard input is not UTF-8 text: use --as=binary")
	}
	return data, err
}

// micalg is the hash as PGP/MIME names it (RFC 3156, section 5), empty when the signatures differ in it.
func micalg(signatures []byte) []byte {
	packets := packet.NewReader(bytes.NewReader(signatures))
	name := ""
	for {
		p, err := packets.Next()
		if err != nil {
			return []byte(name)
		}
		s, ok := p.(*packet.Signature)
		if !ok {
			continue
		}
		hash := "pgp-" + strings.ReplaceAll(strings.ToLower(s.Hash.String()), "sha-", "sha")
		if name != "" && name != hash {
			return nil
		}
		name = hash
	}
}

// runInlineSign makes one message that holds its signatures.
func runInlineSign(i *invocation) error {
	as, err := i.oneOf("--as", "binary", "text", "clearsigned")
	if err != nil {
		return err
	}
	if as == "clearsigned" && i.has("--no-armor") {
		return fail(IncompatibleOptions, "--as=clearsigned is text always: leave --no-armor out")
	}
	w, data, err := i.toSign(as, i.arguments)
	switch {
	case err != nil:
		return err
	case as == "clearsigned":
		return pgp.Clearsign(&i.out, data, w)
	case i.has("--no-armor"):
		return pgp.SignInline(&i.out, bytes.NewReader(data), w)
	}
	return pgp.SignInlineArmored(&i.out, bytes.NewReader(data), w)
}
