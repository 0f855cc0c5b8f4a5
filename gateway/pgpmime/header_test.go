package pgpmime

import (
	"bytes"
	"testing"
)

// FuzzSplit: the pieces are the entity, and nothing in a field can end the header.
func FuzzSplit(f *testing.F) {
	for _, s := range []string{
		"", "\n", "\r\n", "a: b\r\n\r\nbody", "a: b\n c\n\nbody", " first: folded\r\n\r\n", "no colon\r\na:b", "a\r\r\n\r\nb", "a: b\rc: d\r\n \r\n\r\n", "\x00: \xff\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, entity []byte) {
		fields, blank, body := split(entity)
		if !bytes.Equal(join(fields, blank, body), entity) {
			t.Fatal("bytes are lost")
		}
		if headerSize(entity) != len(entity)-len(body) {
			t.Fatalf("the header has %d bytes, not %d", len(entity)-len(body), headerSize(entity))
		}
		for i, f := range fields {
			if again, _, _ := split(f.raw); len(again) != 1 {
				t.Fatalf("%q is %d fields", f.raw, len(again))
			}
			c := f.clean()
			if i > 0 && bareCR(c.raw) || bytes.IndexByte(c.raw, 0) >= 0 || bytes.Contains(c.raw, []byte("\n\r\n")) {
				t.Fatalf("%q is not clean", c.raw)
			}
			if f.name != fieldName(f.raw) || len(c.raw) > len(f.raw)+bytes.Count(f.raw, []byte("\n")) {
				t.Fatalf("%q becomes %q", f.raw, c.raw)
			}
		}
	})
}
