package pgpmime

import "bytes"

// multipart is the body of a multipart entity, cut at its delimiters (RFC 2046, section 5.1) without changing a byte.
type multipart struct {
	body   []byte
	parts  []span
	closed bool // the closing delimiter was there
}

// span is a range of the body: a part without the line end that belongs to the delimiter after it.
type span struct{ start, end int }

func (m *multipart) part(i int) []byte { return m.body[m.parts[i].start:m.parts[i].end] }

// cut finds the parts. At most max of them are looked for.
func cut(body []byte, boundary string, max int) multipart {
	m := multipart{body: body}
	if boundary == "" {
		return m
	}
	delimiter := []byte("--" + boundary)
	open := -1
	for at := 0; at < len(body); {
		l := firstLine(body[at:])
		isDelimiter, closing := delimits(l, delimiter)
		if isDelimiter {
			if open >= 0 {
				m.parts = append(m.parts, span{open, beforeLineEnd(body, open, at)})
			}
			open = at + len(l)
			if closing || len(m.parts) >= max {
				m.closed = closing
				return m
			}
		}
		at += len(l)
	}
	if open >= 0 {
		m.parts = append(m.parts, span{open, len(body)})
	}
	return m
}

// delimits tells whether a line is a delimiter, and whether it is the closing one. Blanks may follow.
func delimits(l, delimiter []byte) (is, closing bool) {
	rest, ok := bytes.CutPrefix(l, delimiter)
	if !ok {
		return false, false
	}
	rest = bytes.TrimRight(rest, " \t\r\n")
	return len(rest) == 0 || string(rest) == "--", string(rest) == "--"
}

// beforeLineEnd returns end without the line end right before it, not going below start.
func beforeLineEnd(b []byte, start, end int) int {
	if end > start && b[end-1] == '\n' {
		end--
		if end > start && b[end-1] == '\r' {
			end--
		}
	}
	return end
}
