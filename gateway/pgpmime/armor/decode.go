package armor

import "encoding/binary"

// values is what each character of base64 stands for, or notBase64.
type values [256]byte

const notBase64 = 0xFF

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

func newValues() *values {
	v := new(values)
	for i := range v {
		v[i] = notBase64
	}
	for i := range len(alphabet) {
		v[alphabet[i]] = byte(i)
	}
	return v
}

// lines decodes the lines at the beginning of text that are as programs write them: a multiple of four characters, no
// padding, and a line end. It stops before the first other line, or where dst has no room. It returns how much of text it
// took and how many bytes it wrote.
func (v *values) lines(dst, text []byte) (taken, written int) {
	for at, n := 0, 0; ; taken, written = at, n {
		for at+8 <= len(text) && n+8 <= len(dst) {
			c := (*[8]byte)(text[at:])
			a, b, c0, d := v[c[0]], v[c[1]], v[c[2]], v[c[3]]
			e, f, g, h := v[c[4]], v[c[5]], v[c[6]], v[c[7]]
			if a|b|c0|d|e|f|g|h == notBase64 {
				break
			}
			binary.BigEndian.PutUint64(dst[n:], uint64(a)<<58|uint64(b)<<52|uint64(c0)<<46|uint64(d)<<40|
				uint64(e)<<34|uint64(f)<<28|uint64(g)<<22|uint64(h)<<16)
			at, n = at+8, n+6
		}
		if at+4 <= len(text) && n+4 <= len(dst) {
			c := (*[4]byte)(text[at:])
			if a, b, c0, d := v[c[0]], v[c[1]], v[c[2]], v[c[3]]; a|b|c0|d != notBase64 {
				binary.BigEndian.PutUint32(dst[n:], uint32(a)<<26|uint32(b)<<20|uint32(c0)<<14|uint32(d)<<8)
				at, n = at+4, n+3
			}
		}
		size := at - taken
		if at < len(text) && text[at] == '\r' {
			at++
		}
		if size > maxLine || at == len(text) || text[at] != '\n' {
			return taken, written
		}
		at++
	}
}
