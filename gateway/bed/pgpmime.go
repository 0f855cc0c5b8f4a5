package bed

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"mime"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// PGPMIME returns an RFC 3156 message that gpg signed and/or encrypted: headers are the outer header lines, body a MIME
// entity with its own Content-Type. sign is a user ID or "", to are recipients or none. Line ends become CRLF.
func (g *GPG) PGPMIME(t testing.TB, headers string, body []byte, sign string, to ...string) []byte {
	t.Helper()
	outer := crlf([]byte(strings.TrimRight(headers, "\r\n") + "\nMIME-Version: 1.0\n"))
	entity := crlf(body)
	switch {
	case len(to) > 0:
		return append(outer, g.encrypted(t, entity, sign, to)...)
	case sign != "":
		return append(outer, g.signed(t, entity, sign)...)
	}
	return append(outer, entity...)
}

// encrypted is RFC 3156, section 4, and with a signature inside section 6.2: both in one OpenPGP message.
func (g *GPG) encrypted(t testing.TB, entity []byte, sign string, to []string) []byte {
	t.Helper()
	args := []string{"--armor", "--digest-algo", "SHA256", "--encrypt"}
	for _, recipient := range to {
		args = append(args, "--recipient", recipient)
	}
	if sign != "" {
		args = append(args, "--local-user", sign, "--sign")
	}
	armored, _ := g.Run(t, entity, args...)
	return encryptedParts(armored)
}

func encryptedParts(armored []byte) []byte {
	return multipart("multipart/encrypted; protocol=\"application/pgp-encrypted\"",
		[]byte("Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n"),
		append([]byte("Content-Type: application/octet-stream; name=\"encrypted.asc\"\r\n\r\n"), crlf(armored)...))
}

// signed is RFC 3156, section 5: the signature covers the entity with CRLF line ends, without the last one.
func (g *GPG) signed(t testing.TB, entity []byte, sign string) []byte {
	t.Helper()
	armored, _ := g.Run(t, entity, "--armor", "--textmode", "--digest-algo", "SHA256", "--local-user", sign, "--detach-sign")
	return signedParts("sha256", entity, armored)
}

func signedParts(hash string, entity, armored []byte) []byte {
	return multipart("multipart/signed; micalg=pgp-"+hash+"; protocol=\"application/pgp-signature\"", entity,
		append([]byte("Content-Type: application/pgp-signature; name=\"signature.asc\"\r\n\r\n"), crlf(armored)...))
}

func multipart(contentType string, parts ...[]byte) []byte {
	boundary := "bed-" + rand.Text()
	var b bytes.Buffer
	fmt.Fprintf(&b, "Content-Type: %s;\r\n boundary=\"%s\"\r\n\r\n", contentType, boundary)
	for _, part := range parts {
		// RFC 2046, section 5.1.1: the line end before a delimiter belongs to the delimiter.
		fmt.Fprintf(&b, "--%s\r\n%s\r\n", boundary, part)
	}
	fmt.Fprintf(&b, "--%s--\r\n", boundary)
	return b.Bytes()
}

// Read opens an RFC 3156 message with gpg alone and returns the inner MIME entity and gpg's status lines. A signature
// inside the encryption may be in the OpenPGP message or a multipart/signed of its own. Line ends are CRLF. It fails
// the test unless gpg accepted everything and the message is PGP/MIME.
func (g *GPG) Read(t testing.TB, message []byte) (entity []byte, status string) {
	t.Helper()
	kind, parts := split(t, crlf(message))
	switch kind {
	case "multipart/encrypted":
		if len(parts) != 2 {
			t.Fatalf("multipart/encrypted has %d parts, not 2", len(parts))
		}
		_, armored, _ := bytes.Cut(parts[1], []byte("\r\n\r\n"))
		plain, status := g.Run(t, armored, "--decrypt")
		entity = crlf(plain)
		if inner, _ := contentType(entity); inner == "multipart/signed" {
			signed, more := g.verify(t, entity)
			return signed, status + more
		}
		return entity, status
	case "multipart/signed":
		return g.verify(t, crlf(message))
	}
	t.Fatalf("the message is %q, not PGP/MIME", kind)
	return nil, ""
}

func (g *GPG) verify(t testing.TB, message []byte) (entity []byte, status string) {
	t.Helper()
	_, parts := split(t, message)
	if len(parts) != 2 {
		t.Fatalf("multipart/signed has %d parts, not 2", len(parts))
	}
	_, armored, _ := bytes.Cut(parts[1], []byte("\r\n\r\n"))
	signature := filepath.Join(g.Home, "signature.asc")
	if err := os.WriteFile(signature, armored, 0o600); err != nil {
		t.Fatalf("write signature: %v", err)
	}
	_, status = g.Run(t, parts[0], "--verify", signature, "-")
	return parts[0], status
}

// split returns the media type of a message and, of a multipart, the exact bytes of its parts.
func split(t testing.TB, message []byte) (kind string, parts [][]byte) {
	t.Helper()
	kind, parts, err := partsOf(message)
	if err != nil {
		t.Fatal(err)
	}
	return kind, parts
}

// partsOf is split for what may fail.
func partsOf(message []byte) (kind string, parts [][]byte, err error) {
	kind, boundary := contentType(message)
	if !strings.HasPrefix(kind, "multipart/") {
		return kind, nil, nil
	}
	pieces := bytes.Split(append([]byte("\r\n"), message...), []byte("\r\n--"+boundary))
	for _, piece := range pieces[1:] {
		if bytes.HasPrefix(piece, []byte("--")) {
			return kind, parts, nil
		}
		_, part, found := bytes.Cut(piece, []byte("\r\n"))
		if !found {
			break
		}
		parts = append(parts, part)
	}
	return "", nil, fmt.Errorf("%s without a closing delimiter", kind)
}

func contentType(message []byte) (kind, boundary string) {
	m, err := mail.ReadMessage(bytes.NewReader(message))
	if err != nil {
		return "", ""
	}
	kind, parameters, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		return "", ""
	}
	return kind, parameters["boundary"]
}

// crlf gives every line the line end of the wire.
func crlf(text []byte) []byte {
	return bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
}
