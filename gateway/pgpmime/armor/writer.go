package armor

import (
	"encoding/base64"
	"errors"
	"io"
)

const (
	lineBytes = 48 // make a line
	lineChars = 64
	lineEnd   = "\r\n"
	lineSize  = lineChars + len(lineEnd)

	smallBuffer = 1 << 10
	largeBuffer = 8 << 10
)

// writer encodes into one buffer, which goes to w when it is full.
type writer struct {
	w         io.Writer
	blockType string
	text      []byte // encoded, waiting
	line      [lineBytes]byte
	held      int    // bytes of an incomplete line in line
	beginning []byte // of the object, up to its first packet's version
	tables    *crcTables
	crc       uint32
	closed    bool
	err       error
}

// NewWriter returns a writer that armors to w: CRLF, 64 characters a line, no armor headers. blockType is Message,
// Signature, PublicKey or PrivateKey. Close writes the END line and must be called; w is not closed. Nothing reaches w
// before the buffer of 8 KiB is full or Close is called. After an error of w the armor cannot be continued: each call
// returns the error again. The writer is not safe for concurrent use.
func NewWriter(w io.Writer, blockType string) io.WriteCloser {
	return &writer{w: w, blockType: blockType, crc: crcStart}
}

// Write implements io.Writer.
func (a *writer) Write(p []byte) (int, error) {
	if a.closed {
		return 0, errors.New("armor: write after close")
	}
	a.start(p)
	a.crc = a.tables.update(a.crc, p)
	left := p
	if a.held > 0 {
		n := copy(a.line[a.held:], p)
		a.held, left = a.held+n, p[n:]
		if a.held == lineBytes {
			a.lines(a.line[:])
			a.held = 0
		}
	}
	if a.held == 0 {
		whole := len(left) / lineBytes * lineBytes
		a.lines(left[:whole])
		a.held = copy(a.line[:], left[whole:])
	}
	if a.err != nil {
		return 0, a.err
	}
	return len(p), nil
}

// Close implements io.Closer. Closing again does nothing.
func (a *writer) Close() error {
	if a.closed {
		return a.err
	}
	a.start(nil)
	a.closed = true
	if a.held > 0 {
		a.room(lineSize)
		a.text = base64.StdEncoding.AppendEncode(a.text, a.line[:a.held])
		a.text = append(a.text, lineEnd...)
	}
	a.room(2 * lineSize)
	if !readerIsModern(a.beginning) {
		a.text = append(a.text, '=')
		a.text = base64.StdEncoding.AppendEncode(a.text, []byte{byte(a.crc >> 24), byte(a.crc >> 16), byte(a.crc >> 8)})
		a.text = append(a.text, lineEnd...)
	}
	a.text = append(a.text, end+a.blockType+dash+lineEnd...)
	a.flush()
	a.text, a.tables = nil, nil
	return a.err
}

// start begins the armor. An object that comes in one piece gets a buffer of its size.
func (a *writer) start(first []byte) {
	if a.text == nil {
		lines := len(first)/lineBytes + 5 // with BEGIN, the empty line, checksum, END
		a.text = make([]byte, 0, min(max(smallBuffer, lines*lineSize), largeBuffer))
		a.text = append(a.text, begin+a.blockType+dash+lineEnd+lineEnd...)
		a.tables = newCRCTables()
	}
	if missing := maxPacketHeader - len(a.beginning); missing > 0 {
		a.beginning = append(a.beginning, first[:min(missing, len(first))]...)
	}
}

// lines encodes whole lines.
func (a *writer) lines(p []byte) {
	for ; len(p) > 0 && a.err == nil; p = p[lineBytes:] {
		a.room(lineSize)
		at := len(a.text)
		a.text = a.text[:at+lineSize]
		base64.StdEncoding.Encode(a.text[at:], p[:lineBytes])
		a.text[at+lineChars], a.text[at+lineChars+1] = '\r', '\n'
	}
}

// room empties the buffer when n more characters do not fit. A buffer that was too small is not used again.
func (a *writer) room(n int) {
	if cap(a.text)-len(a.text) >= n {
		return
	}
	a.flush()
	if cap(a.text) < largeBuffer {
		a.text = make([]byte, 0, largeBuffer)
	}
}

func (a *writer) flush() {
	if a.err == nil {
		_, a.err = a.w.Write(a.text)
	}
	a.text = a.text[:0]
}

// maxPacketHeader is the tag, a length of five bytes, and the version.
const maxPacketHeader = 7

// readerIsModern tells from the first packet that only programs that follow RFC 9580 can read the object. They must not
// be given a checksum (section 6.1); older ones may ask for it.
func readerIsModern(object []byte) bool {
	version, ok := firstVersion(object)
	if !ok {
		return false
	}
	switch object[0] & 0x3F {
	case 1, 2, 4, 5, 6: // session key, signature, one-pass signature, secret key, certificate
		return version == 6
	case 18: // integrity protected data
		return version == 2
	}
	return false
}

// firstVersion is the version in the first packet of an object, the byte after the length (RFC 9580, section 4.2). In
// the older format of packets there is nothing modern.
func firstVersion(object []byte) (version byte, ok bool) {
	if len(object) < 2 || object[0]&0xC0 != 0xC0 {
		return 0, false
	}
	at := 2
	switch first := object[1]; {
	case first == 255:
		at = 6
	case first >= 192 && first < 224:
		at = 3
	}
	if len(object) <= at {
		return 0, false
	}
	return object[at], true
}
