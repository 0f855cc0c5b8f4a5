package armor

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
)

// The limits of reading. RFC 9580 knows lines of up to 76 characters and a few armor headers.
const (
	maxLine        = 4 << 10 // characters in a line between BEGIN and END
	maxHeaders     = 100
	maxHeaderBytes = 16 << 10
	readBuffer     = 8 << 10
)

// Reader reads the object in one armor. It is not safe for concurrent use.
type Reader struct {
	in        *bufio.Reader
	values    *values
	blockType string
	buffer    []byte  // decoded
	plain     []byte  // the part of buffer that was not read yet
	quantum   [4]byte // the beginning of four characters that go on in the next line
	held      int
	last      bool // padding or checksum was seen: only END may follow
	err       error
}

// NewReader looks for the first line of r that is exactly a BEGIN line of a known type, however much text stands before
// it, and skips the armor headers: ErrNoBlock when there is none, ErrCorrupt when there are more than 100 armor headers
// or 16 KiB of them, io.ErrUnexpectedEOF when r ends there, and errors of r as they are. A *bufio.Reader with a buffer of
// 8 KiB or more is read directly.
func NewReader(r io.Reader) (*Reader, error) {
	a := &Reader{in: bufio.NewReaderSize(r, readBuffer), values: newValues()}
	if err := a.findBegin(); err != nil {
		return nil, err
	}
	if a.blockType == SignedMessage {
		a.err = fmt.Errorf("%w: a text with a signature stands in its place", ErrCorrupt)
		return a, nil
	}
	if err := a.skipHeaders(); err != nil {
		return nil, err
	}
	return a, nil
}

// Type is the type that the BEGIN line names. Of a SignedMessage nothing can be read.
func (a *Reader) Type() string { return a.blockType }

// Read implements io.Reader. It returns io.EOF after the END line, io.ErrUnexpectedEOF when the source ends before it,
// ErrCorrupt for what is not base64, a line of more than 4 KiB, or an END line of another type, and errors of the source
// as they are. A wrong checksum is not an error (RFC 9580, section 6.1). After an error no more can be read.
func (a *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(a.plain) == 0 && a.err == nil {
		a.fill()
	}
	if len(a.plain) == 0 {
		return 0, a.err
	}
	n := copy(p, a.plain)
	a.plain = a.plain[n:]
	return n, nil
}

// Rest is what follows the END line. It is of use after Read returned io.EOF: of the source no more was read than fits
// into the buffer. After NewReader of a SignedMessage it is what follows the BEGIN line.
func (a *Reader) Rest() io.Reader { return a.in }

// findBegin reads up to and with the BEGIN line.
func (a *Reader) findBegin() error {
	for whole := true; ; { // whether a line begins here
		line, err := a.in.ReadSlice('\n')
		if t, ok := knownType(trim(line)); ok && whole && !errors.Is(err, bufio.ErrBufferFull) {
			a.blockType = t
			return nil
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			whole = false
		case errors.Is(err, io.EOF):
			return ErrNoBlock
		case err != nil:
			return err
		default:
			whole = true
		}
	}
}

// skipHeaders reads the armor headers, which are not for us, and the empty line. Some programs leave the empty line out:
// no armor header looks like base64.
func (a *Reader) skipHeaders() error {
	for count, size := 0, 0; count <= maxHeaders && size <= maxHeaderBytes; count++ {
		line, err := a.line()
		if err != nil {
			return err
		}
		if len(line) == 0 {
			return nil
		}
		if bytes.HasPrefix(line, []byte(dash)) || a.looksLikeData(line) {
			a.body(line)
			a.plain = a.buffer
			return nil
		}
		size += len(line)
	}
	return fmt.Errorf("%w: too many armor headers", ErrCorrupt)
}

// looksLikeData tells a line of base64 from an armor header, which has a colon, and from the second line of one that a
// mail program broke.
func (a *Reader) looksLikeData(line []byte) bool {
	if len(line)%4 != 0 {
		return false
	}
	for _, c := range bytes.TrimRight(line, "=") {
		if a.values[c] == notBase64 {
			return false
		}
	}
	return true
}

