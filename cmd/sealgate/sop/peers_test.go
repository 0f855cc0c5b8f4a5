package sop_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/bed"
)

// program is what every peer can do, and we too (see bed.OpenPGP).
type program interface {
	Generate(userID, kind string) ([]byte, error)
	Certificate(key []byte) ([]byte, error)
	Encrypt(plain, signer []byte, certificates ...[]byte) ([]byte, error)
	Decrypt(message, key, signer []byte) ([]byte, error)
	Sign(plain, key []byte) ([]byte, error)
	Verify(plain, signature, signer []byte) error
}

// inliner is what a peer with a recent revision of the same command line has besides.
type inliner interface {
	InlineSign(plain, key []byte, as string) ([]byte, error)
	InlineVerify(message, signer []byte) ([]byte, error)
}

// ours is our own command line as the peers see it. Secret keys, certificates and messages are handed over as files of
// a folder.
type ours struct {
	folder string
	count  int
}

func (o *ours) file(content []byte) string {
	o.count++
	name := filepath.Join(o.folder, fmt.Sprint("file", o.count))
	if err := os.WriteFile(name, content, 0o600); err != nil {
		panic(err) // a test's own folder
	}
	return name
}

func (o *ours) run(stdin []byte, args ...string) ([]byte, error) {
	r := runAt(time.Now(), stdin, args...) // the peers' clock
	if r.code != 0 {
		return nil, errors.New(r.words)
	}
	return r.out, nil
}

func (o *ours) Generate(userID, kind string) ([]byte, error) {
	return o.run(nil, "generate-key", "--profile="+kind, userID)
}

func (o *ours) Certificate(key []byte) ([]byte, error) { return o.run(key, "extract-cert") }

func (o *ours) Encrypt(plain, signer []byte, certificates ...[]byte) ([]byte, error) {
	args := []string{"encrypt"}
	if signer != nil {
		args = append(args, "--sign-with="+o.file(signer))
	}
	for _, c := range certificates {
		args = append(args, o.file(c))
	}
	return o.run(plain, args...)
}

func (o *ours) Decrypt(message, key, signer []byte) ([]byte, error) {
	if signer == nil {
		return o.run(message, "decrypt", o.file(key))
	}
	lines := o.file(nil) + ".lines"
	plain, err := o.run(message, "decrypt", "--verifications-out="+lines, "--verify-with="+o.file(signer), o.file(key))
	if err != nil {
		return nil, err
	}
	if told, err := os.ReadFile(lines); err != nil || len(told) == 0 {
		return nil, bed.ErrNotSigned
	}
	return plain, nil
}

func (o *ours) Sign(plain, key []byte) ([]byte, error) { return o.run(plain, "sign", o.file(key)) }

func (o *ours) Verify(plain, signature, signer []byte) error {
	_, err := o.run(plain, "verify", o.file(signature), o.file(signer))
	return err
}

func (o *ours) InlineSign(plain, key []byte, as string) ([]byte, error) {
	return o.run(plain, "inline-sign", "--as="+as, o.file(key))
}

func (o *ours) InlineVerify(message, signer []byte) ([]byte, error) {
	return o.run(message, "inline-verify", o.file(signer))
}

// text is what travels in the tests with peers.
const text = "Grüße, zweite Zeile:\n- and a dash\n"

// TestPeers: we read what each peer writes, and each peer what we write, with its own keys and with ours.
func TestPeers(t *testing.T) {
	for name, peer := range map[string]struct {
		start  func(testing.TB) program
		kinds  []string // of our keys that it knows
		inline bool     // it has inline-sign and inline-verify
	}{
		"sqop":           {sopPeer("sqop"), []string{version4, rsa3072}, true},
		"gosop":          {sopPeer("gosop"), []string{version4, rsa3072}, false},
		"pgpainless-cli": {sopPeer("pgpainless-cli"), []string{version4}, false}, // slow, and its inline messages are in TestPeersDetach
		"openpgpjs": {
			func(t testing.TB) program { return bed.NewOpenPGPJS(t) }, []string{version4, rsa3072, version6}, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, own := peer.start(t), &ours{folder: t.TempDir()}
			keys := map[string][]byte{"their key": made(t)(p.Generate("Peer <peer@example.org>", ""))}
			for _, kind := range peer.kinds {
				keys[kind] = made(t)(own.Generate("Alice <alice@example.org>", kind))
			}
			for kind, key := range keys {
				cert := made(t)(own.Certificate(key))
				made(t)(p.Certificate(key))
				t.Run(kind+", we write", func(t *testing.T) { pass(t, own, p, key, cert, peer.inline) })
				t.Run(kind+", we read", func(t *testing.T) { pass(t, p, own, key, cert, peer.inline) })
			}
		})
	}
}

// made ends the test when something could not be made.
func made(t *testing.T) func([]byte, error) []byte {
	t.Helper()
	return func(content []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
}

func sopPeer(name string) func(testing.TB) program {
	return func(t testing.TB) program { return bed.NewSOP(t, name) }
}

// pass walks one key through all that both sides can do, in one direction.
func pass(t *testing.T, writer, reader program, key, cert []byte, inline bool) {
	message := made(t)(writer.Encrypt([]byte(text), key, cert))
	if plain, err := reader.Decrypt(message, key, cert); err != nil || string(plain) != text {
		t.Errorf("decrypt: %q, %v", plain, err)
	}
	signature := made(t)(writer.Sign([]byte(text), key))
	if err := reader.Verify([]byte(text), signature, cert); err != nil {
		t.Errorf("verify: %v", err)
	}
	if err := reader.Verify([]byte(text+"!"), signature, cert); err == nil {
		t.Error("another text was verified")
	}
	if inline {
		passInline(t, writer.(inliner), reader.(inliner), key, cert)
	}
}

func passInline(t *testing.T, writer, reader inliner, key, cert []byte) {
	for _, as := range []string{"binary", "text", "clearsigned"} {
		message := made(t)(writer.InlineSign([]byte(text), key, as))
		plain, err := reader.InlineVerify(message, cert)
		// Programs do not agree whose the last line end of a clearsigned text is, nor on the line ends of text.
		unix := bytes.ReplaceAll(plain, []byte("\r\n"), []byte("\n"))
		if err != nil || strings.TrimSpace(string(unix)) != strings.TrimSpace(text) {
			t.Errorf("inline-verify %s: %q, %v", as, plain, err)
		}
	}
}
