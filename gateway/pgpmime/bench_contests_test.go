package pgpmime_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	library "github.com/ProtonMail/go-crypto/openpgp/armor"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/gateway/pgpmime/armor"
	"github.com/sealgate/sealgate/gateway/pgpmime/pgp"
)

// contests are all of them.
func contests(t testing.TB) []contest {
	t.Helper()
	a := newArena(t)
	return slices.Concat(a.small(t), a.large(t), armorContests(t))
}

const (
	bare        = "go-crypto"
	bareArmored = "go-crypto with its armor"
	gpg         = "gpg"
	gpgStored   = "gpg without compression"
)

// smallMessage is 20 KB of text, as customers write.
func smallMessage() []byte {
	const line = "What is the answer to this question, and who asked it in the first place?\r\n"
	return []byte(header + "Content-Type: text/plain; charset=utf-8\r\n\r\n" + strings.Repeat(line, 20_000/len(line)))
}

// small protects and opens mail as most of it is.
func (a arena) small(t testing.TB) []contest {
	t.Helper()
	message := smallMessage()
	o, err := pgpmime.Protect(message, a.request())
	if err != nil {
		t.Fatal(err)
	}
	armored := o.Bytes()[bytes.Index(o.Bytes(), []byte("-----BEGIN")):]
	var binary bytes.Buffer
	if err := a.libraryEncrypts(&binary, message, a.alice); err != nil {
		t.Fatal(err)
	}
	protect := func() error {
		_, err := pgpmime.Protect(message, a.request())
		return err
	}
	open := func() error {
		o, err := pgpmime.Open(o.Bytes(), a.keys(), pgpmime.Options{Now: a.at})
		if err == nil && o.Verdict.Signature != pgpmime.Good {
			err = errors.New(o.Verdict.String())
		}
		return err
	}
	return []contest{
		{name: "Protect 20 KB", peer: bare, ours: protect, theirs: func() error { return a.libraryEncrypts(io.Discard, message, a.alice) }},
		{name: "Protect 20 KB", peer: bareArmored, atMost: 1.3, ours: protect, theirs: func() error { return a.libraryArmors(io.Discard, message, a.alice) }},
		{name: "Protect 20 KB", peer: gpg, atLeast: 20, ours: protect, theirs: func() error {
			return a.gpgRuns(bytes.NewReader(message), "--sign", "--encrypt", "--armor")
		}},
		{name: "Open 20 KB", peer: bare, ours: open, theirs: func() error { return a.libraryReads(bytes.NewReader(binary.Bytes())) }},
		{name: "Open 20 KB", peer: bareArmored, atMost: 1.3, ours: open, theirs: func() error { return a.libraryReadsArmored(armored) }},
		{name: "Open 20 KB", peer: gpg, atLeast: 20, ours: open, theirs: func() error { return a.gpgRuns(bytes.NewReader(armored), "--decrypt") }},
	}
}

// writeLarge writes a message of 25 MB with an attachment that does not compress well.
func writeLarge(w io.Writer) error {
	const lines = 25_000_000 / 78
	if _, err := io.WriteString(w, header+"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nsee below\r\n"+
		"--b\r\nContent-Type: application/octet-stream; name=\"disk.img\"\r\nContent-Transfer-Encoding: base64\r\n\r\n"); err != nil {
		return err
	}
	raw, line := make([]byte, 57), make([]byte, 78)
	copy(line[76:], "\r\n")
	for range lines {
		_, _ = rand.Read(raw) //nolint:errcheck // never fails
		base64.StdEncoding.Encode(line, raw)
		if _, err := w.Write(line); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, "--b--\r\n")
	return err
}

// large encrypts what is so large that the cipher counts and not the keys. What gpg reads lies in a file, and what all
// write goes nowhere.
func (a arena) large(t testing.TB) []contest {
	t.Helper()
	var b bytes.Buffer
	if err := writeLarge(&b); err != nil {
		t.Fatal(err)
	}
	message, path := b.Bytes(), filepath.Join(t.TempDir(), "message")
	if err := os.WriteFile(path, message, 0o600); err != nil {
		t.Fatal(err)
	}
	gpgReads := func(args ...string) func() error {
		return func() error {
			file, err := os.Open(path)
			if err != nil {
				return err
			}
			return errors.Join(a.gpgRuns(file, args...), file.Close())
		}
	}
	ours := func(signers ...*openpgp.Entity) func() error {
		w := pgp.Writing{To: []*openpgp.Entity{a.desk}, Signers: signers, Now: a.at, Random: rand.Reader}
		return func() error { return pgp.EncryptArmored(io.Discard, pgpmime.Of(message), w) }
	}
	theirs := func(signers ...*openpgp.Entity) func() error {
		return func() error { return a.libraryArmors(io.Discard, message, signers...) }
	}
	const encrypt, both = "Encrypt 25 MB with armor", "Sign and encrypt 25 MB with armor"
	return []contest{
		{name: encrypt, peer: bareArmored, atLeast: 2, ours: ours(), theirs: theirs()},
		{name: encrypt, peer: gpg, atMost: 1, ours: ours(), theirs: gpgReads("--encrypt", "--armor", "--compress-algo", "zip")}, // its default
		{name: encrypt, peer: gpgStored, atMost: 1, ours: ours(), theirs: gpgReads("--encrypt", "--armor", "--compress-algo", "none")},
		{name: both, peer: bareArmored, atLeast: 2, ours: ours(a.alice), theirs: theirs(a.alice)},
		{name: both, peer: gpgStored, atMost: 1, ours: ours(a.alice), theirs: gpgReads("--sign", "--encrypt", "--armor", "--compress-algo", "none")},
	}
}

// armorContests are armor alone.
func armorContests(t testing.TB) []contest {
	t.Helper()
	object := make([]byte, 1<<20)
	_, _ = rand.Read(object) //nolint:errcheck // never fails
	write := func(out io.Writer) error {
		w := armor.NewWriter(out, armor.Message)
		_, err := w.Write(object)
		return errors.Join(err, w.Close())
	}
	var text bytes.Buffer
	if err := write(&text); err != nil {
		t.Fatal(err)
	}
	return []contest{
		{name: "Encode 1 MiB of armor", peer: bare, atLeast: 5, ours: func() error { return write(io.Discard) }, theirs: func() error {
			w, err := library.Encode(io.Discard, armor.Message, nil)
			if err != nil {
				return err
			}
			_, err = w.Write(object)
			return errors.Join(err, w.Close())
		}},
		{name: "Decode 1 MiB of armor", peer: bare, atLeast: 2, ours: func() error {
			r, err := armor.NewReader(bytes.NewReader(text.Bytes()))
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, r)
			return err
		}, theirs: func() error {
			block, err := library.Decode(bytes.NewReader(text.Bytes()))
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, block.Body)
			return err
		}},
	}
}
