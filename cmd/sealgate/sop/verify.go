package sop

import (
	"bytes"
	"errors"
	"io"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/sealgate/sealgate/gateway/pgpmime/armor"
	"github.com/sealgate/sealgate/gateway/pgpmime/pgp"
)

// runVerify checks detached signatures.
func runVerify(i *invocation) error {
	v, err := i.verifier(i.arguments[1:], "--not-before", "--not-after")
	if err != nil {
		return err
	}
	content, err := i.input(i.arguments[0])
	if err != nil {
		return err
	}
	signatures, err := binaryOf(content)
	if err != nil {
		return fail(BadData, "%s: %v", i.arguments[0], err)
	}
	if count, _ := pgp.CountSignatures(signatures); count == 0 || !onlySignatures(signatures) {
		return fail(BadData, "%s holds something else than signatures", i.arguments[0])
	}
	data, err := i.standardInput()
	if err != nil {
		return err
	}
	found, err := pgp.Verify(bytes.NewReader(data), signatures, v.ring(), pgp.Options{Now: i.Now})
	if err != nil {
		return err
	}
	lines := v.verifications(found)
	if lines == nil {
		return v.reasons(found)
	}
	_, err = i.out.Write(lines)
	return err
}

// onlySignatures tells signatures from certificates and messages. Markers, padding and what a later standard may add
// there (RFC 9580, section 4.3: types from 40) do no harm.
func onlySignatures(binary []byte) bool {
	packets := packet.NewOpaqueReader(bytes.NewReader(binary))
	for {
		p, err := packets.Next()
		if err != nil {
			return errors.Is(err, io.EOF)
		}
		if p.Tag != tagSignature && p.Tag != tagMarker && p.Tag != tagPadding && p.Tag < 40 {
			return false
		}
	}
}

func (i *invocation) verifier(names []string, notBefore, notAfter string) (v verifier, err error) {
	if v.period, err = i.period(notBefore, notAfter); err != nil {
		return v, err
	}
	v.certificates, err = i.certificates(names)
	return v, err
}

// runInlineVerify checks a message that holds its signatures, and lets its text out.
func runInlineVerify(i *invocation) error {
	v, err := i.verifier(i.arguments, "--not-before", "--not-after")
	if err != nil {
		return err
	}
	message, err := i.standardInput()
	if err != nil {
		return err
	}
	text, found, err := readInline(message, v, pgp.Options{Now: i.Now})
	if err != nil {
		return inlineError(err)
	}
	lines := v.verifications(found)
	if lines == nil {
		return v.reasons(found)
	}
	i.keep("--verifications-out", lines)
	_, err = i.out.Write(text)
	return err
}

func readInline(message []byte, v verifier, o pgp.Options) (text []byte, found []pgp.Signature, err error) {
	if pgp.IsClearsigned(message) {
		c, err := pgp.ReadClearsigned(message)
		if err != nil {
			return nil, nil, err
		}
		found, err = pgp.Verify(bytes.NewReader(c.Signed), c.Signature, v.ring(), o)
		return c.Text, found, err
	}
	binary, err := binaryOf(message)
	if err != nil {
		return nil, nil, fail(BadData, "standard input: %v", err)
	}
	var out bytes.Buffer
	found, err = pgp.VerifyInline(&out, bytes.NewReader(binary), v.ring(), o)
	return out.Bytes(), found, err
}

// inlineError gives the engine's errors about the message their exit code.
func inlineError(err error) error {
	for _, known := range []error{pgp.ErrNotSigned, pgp.ErrNotClearsigned, pgp.ErrTooLarge} {
		if errors.Is(err, known) {
			return fail(BadData, "standard input: %v", known)
		}
	}
	return err
}

// runInlineDetach takes a message and its signatures apart, and verifies nothing.
func runInlineDetach(i *invocation) error {
	if !i.has("--signatures-out") {
		return fail(MissingArg, "--signatures-out=SIGNATURES says where the signatures go")
	}
	message, err := i.standardInput()
	if err != nil {
		return err
	}
	signatures, err := i.detach(message)
	if err != nil {
		return inlineError(err)
	}
	if !i.has("--no-armor") {
		var armored bytes.Buffer
		if err := armorTo(&armored, armor.Signature, signatures); err != nil {
			return err
		}
		signatures = armored.Bytes()
	}
	i.keep("--signatures-out", signatures)
	return nil
}

// detach puts the text on standard output.
func (i *invocation) detach(message []byte) (signatures []byte, err error) {
	if pgp.IsClearsigned(message) {
		c, err := pgp.ReadClearsigned(message)
		if err != nil {
			return nil, err
		}
		_, err = i.out.Write(c.Text)
		return c.Signature, err
	}
	binary, err := binaryOf(message)
	if err != nil {
		return nil, fail(BadData, "standard input: %v", err)
	}
	return pgp.Detach(&i.out, bytes.NewReader(binary), pgp.Options{Now: i.Now})
}
