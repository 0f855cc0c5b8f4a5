package submission

import (
	"io"
	"strings"
)

// lineChecker passes bytes on and notes line ends that are not CRLF, and NULs: what one server takes for the end of a
// message another may not (SMTP smuggling).
type lineChecker struct {
	dst    io.Writer
	cr     bool // the last byte was a CR
	bad    bool
	failed error // writing failed, as opposed to reading
}

// Write implements io.Writer.
func (c *lineChecker) Write(p []byte) (int, error) {
	for _, b := range p {
		if b == 0 || (b == '\n') != c.cr {
			c.bad = true
		}
		c.cr = b == '\r'
	}
	n, err := c.dst.Write(p)
	c.failed = err
	return n, err
}

// finish tells whether anything was wrong.
func (c *lineChecker) finish() (bad bool) { return c.bad || c.cr }

// quoteLocalPart quotes a local part where RFC 5321, section 4.1.2 asks for it: the library hands it over unquoted.
func quoteLocalPart(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 0 || dotString(address[:at]) {
		return address
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range address[:at] {
		if r == '"' || r == '\\' {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	b.WriteByte('"')
	return b.String() + address[at:]
}

// dotString tells whether a local part needs no quotes. Non-ASCII is fine (RFC 6531).
func dotString(local string) bool {
	if local == "" || local[0] == '.' || local[len(local)-1] == '.' || strings.Contains(local, "..") {
		return false
	}
	return !strings.ContainsFunc(local, func(r rune) bool {
		return r <= ' ' || r == 0x7f || strings.ContainsRune("()<>[]:;@\\,\"", r)
	})
}
