package pgpmime

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// parser reads a message in one pass and cuts it at its delimiters (RFC 2046, section 5.1).
type parser struct {
	limits Limits
	in     *bufio.Reader
	at     int64 // of the next byte
	line   int64 // where the last line begins
	ended  int64 // bytes of the last line end
	middle bool  // the next bytes go on with a line that was too long to be read at once

	open  []string  // boundaries, outermost first; "" for one that was closed
	over  []*entity // the entities around the place, outermost first
	parts int
	loose bool // there is a loose entity: what is the end of another for us may not be it for everybody

	hit      int   // index in open of the delimiter that was met, or outside
	hitEnd   int64 // where what stands before it ends: the line end before a delimiter belongs to it
	isClosed bool
}

// outside is the hit at the end of the message.
const outside = -1

// longestLine is how much of a line is read at once. What is longer is no delimiter.
const longestLine = 4 << 10

// parse cuts a message. An overLimit says which limit it is over; any other error is one of reading.
func parse(m Message, l Limits) (*entity, error) {
	p := &parser{limits: l, in: bufio.NewReaderSize(m.Reader(), int(min(longestLine, m.Size()+1))), hit: outside}
	root, err := p.entity(1, "")
	if root != nil {
		root.loose = root.loose || p.loose
	}
	return root, err
}

// kind is what next has read.
type kind int

const (
	someLine kind = iota
	delimiter
	endOfMessage
)

// next reads a line, or a part of one that is very long.
func (p *parser) next() (line []byte, k kind, err error) {
	starts := !p.middle
	line, err = p.in.ReadSlice('\n')
	full := errors.Is(err, bufio.ErrBufferFull)
	if full && line[len(line)-1] == '\r' { // its line feed may follow
		if err := p.in.UnreadByte(); err != nil {
			return nil, endOfMessage, err
		}
		line = line[:len(line)-1]
	}
	if err != nil && !full && !errors.Is(err, io.EOF) {
		return nil, endOfMessage, err
	}
	if len(line) == 0 {
		p.hit, p.hitEnd = outside, p.at
		return nil, endOfMessage, nil
	}
	p.middle = full
	if starts && len(p.open) > 0 && bytes.HasPrefix(line, []byte("--")) {
		if level, closing := p.delimits(line, full); level >= 0 {
			p.hit, p.isClosed, p.hitEnd = level, closing, p.at-p.ended
			p.line, p.at, p.ended = p.at, p.at+int64(len(line)), lineEndOf(line)
			return line, delimiter, nil
		}
	}
	if starts {
		p.line = p.at
	}
	p.at += int64(len(line))
	p.note(line)
	return line, someLine, nil
}

// delimits tells which boundary a line delimits, the outermost first, and whether it is the last of its delimiters.
// Blanks may follow. A delimiter with very many blanks is one for some readers only.
func (p *parser) delimits(line []byte, full bool) (level int, closing bool) {
	rest := bytes.TrimRight(line[2:], " \t\r\n")
	for i, boundary := range p.open {
		after, ok := bytes.CutPrefix(rest, []byte(boundary))
		if boundary == "" || !ok || (len(after) > 0 && string(after) != "--") {
			continue
		}
		if full {
			p.over[len(p.over)-1].loose = true
			return -1, false
		}
		return i, len(after) > 0
	}
	return -1, false
}

// note marks the entities around a line that has a line end which not every reader knows.
func (p *parser) note(line []byte) {
	p.ended = lineEndOf(line)
	n := len(line) - int(p.ended)
	if p.ended == 1 {
		for i := len(p.over) - 1; i >= 0 && !p.over[i].bareLF; i-- {
			p.over[i].bareLF = true
		}
	}
	if bytes.IndexByte(line[:n], '\r') >= 0 {
		for i := len(p.over) - 1; i >= 0 && !p.over[i].bareCR; i-- {
			p.over[i].bareCR = true
		}
	}
}

// lineEndOf is how many bytes of line end a line has.
func lineEndOf(line []byte) int64 {
	switch {
	case bytes.HasSuffix(line, []byte(lineEnd)):
		return 2
	case bytes.HasSuffix(line, []byte("\n")):
		return 1
	}
	return 0
}

