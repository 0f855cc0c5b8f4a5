package pgpmime_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/pgpmime"
)

// TestSevenBit: what readers see is the same before and after, and nothing is left that a server may change.
func TestSevenBit(t *testing.T) {
	const head = "From: Support <support@desk.test>\r\nTo: a@customer.test\r\nSubject: s\r\nMIME-Version: 1.0\r\n"
	for name, message := range map[string]string{
		"text":      head + "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße, 5 = five.\r\nFrom here\r\n",
		"subject":   strings.Replace(head, "Subject: s", "Subject: Grüße", 1) + "\r\nhello\r\n",
		"a file":    head + "Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: binary\r\n\r\n\x00\xff\r\n",
		"long line": head + "\r\n" + strings.Repeat("word ", 300) + "\r\n",
		"parts": head + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>für</p>\r\n" +
			"--b\r\nContent-Type: text/plain\r\n\r\nplain\r\n--b--\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			written, err := pgpmime.SevenBit([]byte(message))
			if err != nil {
				t.Fatal(err)
			}
			for line := range bytes.Lines(written) {
				if len(line) > 1000 || bytes.ContainsFunc(line, func(r rune) bool { return r >= 0x80 || r == 0 }) {
					t.Errorf("a server may change %q", line)
				}
			}
			if before, after := fmt.Sprintf("%q", pgpmime.Look([]byte(message))), fmt.Sprintf("%q", pgpmime.Look(written)); before != after {
				t.Errorf("before\n%s\nafter\n%s", before, after)
			}
		})
	}
	for _, kept := range []string{
		head + "\r\nhello \r\n",
		head + "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=b\r\n\r\n--b\r\n\r\nfür\r\n--b\r\n" +
			"Content-Type: application/pkcs7-signature\r\n\r\nAA==\r\n--b--\r\n",
	} {
		if written, err := pgpmime.SevenBit([]byte(kept)); err != nil || string(written) != kept {
			t.Errorf("it became %q (%v)", written, err)
		}
	}
	if _, err := pgpmime.SevenBit([]byte(head + "Content-Type: multipart/mixed; boundary=b\r\n\r\nfür\r\n")); !errors.Is(err, pgpmime.ErrMalformed) {
		t.Errorf("a multipart without parts: %v", err)
	}
}
