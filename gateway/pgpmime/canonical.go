package pgpmime

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"mime/quotedprintable"
	"strings"
)

// lineEnd ends every line of mail.
const lineEnd = "\r\n"

// maxLine is the longest line that every server passes on unchanged (RFC 5322, section 2.1.1).
const maxLine = 998

// sevenBit writes an entity so that no server on the way has a reason to touch it (RFC 3156, section 3): 7-bit, CRLF,
// no long lines, no trailing blanks, no line that begins with "From ". What already is so stays as it is. The header is
// that of fields. Another sender's signed entity that is safe already is not touched at all: its signature is to stay
// what it is.
func sevenBit(w io.Writer, e placed, fields []field) error {
	fields, err := asciiFields(fields)
	if err != nil {
		return err
	}
	if len(named(fields, "content-type")) > 1 {
		return fmt.Errorf("%w: a part has more than one Content-Type", ErrMalformed)
	}
	if e.mediaType == "multipart/signed" {
		untouched, err := isSafe(e.text())
		if err != nil {
			return err
		}
		if untouched {
			return writeText(w, fields, e.text())
		}
	}
	switch {
	case strings.HasPrefix(e.mediaType, "multipart/"):
		return sevenBitMultipart(w, e, fields)
	case e.embedded != nil:
		if err := writeHeader(w, encoded(fields, "7bit")); err != nil {
			return err
		}
		inner := placed{e.source, e.embedded}
		return sevenBit(w, inner, inner.fields)
	}
	return sevenBitLeaf(w, e.text(), fields, transferEncoding(fields), strings.HasPrefix(e.mediaType, "text/"))
}

func writeHeader(w io.Writer, fields []field) error {
	_, err := w.Write(join(fields, []byte(lineEnd), nil))
	return err
}

// textBody is a body that is read with CRLF line ends.
type textBody struct {
	Message
	bareLF bool // it has other ones
}

// text is the body of an entity.
func (p placed) text() textBody { return textBody{p.content(), p.bareLF} }

// lines reads the text.
func (t textBody) lines() io.Reader {
	if t.bareLF {
		return canonicalLines(t.Reader())
	}
	return t.Reader()
}

// writeText writes an entity as it is, with CRLF.
func writeText(w io.Writer, fields []field, body textBody) error {
	err := writeHeader(w, fields)
	switch {
	case err != nil:
	case body.bareLF:
		_, err = copyTo(w, body.lines())
	default:
		_, err = body.WriteTo(w)
	}
	return err
}

// copyTo copies with a buffer that does not grow with what is copied.
func copyTo(w io.Writer, r io.Reader) (int64, error) {
	return io.CopyBuffer(onlyWriter{w}, onlyReader{r}, make([]byte, copyBuffer))
}

// onlyReader and onlyWriter hide other methods, so that the buffer of a copy is used.
type (
	onlyReader struct{ io.Reader }
	onlyWriter struct{ io.Writer }
)

// sevenBitMultipart writes the parts. Preamble and epilogue, which no reader shows, are dropped.
func sevenBitMultipart(w io.Writer, e placed, fields []field) error {
	if len(e.parts) == 0 {
		return fmt.Errorf("%w: a multipart has no parts", ErrMalformed)
	}
	boundary := e.params["boundary"]
	if boundary != strings.TrimRight(boundary, " ") || len(boundary) > maxBoundary {
		return fmt.Errorf("%w: a multipart has a boundary that is not allowed", ErrMalformed)
	}
	if err := writeHeader(w, encoded(fields, "7bit")); err != nil {
		return err
	}
	for i := range e.parts {
		if _, err := fmt.Fprintf(w, "--%s\r\n", boundary); err != nil {
			return err
		}
		if err := sevenBit(w, e.part(i), e.parts[i].fields); err != nil {
			return err
		}
		if _, err := io.WriteString(w, lineEnd); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "--%s--\r\n", boundary)
	return err
}

// maxBoundary is how long a boundary may be. RFC 2046, section 5.1.1 says 70 characters, some senders say more.
const maxBoundary = 200

// sevenBitLeaf keeps a body that is safe as it is and encodes any other: text as quoted-printable, the rest as base64.
func sevenBitLeaf(w io.Writer, body textBody, fields []field, encoding string, isText bool) error {
	isEncoded := encoding == "base64" || encoding == "quoted-printable"
	untouched, err := isSafe(body)
	switch {
	case err != nil:
		return err
	case untouched && isEncoded:
		return writeText(w, fields, body)
	case untouched:
		return writeText(w, encoded(fields, "7bit"), body)
	case isText:
		return writeQuotedPrintable(w, fields, decoded(encoding, body.lines()))
	}
	if encoding == "binary" {
		return writeBase64(w, fields, body.Reader())
	}
	return writeBase64(w, fields, decoded(encoding, body.lines()))
}

