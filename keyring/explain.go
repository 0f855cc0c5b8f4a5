package keyring

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"
)

// explain says what an input is that holds no OpenPGP data.
func explain(input []byte) error {
	switch {
	case len(bytes.TrimSpace(input)) == 0:
		return problem("there is nothing here: paste a certificate or choose its file")
	case looksLikeText(input, "-----BEGIN CERTIFICATE", "-----BEGIN PKCS"):
		return problem("this is an S/MIME certificate, which Sealgate does not use: ask for an OpenPGP certificate")
	case looksLikeText(input, "-----BEGIN OPENSSH", "-----BEGIN RSA PRIVATE", "-----BEGIN PRIVATE", "ssh-rsa ", "ssh-ed25519 "):
		return problem("this is an SSH or TLS key, not an OpenPGP one: export the OpenPGP key with gpg --armor --export")
	case looksLikeText(input, "\n:-----BEGIN PGP "): // GnuPG keeps the revocation that it makes with each key like this
		return problem("this block has a colon before its BEGIN line, which keeps a revocation from being used by accident: " +
			"take the colon out, if the key is to end for good")
	case looksLikeText(input, "BEGIN PGP "):
		return problem("the dashes around the BEGIN line were lost: copy the block again, or import the file instead")
	case brokenByPasting(input):
		return problem("this is a binary file that was pasted as text, which destroys it: upload the file, " +
			"or paste the armored form (gpg --armor --export)")
	}
	return problem("this is not OpenPGP data: paste the whole block from its BEGIN line to its END line, or upload the file")
}

// looksLikeText tells whether the input starts like one of the text formats that people confuse with OpenPGP.
func looksLikeText(input []byte, marks ...string) bool {
	text := string(input[:min(len(input), 4096)])
	return slices.ContainsFunc(marks, func(mark string) bool { return strings.Contains(text, mark) })
}

// brokenByPasting recognises bytes of a binary key that went through a text field: they became U+FFFD, or one
// character each.
func brokenByPasting(input []byte) bool {
	if !utf8.Valid(input) {
		return false
	}
	first, _ := utf8.DecodeRune(input)
	return first >= 0x80 || bytes.Count(input, []byte(string(utf8.RuneError))) > 3
}

// whatElse says what a group of packets is that does not begin with a primary key, or nil when it does.
func whatElse(packets []rawPacket) error {
	if len(packets) == 0 {
		return problem("this block is empty: copy the whole block, from BEGIN to END")
	}
	first := packets[0]
	for _, p := range packets {
		if first = p; p.tag != tagMarker && p.tag != tagPadding && p.tag != tagTrust {
			break
		}
	}
	switch first.tag {
	case tagPublicKey, tagSecretKey:
		return nil
	case tagSessionKey, tagPassphraseKey, tagEncrypted, tagProtected, tagLibrePGPMessage:
		return problem("this is an encrypted message, not a certificate: ask its sender for the certificate")
	case tagOnePass, tagCompressed, tagLiteral:
		return problem("this is an OpenPGP message, not a certificate: ask its sender for the certificate")
	case tagSignature:
		if len(first.body) > 1 && first.body[1] == 0x20 {
			return problem("this is a revocation that cannot be read, or of a form that is not known here: apply it with " +
				"gpg --import, then export the revoked certificate and import that")
		}
		return problem("this is a signature, not a certificate: ask its sender for the certificate")
	case tagUserID, tagPublicSubkey, tagSecretSubkey:
		return problem("this block begins in the middle of a certificate: export it again and import the whole file")
	}
	return problem("this block holds no certificate: export one with gpg --armor --export")
}
