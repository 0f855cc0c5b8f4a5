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
	power := uint32(crcPoly) // what the bit adds that is next, from the right
	for k := range t {
		for bit := 1; bit < 256; bit *= 2 {
			for i, lower := range t[k][:bit] { // the checksum is linear: a value is the sum of its bits
				t[k][bit+i] = lower ^ power
			}
			power = power<<1 ^ power>>31*crcPoly
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
