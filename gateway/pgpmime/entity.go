package pgpmime

import (
	"fmt"
	"strings"
)

// entity is a MIME entity (RFC 2045, section 2.4) and where it stands in its message. Only headers are in memory.
type entity struct {
	start, body, end int64 // of the header, of the body, and the first byte after
	fields           []field
	blank            []byte // the empty line after the header, or none
	mediaType        string
	params           map[string]string
	parts            []*entity // of a multipart
	closed           bool      // the closing delimiter of the multipart was there
	embedded         *entity   // the message in it, when readers look into it
	bareCR, bareLF   bool      // in the body
	loose            bool      // readers may cut its parts in another way than we do
	replaced         *Message  // stands in its place from now on
	newContent       *Message  // stands in the place of its body from now on
	dropped          bool      // is left out
}

// read takes the header apart.
func (e *entity) read(raw []byte, missingType string) {
	e.fields, e.blank, _ = split(raw)
	e.mediaType, e.params = mediaType(e.fields)
	if missingType != "" && first(e.fields, "content-type") == "" {
		e.mediaType = missingType
	}
}

// finish sets the end, and takes a line end that belongs to the delimiter off an empty body.
func (e *entity) finish(end int64) {
	e.end = max(e.start, end)
	if e.end < e.body {
		e.blank = e.blank[:max(0, len(e.blank)-int(e.body-e.end))]
		e.body = e.end
	}
	e.loose = e.loose || manyReadings(e) || (len(e.fields) == 0 && e.start > 0) // QUIRK: Ruby's mail skips empty lines before a header
	for _, below := range append(e.parts, e.embedded) {
		if below != nil { // one that is empty may begin after the line end that is the delimiter's
			below.start, below.body, below.end = min(below.start, e.end), min(below.body, e.end), min(below.end, e.end)
		}
	}
}

// boundary is that of a multipart, without blanks at its end, which may be lost in a delimiter (RFC 2046, section 5.1.1).
func (e *entity) boundary() string { return strings.TrimRight(e.params["boundary"], " \t") }

// manyReadings tells the entities that other readers may cut in another way than we do: several types, one that cannot
// be parsed or fits no part, a line in the header that is no field, and line ends that not every reader knows.
func manyReadings(e *entity) bool {
	if strings.HasPrefix(e.mediaType, "message/") && e.embedded == nil {
		return true
	}
	types := named(e.fields, "content-type")
	for _, f := range types {
		v := strings.ToLower(f.value())
		if unclear(v) {
			return true
		}
		many := strings.Contains(v, "multipart")
		if many || strings.Contains(v, "message") {
			return len(types) > 1 || e.bareCR || len(named(e.fields, "")) > 0 || (many && len(e.parts) == 0)
		}
	}
	return false
}

// identity tells the transfer encodings that change nothing.
func identity(encoding string) bool {
	switch encoding {
	case "7bit", "8bit", "binary":
		return true
	}
	return false
}

// encoding is the entity's transfer encoding.
func (e *entity) encoding() string { return transferEncoding(e.fields) }

// all calls visit for the entity and everything below, from the outside in, with its part number as in IMAP ("" for the
// message, "1.2"). What is inside an entity is left out when visit is false.
func (e *entity) all(part string, visit func(e *entity, part string) bool) {
	if !visit(e, part) {
		return
	}
	if e.embedded != nil {
		e.embedded.all(partBelow(part, 1), visit)
	}
	for i, p := range e.parts {
		p.all(partBelow(part, i+1), visit)
	}
}

func partBelow(part string, n int) string {
	if part == "" {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s.%d", part, n)
}
