package mailbox

import (
	"bytes"
	"fmt"
)

// noticeFields are the header fields of an oversize message that its notice keeps: enough to find the customer and
// the ticket.
func noticeFields() []string {
	return []string{"From", "To", "Cc", "Date", "Subject", "Message-ID", "In-Reply-To", "References"}
}

// oversizeNotice is what arrives in the place of a message that is too large. The same input makes the same bytes, so
// that the notice is recognised like any message.
func oversizeNotice(header []byte, size, limit int64, folder string) []byte {
	var b bytes.Buffer
	for _, f := range headerFields(header) {
		if containsFold(noticeFields(), f.name) {
			b.Write(withCRLF(f.raw))
		}
	}
	b.WriteString("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n")
	fmt.Fprintf(&b, "This message is larger (%d bytes) than Sealgate fetches (%d bytes), so that only this notice is shown.\r\n", size, limit)
	fmt.Fprintf(&b, "The message itself is untouched in the folder %s of the upstream mailbox.\r\n", printable(folder))
	b.WriteString("Read it there, or ask the administrator to raise the limit for new messages.\r\n")
	return b.Bytes()
}

// withCRLF ends every line of a header field as RFC 5322 wants it.
func withCRLF(raw []byte) []byte {
	lines := bytes.Split(bytes.TrimRight(raw, "\r\n"), []byte("\n"))
	for i := range lines {
		lines[i] = bytes.Trim(lines[i], "\r")
	}
	return append(bytes.Join(lines, []byte("\r\n")), "\r\n"...)
}

func printable(s string) string {
	return string(bytes.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, []byte(s)))
}
