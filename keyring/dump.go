package keyring

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
)

// Scan reads a dump of any length, armored or binary, and hands over its items one at a time, in order, counted from 1.
// It holds one certificate at a time and no more than 256 KiB of it, whatever the input. It ends with the error of f, or
// with a sentence for people when nothing in the input is OpenPGP; damage inside is an item with its Err.
func Scan(r io.Reader, at time.Time, f func(*Item) error) error {
	d := dump{at: at, f: f}
	in := bufio.NewReaderSize(r, 64<<10)
	head, err := in.Peek(1)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if len(head) == 1 && head[0]&0x80 != 0 && beginsWithKey(head[0]) {
		return d.block(in)
	}
	for {
		block, err := armor.Decode(in)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return problem("an armored block of this input is damaged, and nothing after it was read: " +
				"export the keyring again and import the whole file")
		}
		if err := d.block(bufio.NewReaderSize(block.Body, 64<<10)); err != nil {
			return err
		}
	}
	if d.count == 0 {
		return problem("there is no OpenPGP block in this input: export the keyring again with gpg --armor --export")
	}
	return nil
}

// dump collects the packets of one certificate at a time.
type dump struct {
	at      time.Time
	f       func(*Item) error
	count   int
	packets []rawPacket
	size    int // octets in packets; more than maxCertificate once some were left out
}

func (d *dump) block(in *bufio.Reader) error {
	for {
		p, size, err := readPacket(in)
		if err != nil {
			if errors.Is(err, io.EOF) {
				return d.flush(nil)
			}
			return d.flush(problem("this block is cut off or damaged: export the certificates again and import the whole file"))
		}
		if p.isPrimary() {
			if err := d.flush(nil); err != nil {
				return err
			}
		}
		if d.size += size; d.size <= maxCertificate {
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
	d.count++
	item := &Item{Err: damage}
	switch {
	case damage != nil:
	case size > maxCertificate:
		item.Err = errTooLarge()
	default:
		item = newItem(packets, d.at)
	}
	item.Index = d.count
	return d.f(item)
}

// readPacket reads one packet and how long it is. The body of one longer than a certificate may be is read over.
func readPacket(in *bufio.Reader) (p rawPacket, size int, err error) {
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
	var body bytes.Buffer
	for more := true; more; {
		var n int
		if n, more, err = readLength(in, head); err != nil {
			return p, 0, errTruncated
		}
		kept := min(n, max(0, maxCertificate+1-body.Len()))
		if _, err := io.CopyN(&body, in, int64(kept)); err != nil {
			return p, 0, errTruncated
		}
		if _, err := in.Discard(n - kept); err != nil {
			return p, 0, errTruncated
		}
		size += n
	}
	p.body = body.Bytes()
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

func errTooLarge() error {
	return problem("this certificate is larger than %d KiB: export it again without third-party signatures "+
		"(gpg --export-options export-minimal)", maxCertificate>>10)
}
