package submission

import "io"

// lineChecker passes bytes on and notes line ends that are not CRLF, and NULs: what one server takes for the end of a
// message another may not (SMTP smuggling). QUIRK: of CRLF "." CR the library has already dropped the dot and the CR
// unless LF follows, so those never arrive here.
type lineChecker struct {
	dst io.Writer
	cr  bool // the last byte was a CR
	bad bool
}

// Write implements io.Writer.
func (c *lineChecker) Write(p []byte) (int, error) {
	for _, b := range p {
		if b == 0 || (b == '\n') != c.cr {
			c.bad = true
		}
		c.cr = b == '\r'
	}
	return c.dst.Write(p)
}

// finish tells whether anything was wrong.
func (c *lineChecker) finish() (bad bool) { return c.bad || c.cr }