// fill decodes what the source has at hand, and waits for it only when that is nothing.
func (a *Reader) fill() {
	a.buffer = a.buffer[:0]
	for a.err == nil {
		a.usual()
		if full := len(a.buffer)+maxLine > readBuffer; full || len(a.buffer) > 0 && a.in.Buffered() == 0 {
			break
		}
		if line, err := a.line(); err != nil {
			a.err = err
		} else {
			a.body(line)
		}
	}
	a.plain = a.buffer
}

// usual decodes in one go what is at hand of lines as programs write them.
func (a *Reader) usual() {
	text, err := a.in.Peek(a.in.Buffered())
	if err != nil || a.held > 0 || a.last {
		return
	}
	at := len(a.buffer)
	a.buffer = slices.Grow(a.buffer, min(len(text), readBuffer-at))
	taken, written := a.values.lines(a.buffer[at:cap(a.buffer)], text)
	a.buffer = a.buffer[:at+written]
	_, a.err = a.in.Discard(taken)
}

// line is the next line without its end and the blanks around it. It is good until the next call.
func (a *Reader) line() ([]byte, error) {
	line, err := a.in.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull) || len(line) > maxLine:
		return nil, fmt.Errorf("%w: a line is too long", ErrCorrupt)
	case errors.Is(err, io.EOF) && len(line) > 0: // END need not end its line
		return trim(line), nil
	case errors.Is(err, io.EOF):
		return nil, io.ErrUnexpectedEOF
	case err != nil:
		return nil, err
	}
	return trim(line), nil
}

// trim leaves out blanks and the line end. Most lines have none but CRLF.
func trim(line []byte) []byte {
	for len(line) > 0 && isBlank(line[len(line)-1]) {
		line = line[:len(line)-1]
	}
	for len(line) > 0 && isBlank(line[0]) {
		line = line[1:]
	}
	return line
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// body takes one line after the armor headers.
func (a *Reader) body(line []byte) {
	switch {
	case len(line) == 0:
	case line[0] == '-':
		a.atEnd(line)
	case line[0] == '=' && a.held == 0: // the checksum, which must not be asked for, nor believed (section 6.1)
		a.last = true
	case a.last:
		a.err = fmt.Errorf("%w: data after the end of data", ErrCorrupt)
	default:
		a.data(line)
	}
}

func (a *Reader) atEnd(line []byte) {
	switch {
	case string(line) != end+a.blockType+dash:
		a.err = fmt.Errorf("%w: another line stands in the place of END", ErrCorrupt)
	case a.held > 0:
		a.err = fmt.Errorf("%w: the last characters are missing", ErrCorrupt)
	default:
		a.err = io.EOF
	}
}

// data decodes a line, whose length need not be a multiple of four.
func (a *Reader) data(line []byte) {
	if a.held > 0 {
		n := copy(a.quantum[a.held:], line)
		a.held, line = a.held+n, line[n:]
		if a.held < len(a.quantum) {
			return
		}
		a.held = 0
		a.decode(a.quantum[:])
	}
	whole := len(line) &^ 3
	a.decode(line[:whole])
	a.held = copy(a.quantum[:], line[whole:])
}

// decode appends what whole quanta of four characters mean.
func (a *Reader) decode(chars []byte) {
	if len(chars) == 0 || a.err != nil {
		return
	}
	if a.last || bytes.IndexByte(chars, '\r') >= 0 { // which the decoder would leave out
		a.err = ErrCorrupt
		return
	}
	at := len(a.buffer)
	a.buffer = slices.Grow(a.buffer, max(len(chars), smallBuffer))
	n, err := base64.StdEncoding.Decode(a.buffer[at:cap(a.buffer)], chars)
	if err != nil {
		a.err = fmt.Errorf("%w: a character is not of base64", ErrCorrupt)
		return
	}
	a.buffer = a.buffer[:at+n]
	a.last = chars[len(chars)-1] == '='
}
