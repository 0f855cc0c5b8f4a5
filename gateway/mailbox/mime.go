package mailbox

import (
	"bytes"
	"mime"
	"strings"
)

// Limits of the MIME tree. What lies deeper or behind is shown as one part without children.
const (
	maxDepth = 50
	maxParts = 1000
)

// part is one node of a message's MIME tree. header and body are slices of the message itself: nothing is decoded or
// written anew, so that every section and every size comes from the same bytes.
type part struct {
	header []byte // with the blank line
	body   []byte
	kind   string // media type in lower case, such as text/plain
	params map[string]string
	parts  []*part // of a multipart; never empty then
	inner  *part   // of a message/rfc822
	bounds bool    // cut off by a limit
}

// parseParts cuts a message into its tree. It never fails: what is no MIME is text.
func parseParts(message []byte) *part {
	c := cutter{left: maxParts}
	return c.cut(message, "text/plain", 0)
}

type cutter struct{ left int }

func (c *cutter) cut(entity []byte, defaultKind string, depth int) *part {
	c.left--
	end, _ := headerEnd(entity)
	p := &part{header: entity[:end], body: entity[end:]}
	p.kind, p.params = contentType(p.header, defaultKind)
	composite := strings.HasPrefix(p.kind, "multipart/") || p.kind == "message/rfc822" || p.kind == "message/global"
	switch {
	case composite && (depth >= maxDepth || c.left <= 0):
		p.bounds = true
	case strings.HasPrefix(p.kind, "multipart/"):
		c.cutMultipart(p, depth)
	case composite && !encoded(p.header):
		p.inner = c.cut(p.body, "text/plain", depth+1)
	}
	return p
}

// cutMultipart finds the parts of p. RFC 2046, section 5.1.5: in a digest they are messages unless they say otherwise.
func (c *cutter) cutMultipart(p *part, depth int) {
	defaultKind := "text/plain"
	if p.kind == "multipart/digest" {
		defaultKind = "message/rfc822"
	}
	for _, entity := range splitMultipart(p.body, p.params["boundary"], c.left) {
		if c.left <= 0 {
			break
		}
		p.parts = append(p.parts, c.cut(entity, defaultKind, depth+1))
	}
	if len(p.parts) == 0 {
		// As Dovecot does: IMAP knows no multipart without parts.
		p.parts = []*part{{kind: "text/plain"}}
	}
}

// splitMultipart returns the entities between the delimiter lines. RFC 2046, section 5.1.1: the line break before a
// delimiter belongs to the delimiter. A missing close delimiter ends with the body.
func splitMultipart(body []byte, boundary string, limit int) [][]byte {
	if boundary == "" {
		return nil
	}
	var entities [][]byte
	delimiter := []byte("--" + boundary)
	start := -1 // of the entity that is open
	for at := 0; at <= len(body); {
		line, next := lineAt(body, at)
		if rest, ok := bytes.CutPrefix(line, delimiter); ok {
			last := bytes.HasPrefix(rest, []byte("--"))
			if last || len(bytes.Trim(rest, " \t")) == 0 {
				if start >= 0 {
					entities = append(entities, body[start:beforeBreak(body, start, at)])
				}
				if last || len(entities) >= limit {
					return entities
				}
				start = next
			}
		}
		if next <= at {
			break
		}
		at = next
	}
	if start >= 0 && start <= len(body) {
		entities = append(entities, body[start:])
	}
	return entities
}

// lineAt returns the line that begins at a position, without its line break, and where the next one begins.
func lineAt(b []byte, at int) (line []byte, next int) {
	if at >= len(b) {
		return nil, at
	}
	n := bytes.IndexByte(b[at:], '\n')
	if n < 0 {
		return b[at:], len(b)
	}
	return bytes.TrimSuffix(b[at:at+n], []byte("\r")), at + n + 1
}

func beforeBreak(b []byte, start, at int) int {
	end := at
	if end > start && b[end-1] == '\n' {
		end--
		if end > start && b[end-1] == '\r' {
			end--
		}
	}
	return end
}

