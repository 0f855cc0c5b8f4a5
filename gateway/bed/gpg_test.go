package bed_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/bed"
)

const (
	desk     = "Desk <support@desk.test>"
	customer = "Customer <customer@desk.test>"
	headers  = "From: customer@desk.test\nTo: support@desk.test\nSubject: Hello\n"
)

// entity has a blank at a line's end, 8-bit text and an empty last line: what careless canonicalisation breaks.
const entity = "Content-Type: text/plain; charset=utf-8\r\n\r\nTwo blanks  \r\nGrüße\r\n\r\n"

func TestGPGReadsWhatGPGMade(t *testing.T) {
	g := bed.NewGPG(t)
	g.Generate(t, desk, "")
	signer := g.Generate(t, customer, "rsa2048+rsa2048")
	for _, c := range []struct {
		name, sign, kind string
		to               []string
		status           []string
	}{
		{"signed", signer, "multipart/signed", nil, []string{"GOODSIG"}},
		{"encrypted", "", "multipart/encrypted", []string{"support@desk.test"}, []string{"DECRYPTION_OKAY", "GOODMDC"}},
		{"signed and encrypted", signer, "multipart/encrypted", []string{"support@desk.test", signer}, []string{"DECRYPTION_OKAY", "GOODSIG"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			message := g.PGPMIME(t, headers, []byte(entity), c.sign, c.to...)
			if !bytes.Contains(message, []byte("Content-Type: "+c.kind)) || !bytes.HasPrefix(message, []byte("From: customer@desk.test\r\n")) {
				t.Errorf("unexpected outer header:\n%s", message)
			}
			got, status := g.Read(t, message)
			if string(got) != entity {
				t.Errorf("entity %q, want %q", got, entity)
			}
			for _, word := range c.status {
				if !strings.Contains(status, word) {
					t.Errorf("no %s in:\n%s", word, status)
				}
			}
		})
	}
}

func TestGPGReadsASignatureOfItsOwnInsideTheEncryption(t *testing.T) {
	g := bed.NewGPG(t)
	signer := g.Generate(t, desk, "")
	inner := g.PGPMIME(t, "X-Inner: yes", []byte(entity), signer)
	got, status := g.Read(t, g.PGPMIME(t, headers, inner, "", signer))
	if string(got) != entity || !strings.Contains(status, "GOODSIG") || !strings.Contains(status, "DECRYPTION_OKAY") {
		t.Errorf("entity %q, status:\n%s", got, status)
	}
}

func TestGPGRefusesAChangedMessage(t *testing.T) {
	g := bed.NewGPG(t)
	signer := g.Generate(t, desk, "")
	message := g.PGPMIME(t, headers, []byte(entity), signer)
	failed := record(t, func(tb testing.TB) {
		g.Read(tb, bytes.Replace(message, []byte("Two"), []byte("Six"), 1))
	})
	if !strings.Contains(failed.fatal, "BAD signature") {
		t.Errorf("the test ended with %q", failed.fatal)
	}
}

func TestGPGKeysTravelBetweenHomes(t *testing.T) {
	one, other := bed.NewGPG(t), bed.NewGPG(t)
	fingerprint := one.Generate(t, desk, "")
	other.Import(t, one.Export(t, "support@desk.test"))
	sealed := other.PGPMIME(t, headers, []byte(entity), "", fingerprint)
	if got, _ := one.Read(t, sealed); string(got) != entity {
		t.Errorf("entity %q", got)
	}
	if _, _, err := other.Try(t, nil, "--armor", "--local-user", fingerprint, "--sign"); err == nil {
		t.Error("a home without the secret key signed")
	}
	other.Import(t, one.ExportSecret(t, fingerprint))
	if got, _ := other.Read(t, sealed); string(got) != entity {
		t.Errorf("after the secret key came: entity %q", got)
	}
}

func TestGPGKeysHaveTheTimesThatWereAsked(t *testing.T) {
	g := bed.NewGPG(t)
	created := time.Date(2020, 3, 4, 5, 6, 7, 0, time.UTC)
	g.GenerateAt(t, desk, "", created, "1y")
	listed, _ := g.Run(t, nil, "--with-colons", "--list-keys")
	primary := ""
	for line := range strings.Lines(string(listed)) {
		if strings.HasPrefix(line, "pub:") {
			primary = line
		}
	}
	f := strings.Split(primary, ":")
	if len(f) < 7 || f[1] != "e" || f[5] != "1583298367" || f[6] != "1614834367" {
		t.Errorf("not expired, or other times: %s", primary)
	}
}

func TestALaterPassphraseWins(t *testing.T) {
	g := bed.NewGPG(t)
	g.Run(t, nil, "--passphrase", "old words", "--quick-gen-key", desk, "ed25519", "sign", "never")
	if _, _, err := g.Try(t, []byte("x"), "--armor", "--sign"); err == nil {
		t.Error("the key has no passphrase, or the agent kept it")
	}
	g.Run(t, []byte("x"), "--passphrase", "old words", "--armor", "--sign")
}
