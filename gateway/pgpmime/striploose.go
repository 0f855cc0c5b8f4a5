package pgpmime

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
)

// looseHeader follows a body line by line and knows what could be a header for anybody.
type looseHeader struct {
	open     bool // what comes next may be fields
	blocks   bool // an empty line is followed by more of them
	embeds   bool // the header after this one is a message's
	any      bool // there was a field since the last empty line
	typed    bool // the last field is a Content-Type
	told     bool // there was one in this header
	dropping bool // the last field is an imitation, and goes with its folded lines
}

// sees takes the beginning of a line.
func (h *looseHeader) sees(line []byte, imitates func(field) bool) {
	text := bytes.TrimRight(line, "\r\n")
	folded := len(text) > 0 && (text[0] == ' ' || text[0] == '\t')
	switch {
	case bytes.HasPrefix(text, []byte("--")):
		*h = looseHeader{open: true, embeds: true} // no type may mean a message: multipart/digest
	case len(bytes.TrimSpace(text)) == 0: // one before a header does not end it for everybody
		h.open = h.open && (h.embeds || !h.any || h.blocks)
		h.embeds = h.embeds && !h.any
		h.any, h.typed, h.told, h.dropping = false, false, false, false
	case folded && h.any:
		if h.typed {
			h.reads(line)
		}
	default:
		f := field{name: fieldName(line), raw: line}
		h.dropping, h.any = h.open && imitates(f), true
		if h.typed = h.open && f.name == "content-type"; h.typed {
			h.embeds, h.told = h.embeds && h.told, true // of several types anybody may take any
			h.reads(line)
		}
	}
}

// reads looks into a line of a Content-Type.
func (h *looseHeader) reads(line []byte) {
	v := strings.ToLower(string(line))
	h.embeds = h.embeds || strings.Contains(v, "message") || unclear(v)
	h.blocks = h.blocks || strings.Contains(v, "delivery-status") || unclear(v)
}

// unclear tells a Content-Type that some readers decode before they read it (RFC 2047 does not allow that).
func unclear(contentType string) bool { return strings.Contains(contentType, "=?") }

// loosely takes imitations out after every line that could be a delimiter for anybody, up to the next empty line, and
// in the header of every message that could be embedded. A bare CR is a line end too.
func (s *stripper) loosely(body Message, h looseHeader) Message {
	out := s.ws.sink()
	in := bufio.NewReaderSize(body.Reader(), longestLine)
	imitates := func(f field) bool { return s.imitates(f, false) }
	for middle := false; ; {
		l, err := looseLine(in)
		if err != nil {
			s.err = errors.Join(s.err, err)
			return Message{}
		}
		if len(l) == 0 {
			break
		}
		if !middle {
			h.sees(l, imitates)
		}
		if middle = l[len(l)-1] != '\r' && l[len(l)-1] != '\n'; !h.dropping {
			out.Write(l) //nolint:errcheck // remembered by the sink
		}
	}
	loose, err := out.message()
	s.err = errors.Join(s.err, err)
	return loose
}

// looseLine is the next line, ended by CRLF, LF or CR; of one that is very long only a part.
func looseLine(in *bufio.Reader) ([]byte, error) {
	for want := 512; ; want = min(2*want, longestLine) {
		b, err := in.Peek(want)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		i := bytes.IndexAny(b, "\r\n")
		switch {
		case i >= 0 && b[i] == '\r' && i+1 == len(b) && err == nil && want < longestLine: // LF may follow
			continue
		case i >= 0 && b[i] == '\r' && i+1 < len(b) && b[i+1] == '\n':
			return take(in, i+2)
		case i >= 0:
			return take(in, i+1)
		case err != nil || want == longestLine:
			return take(in, len(b))
		}
	}
}

// take reads n bytes that are in the buffer. They are valid until the next call.
func take(in *bufio.Reader, n int) ([]byte, error) {
	b, err := in.Peek(n)
	if err != nil {
		return nil, err
	}
	_, err = in.Discard(n)
	return b, err
}
