package mailbox

import (
	"bytes"

	"github.com/emersion/go-imap/v2"
)

// frozen is a message with its MIME tree, which is cut when it is first asked for.
type frozen struct {
	bytes []byte
	tree  *part
}

func opened(message []byte) *frozen { return &frozen{bytes: message} }

func (m *frozen) root() *part {
	if m.tree == nil {
		m.tree = parseParts(m.bytes)
	}
	return m.tree
}

// section returns one BODY[] section, all of it cut from the message's bytes; a part that does not exist is empty.
// RFC 9051, section 6.4.5.1.
func (m *frozen) section(s *imap.FetchItemBodySection) []byte {
	if len(s.Part) == 0 {
		end, _ := headerEnd(m.bytes)
		return partial(cutWhole(m.bytes, m.bytes[:end], m.bytes[end:], s), s.Partial)
	}
	p := findPart(m.root(), s.Part)
	if p == nil {
		return nil
	}
	return partial(cutPart(p, s), s.Partial)
}

// binary is a part with its transfer encoding undone. RFC 9051, section 6.4.5.2; answered although not advertised.
func (m *frozen) binary(path []int) []byte {
	if len(path) == 0 {
		return m.bytes
	}
	p := findPart(m.root(), path)
	if p == nil {
		return nil
	}
	return decodedBody(p)
}

func cutWhole(all, header, body []byte, s *imap.FetchItemBodySection) []byte {
	switch s.Specifier {
	case imap.PartSpecifierHeader, imap.PartSpecifierMIME:
		return filterHeader(header, s)
	case imap.PartSpecifierText:
		return body
	}
	return all
}

// cutPart: HEADER and TEXT of a numbered part are those of the message that it holds.
func cutPart(p *part, s *imap.FetchItemBodySection) []byte {
	switch s.Specifier {
	case imap.PartSpecifierMIME:
		return p.header
	case imap.PartSpecifierHeader:
		if p.inner != nil {
			return filterHeader(p.inner.header, s)
		}
		return nil
	case imap.PartSpecifierText:
		if p.inner != nil {
			return p.inner.body
		}
		return nil
	}
	return p.body
}

// findPart walks a part number; nil when there is no such part.
func findPart(root *part, path []int) *part {
	p := member(root, path[0])
	for _, n := range path[1:] {
		switch {
		case p == nil:
			return nil
		case len(p.parts) > 0:
			p = member(p, n)
		case p.inner != nil:
			p = member(p.inner, n)
		default:
			return nil
		}
	}
	return p
}

// member returns part n of a message or multipart. Part 1 of a message that is no multipart is its body.
func member(p *part, n int) *part {
	switch {
	case len(p.parts) == 0 && n == 1:
		return p
	case n < 1 || n > len(p.parts):
		return nil
	}
	return p.parts[n-1]
}

// filterHeader applies HEADER.FIELDS and HEADER.FIELDS.NOT. A line that is no field belongs to none.
func filterHeader(header []byte, s *imap.FetchItemBodySection) []byte {
	if len(s.HeaderFields) == 0 && len(s.HeaderFieldsNot) == 0 {
		return header
	}
	var b bytes.Buffer
	for _, f := range headerFields(header) {
		wanted := containsFold(s.HeaderFields, f.name)
		if len(s.HeaderFieldsNot) > 0 {
			wanted = !containsFold(s.HeaderFieldsNot, f.name)
		}
		if wanted {
			b.Write(f.raw)
		}
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

func partial(b []byte, p *imap.SectionPartial) []byte {
	if p == nil {
		return b
	}
	if p.Offset < 0 || p.Size < 0 || p.Offset >= int64(len(b)) {
		return nil
	}
	b = b[p.Offset:]
	return b[:min(p.Size, int64(len(b)))]
}
