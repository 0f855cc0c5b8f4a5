package pgpmime_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"testing"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/pgpmime"
)

// errDisk is what a disk says that is full or broken.
var errDisk = errors.New("the disk is broken")

// disk is a spool in memory that breaks after so many acts; a negative number means never.
type disk struct {
	acts, breaksAfter int
	made, removed     int
}

func (d *disk) act() error {
	if d.acts++; d.breaksAfter >= 0 && d.acts > d.breaksAfter {
		return errDisk
	}
	return nil
}

func (d *disk) create() (pgpmime.SpoolFile, error) {
	if err := d.act(); err != nil {
		return nil, err
	}
	d.made++
	return &diskFile{disk: d}, nil
}

type diskFile struct {
	disk    *disk
	content []byte
}

func (f *diskFile) Write(p []byte) (int, error) {
	if err := f.disk.act(); err != nil {
		return 0, err
	}
	f.content = append(f.content, p...)
	return len(p), nil
}

func (f *diskFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.disk.act(); err != nil {
		return 0, err
	}
	return bytes.NewReader(f.content).ReadAt(p, off)
}

func (f *diskFile) Remove() error {
	f.disk.removed++
	return nil
}

// largeForms are messages that do not fit in the memory of one sink, each in another form.
func largeForms(t *testing.T, c cast) map[string][]byte {
	t.Helper()
	text := strings.Repeat("What is the canary, and what else is there to say about it?\n", 50_000)
	forms := map[string][]byte{
		"clear":   []byte(header + "Content-Type: text/plain\r\n\r\n" + text),
		"footer":  nil,
		"loose":   []byte(header + "Content-Type: multipart/mixed; boundary=x\r\nContent-Type: text/plain\r\n\r\n--x\r\nSealgate-A: b\r\n\r\n" + text + "--x--\r\n"),
		"too big": []byte(header + "X-A: " + strings.Repeat("a", 2<<20) + "\r\n\r\n" + text),
	}
	for _, p := range []pgpmime.Protection{pgpmime.Signed, pgpmime.Encrypted, pgpmime.SignedEncrypted} {
		forms[string(p)] = protect(t, header+"Content-Type: text/plain\r\n\r\n"+text, p, c.people["alice"], c.people["desk"])
	}
	_, body, _ := strings.Cut(rawEncrypted(t, encryptedPackets(t, "Content-Type: text/plain\r\n\r\n"+text, c.people["desk"], nil)), "\r\n\r\n")
	forms["footer"] = []byte(header + "Content-Type: multipart/mixed; boundary=\"foot\"\r\n\r\n--foot\r\nContent-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=\"" +
		strings.TrimPrefix(strings.SplitN(body, "\r\n", 2)[0], "--") + "\"\r\n\r\n" + body + "\r\n--foot\r\nContent-Type: text/plain\r\n\r\nfooter\r\n--foot--\r\n")
	return forms
}

// TestSpoolMakesNoDifference: what waits in a spool comes out as what waits in memory, and nothing stays behind.
func TestSpoolMakesNoDifference(t *testing.T) {
	c := newCast(t)
	for name, message := range largeForms(t, c) {
		d := &disk{breaksAfter: -1}
		opened, err := pgpmime.OpenMessage(pgpmime.Of(message), c.keys, pgpmime.Options{Now: now, Spool: d.create})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := opened.Message.Bytes()
		want := open(t, message, c.keys)
		if err != nil || !bytes.Equal(got, want.Message) || opened.Subject != want.Subject {
			t.Errorf("%s: %d bytes (%v), want %d", name, len(got), err, len(want.Message))
		}
		if err := opened.Close(); err != nil || d.removed != d.made {
			t.Errorf("%s: %d spool files made, %d removed (%v)", name, d.made, d.removed, err)
		}
		if d.made == 0 && name != "clear" && name != string(pgpmime.Signed) {
			t.Errorf("%s: nothing was in the spool", name)
		}
	}
}

// TestBrokenSpoolIsNoVerdict: a disk that breaks at any moment is an error, and says nothing about the message.
func TestBrokenSpoolIsNoVerdict(t *testing.T) {
	c := newCast(t)
	for name, message := range largeForms(t, c) {
		whole := &disk{breaksAfter: -1}
		use := func(d *disk) error {
			opened, err := pgpmime.OpenMessage(pgpmime.Of(message), c.keys, pgpmime.Options{Now: now, Spool: d.create})
			if err != nil {
				return err
			}
			_, err = opened.Message.WriteTo(io.Discard)
			return errors.Join(err, opened.Close())
		}
		if err := use(whole); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for after := 0; after < whole.acts; after += 1 + whole.acts/12 {
			d := &disk{breaksAfter: after}
			if err := use(d); !errors.Is(err, errDisk) {
				t.Errorf("%s, broken after %d of %d: %v", name, after, whole.acts, err)
			}
			if d.made != d.removed {
				t.Errorf("%s, broken after %d: %d spool files made, %d removed", name, after, d.made, d.removed)
			}
		}
	}
}

// TestProtectThroughSpool: large mail is protected through the spool, and a broken one protects nothing.
func TestProtectThroughSpool(t *testing.T) {
	c := newCast(t)
	message := pgpmime.Of([]byte(header + "Content-Type: text/plain\r\n\r\n" + strings.Repeat("What is the canary, and what else?\r\n", 100_000)))
	for _, p := range []pgpmime.Protection{pgpmime.Signed, pgpmime.Encrypted, pgpmime.SignedEncrypted} {
		use := func(d *disk) (pgpmime.Outgoing, error) {
			return pgpmime.ProtectMessage(message, pgpmime.ProtectRequest{
				Protection: p, Signer: c.people["alice"], To: []*openpgp.Entity{c.people["desk"]}, Now: now, Random: rand.Reader, Spool: d.create,
			})
		}
		whole := &disk{breaksAfter: -1}
		o, err := use(whole)
		if err != nil {
			t.Fatal(err)
		}
		if opened := open(t, o.Bytes(), c.keys); pgpmime.Look(opened.Message).Text[:19] != "What is the canary," {
			t.Errorf("%s: %s", p, opened.Verdict)
		}
		acts := whole.acts
		if err := o.Close(); err != nil || whole.made == 0 || whole.made != whole.removed {
			t.Errorf("%s: %d spool files made, %d removed (%v)", p, whole.made, whole.removed, err)
		}
		for after := 0; after < acts/3; after += 1 + acts/12 {
			d := &disk{breaksAfter: after}
			if o, err := use(d); !errors.Is(err, errDisk) || o.Protection() != "" || d.made != d.removed {
				t.Errorf("%s, broken after %d: %v", p, after, err)
			}
		}
	}
}
