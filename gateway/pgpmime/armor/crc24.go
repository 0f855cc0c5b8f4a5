package armor

import "encoding/binary"

// The numbers of the checksum (RFC 9580, section 6.1.1). The register's 24 bits stand in the upper part of 32, so that
// whole words of input can be added to it.
const (
	crcStart = 0xB704CE << 8
	crcPoly  = 0x864CFB << 8
)

// crcTables holds, for each byte value, what it adds to the checksum when 0 to 7 bytes follow it: eight bytes of input
// cost eight look-ups and no shifting bit by bit. Making them takes about two microseconds.
type crcTables [8][256]uint32

func newCRCTables() *crcTables {
	t := new(crcTables)
	t[0][1] = crcPoly
	for i := 2; i < 256; i *= 2 { // one bit further to the left
		last := t[0][i/2]
		t[0][i] = last<<1 ^ last>>31*crcPoly
	}
	for i := range 256 { // the checksum is linear: a value is the sum of its bits
		t[0][i] = t[0][i&(i-1)] ^ t[0][i&-i]
	}
	for k := 1; k < 8; k++ { // one zero byte more
		for i := range 256 {
			last := t[k-1][i]
			t[k][i] = last<<8 ^ t[0][last>>24]
		}
	}
	return t
}

// update adds p to a checksum.
func (t *crcTables) update(crc uint32, p []byte) uint32 {
	for len(p) >= 8 {
		x, y := crc^binary.BigEndian.Uint32(p), binary.BigEndian.Uint32(p[4:])
		crc = t[7][x>>24] ^ t[6][x>>16&0xFF] ^ t[5][x>>8&0xFF] ^ t[4][x&0xFF] ^
			t[3][y>>24] ^ t[2][y>>16&0xFF] ^ t[1][y>>8&0xFF] ^ t[0][y&0xFF]
		p = p[8:]
	}
	for _, b := range p {
		crc = crc<<8 ^ t[0][byte(crc>>24)^b]
	}
	return crc
}
