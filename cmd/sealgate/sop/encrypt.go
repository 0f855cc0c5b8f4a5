package sop

import (
	"bytes"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/pgpmime/pgp"
	"github.com/sealgate/sealgate/keyring"
)

// runEncrypt encrypts, and signs inside.
func runEncrypt(i *invocation) error {
	for _, option := range []string{"--with-password", "--session-key-out"} {
		if i.has(option) {
			return fail(UnsupportedOption, "%s is not for mail, which is encrypted to certificates only", option)
		}
	}
	if _, err := i.oneOf("--for", "any", "storage", "communications"); err != nil {
		return err
	}
	if _, err := profileOf("encrypt", i.value("--profile", "default")); err != nil {
		return err
	}
	as, err := i.oneOf("--as", "binary", "text")
	if err != nil {
		return err
	}
	if len(i.arguments) == 0 {
		return fail(MissingArg, "name the certificates to encrypt to")
	}
	w, data, err := i.toSign(as, i.options["--sign-with"])
	if err != nil {
		return err
	}
	if w.To, err = i.readers(); err != nil {
		return err
	}
	if i.has("--no-armor") {
		return pgp.Encrypt(&i.out, bytes.NewReader(data), w)
	}
	return pgp.EncryptArmored(&i.out, bytes.NewReader(data), w)
}

// readers are the certificates to encrypt to.
func (i *invocation) readers() ([]*openpgp.Entity, error) {
	found, err := i.certificates(i.arguments)
	if err != nil {
		return nil, err
	}
	var readers []*openpgp.Entity
	for _, l := range found {
		switch l.ForEncryption(i.Now) {
		case keyring.Usable:
			readers = append(readers, l.Entity)
		case keyring.Weak:
			return nil, fail(UnsupportedAsymmetricAlgo, "the certificate in %s is too weak to encrypt to", called(l.from))
		default:
			return nil, fail(CertCannotEncrypt, "the certificate in %s cannot be encrypted to: %s", called(l.from), l.Judge(keyring.ToEncrypt, i.Now).Brief)
		}
	}
	return readers, nil
}
