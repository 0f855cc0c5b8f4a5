package keyring

import (
	"encoding/binary"
	"errors"
)

// Packet type ids (RFC 9580, section 5) that stand in certificates and in what people paste by mistake.
const (
	tagSessionKey      = 1
	tagSignature       = 2
	tagPassphraseKey   = 3
	tagOnePass         = 4
	tagSecretKey       = 5
	tagPublicKey       = 6
	tagSecretSubkey    = 7
	tagCompressed      = 8
	tagEncrypted       = 9
	tagMarker          = 10
	tagLiteral         = 11
	tagTrust           = 12
	tagUserID          = 13
	tagPublicSubkey    = 14
	tagProtected       = 18
	tagLibrePGPMessage = 20
	tagPadding         = 21
)

var errTruncated = errors.New("the OpenPGP data ends in the middle of a packet")

// rawPacket is one packet without its header: nothing in it was parsed or believed yet.
type rawPacket struct {
	tag  byte
	body []byte
}

// splitPackets cuts data into packets. On an error it returns the packets before it too.
func splitPackets(data []byte) (packets []rawPacket, err error) {
	for len(data) > 0 {
		var p rawPacket
		if p, data, err = nextPacket(data); err != nil {
			return packets, err
		}
		packets = append(packets, p)
	}
	return packets, nil
}

// nextPacket reads both header formats of RFC 9580, section 4.2.
func nextPacket(data []byte) (rawPacket, []byte, error) {
	head := data[0]
	switch {
	case head&0x80 == 0:
		return rawPacket{}, nil, errors.New("a packet header is damaged")
	case head&0x40 == 0:
		return oldPacket(head, data[1:])
	}
	p := rawPacket{tag: head & 0x3f}
	rest := data[1:]
	for {
		length, size, partial := newLength(rest)
		if size == 0 || length > len(rest)-size {
			return rawPacket{}, nil, errTruncated
		}
		chunk := rest[size : size+length]
		rest = rest[size+length:]
		if !partial && p.body == nil {
			p.body = chunk
			return p, rest, nil
		}
		p.body = append(p.body, chunk...)
		if !partial {
			return p, rest, nil
		}
	}
}

func oldPacket(head byte, rest []byte) (rawPacket, []byte, error) {
	p := rawPacket{tag: head & 0x3c >> 2}
	size := 1 << (head & 3)
	if size == 8 { // indeterminate: to the end of the input
		p.body = rest
		return p, nil, nil
	}
	if len(rest) < size {
		return rawPacket{}, nil, errTruncated
	}
	length := uint64(0)
	for _, b := range rest[:size] {
		length = length<<8 | uint64(b)
	}
	rest = rest[size:]
	if length > uint64(len(rest)) {
		return rawPacket{}, nil, errTruncated
	}
	p.body = rest[:length]
	return p, rest[length:], nil
}

// newLength reads a new-format length (RFC 9580, section 4.2.1). size 0 means that it is cut off.
func newLength(b []byte) (length, size int, partial bool) {
	switch {
	case len(b) == 0:
	case b[0] < 192:
		return int(b[0]), 1, false
	case b[0] < 224 && len(b) >= 2:
		return int(b[0]-192)<<8 + int(b[1]) + 192, 2, false
	case b[0] >= 224 && b[0] < 255:
		return 1 << (b[0] & 0x1f), 1, true
	case b[0] == 255 && len(b) >= 5:
		return int(binary.BigEndian.Uint32(b[1:])), 5, false
	}
	return 0, 0, false
}

// appendTo writes the packet with a new-format header.
func (p rawPacket) appendTo(dst []byte) []byte {
	dst = append(dst, 0xc0|p.tag)
	switch n := len(p.body); {
	case n < 192:
		dst = append(dst, byte(n))
	case n < 8384:
		dst = append(dst, byte((n-192)>>8)+192, byte(n-192))
	default:
		dst = binary.BigEndian.AppendUint32(append(dst, 255), uint32(n))
	}
	return append(dst, p.body...)
}

// version is the first octet of key and signature packets; 0 for an empty one.
func (p rawPacket) version() byte {
	if len(p.body) == 0 {
		return 0
	}
	return p.body[0]
}

// isPrimary tells whether the packet begins a certificate.
func (p rawPacket) isPrimary() bool { return p.tag == tagPublicKey || p.tag == tagSecretKey }
