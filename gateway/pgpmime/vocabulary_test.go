package pgpmime_test

import (
	"os"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/pgpmime"
)

// TestVocabularyIsWritten: the document knows every word that a verdict may hold, and every kind of layer.
func TestVocabularyIsWritten(t *testing.T) {
	document, err := os.ReadFile("../../docs/verdicts.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{
		string(pgpmime.EncryptionNone), string(pgpmime.Decrypted), string(pgpmime.EncryptionPartial), string(pgpmime.NoKey),
		string(pgpmime.Corrupt), string(pgpmime.EncryptionRefused), string(pgpmime.EncryptionMalformed),
		string(pgpmime.Good), string(pgpmime.UnapprovedKey), string(pgpmime.WrongSender), string(pgpmime.ExpiredKey),
		string(pgpmime.RevokedKey), string(pgpmime.UnknownKey), string(pgpmime.Weak), string(pgpmime.Unsupported), string(pgpmime.Bad),
		pgpmime.KindEncrypted, pgpmime.KindSigned, pgpmime.KindInlineEncrypted, pgpmime.KindClearsigned, pgpmime.KindAttachment, pgpmime.KindSidecar,
		"mixed-up", "footer", "lost-structure", "transfer-encoding", "html-twin", "html-armor",
		"depth", "parts", "header", "decompressed", "session-keys", "trials", "signatures", "layers",
	} {
		if !strings.Contains(string(document), "`"+word+"`") {
			t.Errorf("docs/verdicts.md does not tell %q", word)
		}
	}
}

// TestLayerInWords: a layer reads as one line, and the gist tells two findings apart.
func TestLayerInWords(t *testing.T) {
	l := pgpmime.Layer{
		Kind: pgpmime.KindAttachment, Part: "2", Encryption: pgpmime.Decrypted, Container: "SEIPDv1", Cipher: "AES-256", Repaired: "transfer-encoding",
		Signatures: []pgpmime.LayerSignature{{Signature: pgpmime.Good, Algorithm: "EdDSA", Hash: "sha256", KeyID: "0123456789ABCDEF"}},
	}
	const want = "Encrypted file in part 2: decrypted (SEIPDv1, AES-256); signature good (EdDSA, sha256, 0123456789ABCDEF); repaired: transfer-encoding"
	if l.String() != want {
		t.Errorf("%q, want %q", l, want)
	}
	one := pgpmime.Verdict{Encryption: pgpmime.EncryptionPartial, Layers: []pgpmime.Layer{l}}
	l.Encryption = pgpmime.NoKey
	if other := (pgpmime.Verdict{Encryption: pgpmime.EncryptionPartial, Layers: []pgpmime.Layer{l}}); one.Gist() == other.Gist() || len(one.Flat()) != 1 {
		t.Errorf("%q, %q", one.Gist(), other.Gist())
	}
	if over := (pgpmime.Layer{Limit: "parts"}).String(); over != "OpenPGP; over the limit: parts" {
		t.Errorf("%q", over)
	}
}