// headerEnd returns where the header with its blank line ends, and whether there is a blank line at all; without one
// everything is header.
func headerEnd(b []byte) (int, bool) {
	for at := 0; at < len(b); {
		n := bytes.IndexByte(b[at:], '\n')
		if n < 0 {
			return len(b), false
		}
		if n == 0 || n == 1 && b[at] == '\r' {
			return at + n + 1, true
		}
		at += n + 1
	}
	return len(b), false
}

// field is one header field with its continuation lines and line breaks.
type field struct {
	name string // as written, "" when the line is no header field
	raw  []byte
}

// value is the field body in one line.
func (f field) value() string {
	_, v, _ := bytes.Cut(f.raw, []byte(":"))
	v = bytes.ReplaceAll(bytes.ReplaceAll(v, []byte("\r"), nil), []byte("\n"), nil)
	return strings.Trim(string(v), " \t")
}

// headerFields cuts a header into its fields. A line that is no field stands alone, so that one broken line takes no
// neighbour with it.
func headerFields(header []byte) []field {
	var fields []field
	for at := 0; at < len(header); {
		line, next := lineAt(header, at)
		if len(line) == 0 {
			break
		}
		folded := (line[0] == ' ' || line[0] == '\t') && len(fields) > 0
		if folded {
			last := &fields[len(fields)-1]
			last.raw = header[at-len(last.raw) : next]
		} else {
			fields = append(fields, field{name: fieldName(line), raw: header[at:next]})
		}
		at = next
	}
	return fields
}

// fieldName returns what stands before the colon. RFC 5322, section 2.2: printable ASCII; blanks before the colon are
// obsolete but seen.
func fieldName(line []byte) string {
	name, _, found := bytes.Cut(line, []byte(":"))
	name = bytes.TrimRight(name, " \t")
	if !found || len(name) == 0 {
		return ""
	}
	for _, c := range name {
		if c <= ' ' || c > '~' {
			return ""
		}
	}
	return string(name)
}

func firstValue(header []byte, name string) string {
	for _, f := range headerFields(header) {
		if strings.EqualFold(f.name, name) {
			return f.value()
		}
	}
	return ""
}

// contentType reads Content-Type. What is not understood is the default kind, but a boundary is looked for in what
// Go's strict parser refuses.
func contentType(header []byte, defaultKind string) (kind string, params map[string]string) {
	value := firstValue(header, "Content-Type")
	if value == "" {
		return defaultKind, nil
	}
	kind, params, err := mime.ParseMediaType(value)
	if err != nil {
		kind, _, _ = strings.Cut(value, ";")
		kind = strings.ToLower(strings.TrimSpace(kind))
		if params = nil; looseParam(value, "boundary") != "" {
			params = map[string]string{"boundary": looseParam(value, "boundary")}
		}
	}
	main, sub, ok := strings.Cut(kind, "/")
	if !ok || !isToken(main) || !isToken(sub) {
		return defaultKind, nil
	}
	return kind, params
}

func isToken(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || strings.IndexByte(`()<>@,;:\"/[]?=`, s[i]) >= 0 {
			return false
		}
	}
	return s != ""
}

// looseParam finds name=value or name="value" anywhere behind a semicolon.
func looseParam(value, name string) string {
	for _, param := range strings.Split(value, ";")[1:] {
		key, v, ok := strings.Cut(param, "=")
		if ok && strings.EqualFold(strings.TrimSpace(key), name) {
			return strings.Trim(strings.TrimSpace(v), `"`)
		}
	}
	return ""
}

// encoded tells whether a body must be decoded before it can be cut. RFC 2046, section 5.2.1 forbids it for messages.
func encoded(header []byte) bool {
	switch strings.ToLower(firstValue(header, "Content-Transfer-Encoding")) {
	case "", "7bit", "8bit", "binary":
		return false
	}
	return true
}