// entity reads one entity, up to a delimiter of an entity around it. missingType is the type of one that names none.
func (p *parser) entity(depth int, missingType string) (*entity, error) {
	if depth > p.limits.Depth {
		return nil, overLimit{"depth", fmt.Sprintf("it is nested more than %d levels deep", p.limits.Depth)}
	}
	if p.parts++; p.parts > p.limits.Parts {
		return nil, overLimit{"parts", fmt.Sprintf("it has more than %d parts", p.limits.Parts)}
	}
	e := &entity{start: p.at}
	more, err := p.header(e, missingType)
	if err != nil {
		return nil, err
	}
	if more {
		p.over = append(p.over, e)
		err = p.content(e, depth)
		p.over = p.over[:len(p.over)-1]
	}
	e.finish(p.hitEnd)
	p.loose = p.loose || e.loose
	return e, err
}

// header reads the header. It is false when a delimiter or the end came before the empty line.
func (p *parser) header(e *entity, missingType string) (more bool, err error) {
	var raw []byte
	for {
		line, k, err := p.next()
		if err != nil {
			return false, err
		}
		if k != someLine {
			e.body = e.start + int64(len(raw))
			e.read(raw[:max(0, min(p.hitEnd-e.start, int64(len(raw))))], missingType)
			return false, nil
		}
		if raw = append(raw, line...); len(raw) > p.limits.HeaderBytes {
			return false, overLimit{"header", fmt.Sprintf("a header is larger than %d bytes", p.limits.HeaderBytes)}
		}
		if emptyLine(line) && p.at-p.line == int64(len(line)) {
			e.body = p.at
			e.read(raw, missingType)
			return true, nil
		}
	}
}

// content reads the body.
func (p *parser) content(e *entity, depth int) error {
	switch {
	case strings.HasPrefix(e.mediaType, "multipart/") && e.boundary() != "":
		return p.multipart(e, depth)
	case embedded(e.mediaType, e.fields):
		inner, err := p.entity(depth+1, "")
		e.embedded = inner
		return err
	}
	return p.skip()
}

// skip reads up to the next delimiter of any entity around.
func (p *parser) skip() error {
	for {
		p.skipLines()
		if _, k, err := p.next(); err != nil || k != someLine {
			return err
		}
	}
}

// skipLines skips the lines in the buffer that are no delimiters for sure. It is for speed only: next would do the same.
func (p *parser) skipLines() {
	b, err := p.in.Peek(p.in.Buffered())
	if err != nil || p.middle || bytes.HasPrefix(b, []byte("--")) {
		return
	}
	b = b[:bytes.LastIndexByte(b, '\n')+1]
	if i := bytes.Index(b, []byte("\n--")); i >= 0 && len(p.open) > 0 {
		b = b[:i+1]
	}
	if len(b) == 0 {
		return
	}
	p.noteLines(b)
	p.at += int64(len(b))
	p.in.Discard(len(b)) //nolint:errcheck // it is in the buffer
}

// noteLines is note for whole lines.
func (p *parser) noteLines(b []byte) {
	p.ended = lineEndOf(b)
	if len(p.over) == 0 || (p.over[len(p.over)-1].bareLF && p.over[len(p.over)-1].bareCR) {
		return
	}
	crs, crlfs, bare := bytes.Count(b, []byte("\r")), 0, false
	for at := 0; at < len(b); at++ {
		at += bytes.IndexByte(b[at:], '\n')
		if at > 0 && b[at-1] == '\r' {
			crlfs++
		} else {
			bare = true
		}
	}
	for i := len(p.over) - 1; i >= 0 && (bare || crs > crlfs); i-- {
		p.over[i].bareLF = p.over[i].bareLF || bare
		p.over[i].bareCR = p.over[i].bareCR || crs > crlfs
	}
}

// multipart reads the parts, and what stands before and after them.
func (p *parser) multipart(e *entity, depth int) error {
	level := len(p.open)
	p.open = append(p.open, e.boundary())
	defer func() { p.open = p.open[:level] }()
	if err := p.skip(); err != nil {
		return err
	}
	missingType := ""
	if e.mediaType == "multipart/digest" { // RFC 2046, section 5.1.5
		missingType = "message/rfc822"
	}
	for p.hit == level && !p.isClosed {
		part, err := p.entity(depth+1, missingType)
		if err != nil {
			return err
		}
		e.parts = append(e.parts, part)
	}
	if p.hit != level {
		return nil
	}
	e.closed = true
	p.open[level] = ""
	if len(e.parts) == 0 { // a closing delimiter that closes nothing
		e.loose = true
	}
	return p.skip()
}
