package pgpmime

import (
	"fmt"
	"strings"
)

// Limits bound the work on untrusted input. The zero value means the defaults in brackets.
type Limits struct {
	Depth        int   // MIME nesting [50]
	Parts        int   // MIME parts [1000]
	HeaderBytes  int   // one header block [256 KiB]
	Decompressed int64 // plaintext of one encrypted message [100 MiB]
	SessionKeys  int   // session keys tried [200]
}

func (l Limits) withDefaults() Limits {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	def(&l.Depth, 50)
	def(&l.Parts, 1000)
	def(&l.HeaderBytes, 256<<10)
	def(&l.SessionKeys, 200)
	if l.Decompressed == 0 {
		l.Decompressed = 100 << 20
	}
	return l
}

// overLimit is the error for a message that is over one of the limits; its text is for people.
type overLimit string

func (o overLimit) Error() string { return string(o) }

// check walks the structure of an entity and says which limit it is over, if any. It runs before anything else looks
// deeper than the top.
func (l Limits) check(entity []byte) error {
	parts := 0
	return l.walk(entity, 1, &parts)
}

func (l Limits) walk(entity []byte, depth int, parts *int) error {
	if depth > l.Depth {
		return overLimit(fmt.Sprintf("it is nested more than %d levels deep", l.Depth))
	}
	if *parts++; *parts > l.Parts {
		return overLimit(fmt.Sprintf("it has more than %d parts", l.Parts))
	}
	if headerSize(entity) > l.HeaderBytes {
		return overLimit(fmt.Sprintf("a header is larger than %d bytes", l.HeaderBytes))
	}
	fields, _, body := split(entity)
	t, params := mediaType(fields)
	switch {
	case strings.HasPrefix(t, "multipart/"):
		m := cut(body, params["boundary"], l.Parts+1)
		for i := range m.parts {
			if err := l.walk(m.part(i), depth+1, parts); err != nil {
				return err
			}
		}
	case embedded(t, fields):
		return l.walk(body, depth+1, parts)
	}
	return nil
}

// embedded tells whether an entity holds a message that readers look into.
func embedded(mediaType string, fields []field) bool {
	switch transferEncoding(fields) {
	case "7bit", "8bit", "binary":
		return mediaType == "message/rfc822" || mediaType == "message/global"
	}
	return false
}
