package pgpmime_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	library "github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/gateway/pgpmime/armor"
)

// arena is who takes part in the contests: Alice writes to the desk, and gpg holds the keys of both.
type arena struct {
	alice, desk *openpgp.Entity
	at          time.Time
	gpg         *bed.GPG
}

func newArena(t testing.TB) arena {
	t.Helper()
	at := time.Now() // gpg has no other clock
	a := arena{
		alice: newKey(t, "Alice <alice@customer.test>", at.Add(-time.Hour)), desk: newKey(t, "Desk <support@desk.test>", at.Add(-time.Hour)),
		at: at, gpg: bed.NewGPG(t),
	}
	for _, e := range []*openpgp.Entity{a.alice, a.desk} {
		var key bytes.Buffer
		if err := e.SerializePrivateWithoutSigning(&key, nil); err != nil {
			t.Fatal(err)
		}
		a.gpg.Import(t, key.Bytes())
	}
	return a
}

func (a arena) keys() heldKeys {
	return heldKeys{secrets: openpgp.EntityList{a.desk}, signers: []pgpmime.Signer{{Entity: a.alice, Approved: true}}}
}

func (a arena) request() pgpmime.ProtectRequest {
	return pgpmime.ProtectRequest{Protection: pgpmime.SignedEncrypted, Signer: a.alice, To: []*openpgp.Entity{a.desk}, Now: a.at, Random: rand.Reader}
}

// config makes the library do what we do: the same cipher and hash, no compression.
func (a arena) config() *packet.Config {
	return &packet.Config{
		Rand: rand.Reader, Time: func() time.Time { return a.at }, DefaultHash: crypto.SHA256,
		DefaultCipher: packet.CipherAES256, DefaultCompressionAlgo: packet.CompressionNone,
	}
}

// libraryEncrypts is the bare call.
func (a arena) libraryEncrypts(out io.Writer, message []byte, signers ...*openpgp.Entity) error {
	w, err := openpgp.EncryptWithParams(out, []*openpgp.Entity{a.desk}, nil, &openpgp.EncryptParams{Config: a.config(), Signers: signers})
	if err != nil {
		return err
	}
	const piece = 64 << 10 // the library makes room for the whole of each
	for ; len(message) > piece; message = message[piece:] {
		if _, err := w.Write(message[:piece]); err != nil {
			return err
		}
	}
	_, err = w.Write(message)
	return errors.Join(err, w.Close())
}

// libraryArmors is the same with the library's armor around it.
func (a arena) libraryArmors(out io.Writer, message []byte, signers ...*openpgp.Entity) error {
	w, err := library.Encode(out, armor.Message, nil)
	if err != nil {
		return err
	}
	return errors.Join(a.libraryEncrypts(w, message, signers...), w.Close())
}

// libraryReads is the bare call, with the checks that its documentation asks for.
func (a arena) libraryReads(binary io.Reader) error {
	m, err := openpgp.ReadMessage(binary, openpgp.EntityList{a.desk, a.alice}, nil, a.config())
	if err != nil {
		return err
	}
	if _, err := io.ReadAll(m.UnverifiedBody); err != nil {
		return err
	}
	if !m.IsVerified || m.SignatureError != nil {
		return fmt.Errorf("not verified: %w", m.SignatureError)
	}
	return nil
}

// libraryReadsArmored is the same after the library's armor.
func (a arena) libraryReadsArmored(armored []byte) error {
	block, err := library.Decode(bytes.NewReader(armored))
	if err != nil {
		return err
	}
	return a.libraryReads(block.Body)
}

// gpgRuns pipes through a gpg process of its own.
func (a arena) gpgRuns(stdin io.Reader, args ...string) error {
	cmd := exec.Command("gpg", append([]string{
		"--batch", "--no-tty", "--no-auto-key-locate", "--trust-model", "always", "--pinentry-mode", "loopback", "--passphrase", "",
		"--local-user", "alice@customer.test", "--recipient", "support@desk.test",
	}, args...)...)
	var words bytes.Buffer
	cmd.Env, cmd.Stdin, cmd.Stderr = append(os.Environ(), "GNUPGHOME="+a.gpg.Home, "LC_ALL=C"), stdin, &words
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("gpg %s: %w\n%s", strings.Join(args, " "), err, words.Bytes())
	}
	return nil
}
