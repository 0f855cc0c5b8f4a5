package dkim

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/emersion/go-msgauth/dkim"
)

// minSigningRSA is the size of RSA keys for signing, in bits (RFC 8301, section 3.2: SHOULD).
const minSigningRSA = 2048

// alone are the fields that must not occur twice. They are signed once more than they occur, so that nobody can add one.
func alone() []string {
	return []string{"From", "Subject", "To", "Date", "Message-ID", "MIME-Version", "Content-Type"}
}

// others are signed as often as they occur.
func others() []string {
	return []string{
		"Sender", "Reply-To", "Cc", "In-Reply-To", "References", "Content-Transfer-Encoding", "Auto-Submitted", "Autocrypt",
		"List-Id", "List-Unsubscribe", "List-Unsubscribe-Post",
	}
}

// ErrHeader wraps what makes a message impossible to sign, whatever the key.
var ErrHeader = errors.New("cannot be signed with DKIM")

// Sign returns the DKIM-Signature fields of a message, one for each key, each ending in CRLF. The message has CRLF line
// ends and exactly one From field.
func Sign(message []byte, keys ...Key) (string, error) {
	return SignFrom(bytes.NewReader(message), keys...)
}

// SignFrom is Sign for a message of any size, which is read once. Its header is in memory, and nothing else.
func SignFrom(message io.Reader, keys ...Key) (string, error) {
	in := bufio.NewReader(message)
	head, err := headFrom(in)
	if err != nil {
		return "", err
	}
	header, err := headerOf(head)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrHeader, err)
	}
	if n := len(header["from"]); n != 1 {
		return "", fmt.Errorf("%w: the message has %d From fields and must have one", ErrHeader, n)
	}
	return signAll(io.MultiReader(bytes.NewReader(head), in), signedFields(header), keys)
}

// headFrom reads a header with the empty line that ends it.
func headFrom(in *bufio.Reader) ([]byte, error) {
	var head []byte
	for whole := true; ; {
		line, err := in.ReadSlice('\n')
		head = append(head, line...)
		switch {
		case len(head) > maxHeader:
			return nil, fmt.Errorf("%w: the header is too large", ErrHeader)
		case errors.Is(err, io.EOF), err == nil && whole && len(bytes.TrimRight(line, "\r\n")) == 0:
			return head, nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return nil, fmt.Errorf("sign with DKIM: %w", err)
		}
		whole = err == nil
	}
}

// signAll gives the message to every key at once.
func signAll(message io.Reader, fields []string, keys []Key) (string, error) {
	var signers []*dkim.Signer
	var writers []io.Writer
	var failed error
	for _, key := range keys {
		signer, err := key.signer(fields)
		if err != nil {
			failed = fmt.Errorf("for %.100q: %w", key.Domain, err)
			break
		}
		signers, writers = append(signers, signer), append(writers, signer)
	}
	if failed == nil {
		_, failed = io.Copy(io.MultiWriter(writers...), message)
	}
	var signatures strings.Builder
	for _, signer := range signers {
		if err := signer.Close(); err != nil { // it must be closed in any case: it has a goroutine
			failed = errors.Join(failed, err)
		} else if failed == nil {
			signatures.WriteString(signer.Signature())
		}
	}
	if failed != nil {
		return "", fmt.Errorf("sign with DKIM: %w", failed)
	}
	return signatures.String(), nil
}

func (k Key) signer(fields []string) (*dkim.Signer, error) {
	if err := k.usable(); err != nil {
		return nil, err
	}
	return dkim.NewSigner(&dkim.SignOptions{
		Domain: strings.ToLower(k.Domain), Selector: k.Selector, Signer: k.Signer, HeaderKeys: fields,
		HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed,
	})
}

func (k Key) usable() error {
	if !hostname(k.Domain) || !hostname(k.Selector) {
		return errors.New("domain or selector is no name")
	}
	if k.Signer == nil {
		return errors.New("there is no key")
	}
	return usablePublic(k.Signer.Public())
}

func usablePublic(key crypto.PublicKey) error {
	switch public := key.(type) {
	case ed25519.PublicKey:
		return nil
	case *rsa.PublicKey:
		if bits := public.N.BitLen(); bits < minSigningRSA {
			return fmt.Errorf("the RSA key has %d bits and needs %d", bits, minSigningRSA)
		}
		return nil
	}
	return errors.New("the key is neither RSA nor Ed25519")
}

// maxOccurrences bounds the list of one name, so that the list stays a line that may be sent.
const maxOccurrences = 3

// signedFields lists what is signed: each field once per occurrence, and those that must stand alone once more.
func signedFields(header map[string][]string) []string {
	var fields []string
	for _, name := range append(alone(), others()...) {
		times := min(len(header[strings.ToLower(name)]), maxOccurrences)
		if slices.Contains(alone(), name) && (times > 0 || !supplied(name)) {
			times++
		}
		for range times {
			fields = append(fields, name)
		}
	}
	return fields
}

// supplied tells whether mail servers add a field where it is missing (RFC 6409, section 8). QUIRK: Postfix does so for
// mail of its own network, and a signature over the absence of the field would break there.
func supplied(name string) bool { return name == "Date" || name == "Message-ID" }

// Limits of a header that is looked at.
const (
	maxHeader = 512 << 10 // bytes
	maxFields = 2000
)

// headerOf returns the fields' values by name in lower case, unfolded lines as they are.
func headerOf(message []byte) (map[string][]string, error) {
	end := bytes.Index(message, []byte("\r\n\r\n"))
	if end < 0 {
		end = len(message)
	}
	if end > maxHeader {
		return nil, errors.New("the header is too large")
	}
	header, name := map[string][]string{}, ""
	lines := strings.Split(string(message[:end]), "\n") // bare LF ends a line for the library too
	for _, line := range lines[:min(len(lines), maxFields)] {
		line = strings.TrimSuffix(line, "\r")
		if line == "" {
			break
		}
		if values := header[name]; line[0] == ' ' || line[0] == '\t' {
			if len(values) > 0 {
				values[len(values)-1] += line
			}
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		name = strings.ToLower(strings.TrimSpace(field))
		header[name] = append(header[name], value)
	}
	if len(lines) > maxFields {
		return nil, errors.New("the header has too many lines")
	}
	return header, nil
}