func writeQuotedPrintable(w io.Writer, fields []field, text io.Reader) error {
	if err := writeHeader(w, encoded(fields, "quoted-printable")); err != nil {
		return err
	}
	lines := &safeStarts{w: w}
	q := quotedprintable.NewWriter(lines)
	if _, err := copyTo(q, tolerant{text}); err != nil {
		return err
	}
	return errors.Join(q.Close(), lines.Close())
}

func writeBase64(w io.Writer, fields []field, content io.Reader) error {
	if err := writeHeader(w, encoded(fields, "base64")); err != nil {
		return err
	}
	b := newBase64Writer(w)
	if _, err := copyTo(b, tolerant{content}); err != nil {
		return err
	}
	return b.Close()
}

// tolerant ends where a transfer encoding is damaged: what was decoded before is of use. Errors of the spool stay.
type tolerant struct{ r io.Reader }

func (t tolerant) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	if err != nil && !errors.Is(err, errSpool) {
		err = io.EOF
	}
	return n, err
}

// isSafe tells whether a body passes any server unchanged once its line ends are CRLF.
func isSafe(body textBody) (bool, error) {
	in := bufio.NewReaderSize(body.lines(), 4<<10)
	for {
		l, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return false, nil
		case err != nil && !errors.Is(err, io.EOF):
			return false, err
		case len(l) == 0:
			return true, nil
		case !safeLine(l):
			return false, nil
		}
	}
}

// safe is isSafe for a body in memory with CRLF line ends.
func safe(body []byte) bool {
	for len(body) > 0 {
		l := firstLine(body)
		if body = body[len(l):]; !safeLine(l) {
			return false
		}
	}
	return true
}

func safeLine(l []byte) bool {
	l = bytes.TrimSuffix(l, []byte(lineEnd))
	n := len(l)
	switch {
	case n == 0:
		return true
	case n > maxLine, bytes.HasPrefix(l, []byte("From ")), n == 1 && l[0] == '.', l[n-1] == ' ', l[n-1] == '\t':
		return false
	}
	return !eightBit(l) && bytes.IndexByte(l, 0) < 0 && bytes.IndexByte(l, '\r') < 0 && bytes.IndexByte(l, '\n') < 0
}

// eightBit tells whether there is a byte above 127, eight at a time.
func eightBit(b []byte) bool {
	for len(b) >= 8 {
		if binary.LittleEndian.Uint64(b)&0x8080808080808080 != 0 {
			return true
		}
		b = b[8:]
	}
	for _, c := range b {
		if c >= 0x80 {
			return true
		}
	}
	return false
}

// safeStarts encodes the beginnings "From " and "." of quoted-printable lines, which servers on the way like to change.
type safeStarts struct {
	w    io.Writer
	line []byte
}

func (s *safeStarts) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		l := firstLine(rest)
		rest = rest[len(l):]
		if s.line = append(s.line, l...); l[len(l)-1] != '\n' {
			break
		}
		if err := s.flush(); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

func (s *safeStarts) flush() error {
	l := s.line
	switch {
	case bytes.HasPrefix(l, []byte("From ")):
		l = append([]byte("=46"), l[1:]...)
	case string(bytes.TrimRight(l, "\r\n")) == ".":
		l = append([]byte("=2E"), l[1:]...)
	}
	_, err := s.w.Write(l)
	s.line = s.line[:0]
	return err
}

// Close writes a last line without a line end.
func (s *safeStarts) Close() error { return s.flush() }

// base64Width is the length of an encoded line (RFC 2045, section 6.8).
const base64Width = 76

// newBase64Writer encodes into lines with CRLF. Close ends the last line.
func newBase64Writer(w io.Writer) io.WriteCloser {
	lines := &widthWriter{w: bufio.NewWriterSize(w, 8<<10)}
	return base64Writer{base64.NewEncoder(base64.StdEncoding, lines), lines}
}

type base64Writer struct {
	io.WriteCloser
	lines *widthWriter
}

func (b base64Writer) Close() error { return errors.Join(b.WriteCloser.Close(), b.lines.end()) }

// widthWriter breaks lines.
type widthWriter struct {
	w      *bufio.Writer
	column int
}

func (l *widthWriter) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		n := min(len(rest), base64Width-l.column)
		if _, err := l.w.Write(rest[:n]); err != nil {
			return 0, err
		}
		rest = rest[n:]
		if l.column += n; l.column == base64Width {
			if _, err := l.w.WriteString(lineEnd); err != nil {
				return 0, err
			}
			l.column = 0
		}
	}
	return len(p), nil
}

func (l *widthWriter) end() error {
	if l.column > 0 {
		if _, err := l.w.WriteString(lineEnd); err != nil {
			return err
		}
	}
	return l.w.Flush()
}

// encoded sets the Content-Transfer-Encoding; 7bit is what nothing means.
func encoded(fields []field, encoding string) []field {
	out := make([]field, 0, len(fields)+1)
	for _, f := range fields {
		if f.name != "content-transfer-encoding" {
			out = append(out, f)
		}
	}
	if encoding == "7bit" {
		return out
	}
	return append(out, line("Content-Transfer-Encoding", encoding))
}
