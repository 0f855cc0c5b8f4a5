package keyring

import (
	"bufio"
	"errors"
	"io"
	"slices"
	"time"
	"unicode/utf8"
)

// Scan reads a dump of any length, armored or binary, and hands over its items one at a time, in order, counted from 1.
// It holds one certificate at a time and no more than 256 KiB of it, whatever the input. It ends with the error of f, or
// with a sentence for people when nothing in the input is OpenPGP; damage inside is an item with its Err.
func Scan(r io.Reader, at time.Time, f func(*Item) error) error { return Limits{}.Scan(r, at, f) }

// Scan is the function Scan under these limits.
func (l Limits) Scan(r io.Reader, at time.Time, f func(*Item) error) error {
	d := dump{limits: l.WithDefaults(), at: at, f: f}
	in := bufio.NewReaderSize(r, dumpBuffer)
	head, err := in.Peek(explained)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	head = slices.Clone(head)
	if len(head) > 0 && head[0]&0x80 != 0 && beginsWithKey(head[0]) && !utf8.Valid(validEnd(head)) {
		return d.block(in, &armorBody{})
	}
	if decoder := utf16Text(head); decoder != nil {
		in, head = bufio.NewReaderSize(decoder.Reader(in), dumpBuffer), fromUTF16(head)
	}
	text, packets := dearmor{in: in}, bufio.NewReader(nil)
	for {
		kind, body, err := text.next()
		switch {
		case errors.Is(err, io.EOF) && d.count == 0:
			return explain(validEnd(head))
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case kind == signedText:
			err = d.hand(&Item{Err: errSignedText})
		default:
			packets.Reset(body)
			err = d.block(packets, body)
		}
		if err != nil {
			return err
		}
	}
}

const (
	dumpBuffer = 64 << 10 // octets of input in memory, and the longest line of a text
	explained  = 4096     // octets from the beginning, from which a sentence says what the input is
)

// validEnd leaves out the octets of a character that the end cut in two.
func validEnd(text []byte) []byte {
	for range utf8.UTFMax - 1 {
		if r, size := utf8.DecodeLastRune(text); r != utf8.RuneError || size != 1 || utf8.FullRune(text[len(text)-1:]) {
			return text
		}
		text = text[:len(text)-1]
	}
	return text
}

// dump collects the packets of one certificate at a time.
type dump struct {
	limits  Limits
	at      time.Time
	f       func(*Item) error
	count   int
	refused int // in a row
	packets []rawPacket
	size    int // octets in packets; more than the limit once some were left out
}

// block reads one block to its end. What body says of damage goes before what the packets say.
func (d *dump) block(in *bufio.Reader, body *armorBody) error {
	before := d.count
	for {
		p, size, err := d.readPacket(in)
		if errors.Is(err, io.EOF) && d.count == before && d.size == 0 {
			err = errTruncated // there was nothing at all
		}
		switch {
		case errors.Is(err, io.EOF):
			return d.flush(nil)
		case err != nil && (errors.Is(body.err, errCutArmor) || errors.Is(body.err, errDamagedArmor)):
			return d.flush(body.err)
		case err != nil:
			return d.flush(errCutBlock)
		}
		if p.isPrimary() {
			if err := d.flush(nil); err != nil {
				return err
			}
		}
		if d.size += size; d.size <= d.limits.CertificateBytes {
			d.packets = append(d.packets, p)
		}
	}
}

// flush hands over what was collected, with damage in its place when there is some.
func (d *dump) flush(damage error) error {
	packets, size := d.packets, d.size
	d.packets, d.size = nil, 0
	if len(packets) == 0 && size == 0 && damage == nil {
		return nil
	}
	switch {
	case damage != nil:
		return d.hand(&Item{Err: damage})
	case size > d.limits.CertificateBytes:
		return d.hand(&Item{Err: d.limits.errTooLarge()})
	}
	return d.hand(d.limits.newItem(packets, d.at))
}

func (d *dump) hand(item *Item) error {
	d.count++
	item.Index = d.count
	if d.refused++; item.Err == nil {
		d.refused = 0
	}
	if err := d.f(item); err != nil || d.refused < maxRefused {
		return err
	}
	return problem("%d blocks in a row could not be taken, so nothing more was read: check that this file is a keyring, and "+
		"export it again with gpg --export", maxRefused)
}

// readPacket reads one packet and how long it is. A body is kept as far as the certificate that it belongs to may grow;
// what is longer is read over.
func (d *dump) readPacket(in *bufio.Reader) (p rawPacket, size int, err error) {
	head, err := in.ReadByte()
	if err != nil {
		return p, 0, err
	}
	if head&0x80 == 0 {
		return p, 0, errTruncated
	}
	p.tag = head & 0x3f
	if head&0x40 == 0 {
		p.tag = head & 0x3c >> 2
	}
	room := d.limits.CertificateBytes
	if !p.isPrimary() {
		room = max(0, room-d.size)
	}
	for more := true; more; {
		var n int
		if n, more, err = readLength(in, head); err != nil {
			return p, 0, errTruncated
		}
		before, kept := len(p.body), min(n, room-len(p.body))
		p.body = append(p.body, make([]byte, kept)...)
		if _, err := io.ReadFull(in, p.body[before:]); err != nil {
			return p, 0, errTruncated
		}
		if _, err := in.Discard(n - kept); err != nil {
			return p, 0, errTruncated
		}
		size += n
	}
	return p, size + 3, nil
}

// readLength reads the length of a packet or of its next part (RFC 9580, section 4.2); more tells that another follows.
func readLength(in *bufio.Reader, head byte) (n int, more bool, err error) {
	if head&0x40 != 0 {
		for want := 1; want <= 5; want++ {
			b, err := in.Peek(want)
			if err != nil {
				return 0, false, err
			}
			if length, size, partial := newLength(b); size > 0 {
				_, err = in.Discard(size)
				return length, partial, err
			}
		}
		return 0, false, errTruncated
	}
	width := 1 << (head & 3)
	if width == 8 { // indeterminate: no honest key has it
		return 0, false, errTruncated
	}
	for range width {
		b, err := in.ReadByte()
		if err != nil {
			return 0, false, err
		}
		n = n<<8 | int(b)
	}
	return n, false, nil
}

func (l Limits) errTooLarge() error {
	return problem("this certificate is larger than %d KiB: export it again without third-party signatures "+
		"(gpg --export-options export-minimal)", l.CertificateBytes>>10)
}
