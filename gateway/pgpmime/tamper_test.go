package pgpmime_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/pgpmime"
)

const secretText = "Content-Type: text/plain\r\n\r\nThe canary sings at dawn.\r\n"

// TestTamperedSignatureIsNeverGood flips bytes all over a signed message. Where the signature is still good, what is
// shown must be what was signed.
func TestTamperedSignatureIsNeverGood(t *testing.T) {
	c := newCast(t)
	message := protect(t, header+secretText, pgpmime.Signed, c.people["alice"])
	signedPart := bytes.Index(message, []byte("\r\n--=_"))
	signedPart += 2 + bytes.Index(message[signedPart+2:], []byte("\r\n")) + 2
	end := bytes.Index(message, []byte("dawn.\r\n")) + len("dawn.\r\n")
	for at := range message {
		altered := bytes.Clone(message)
		altered[at] ^= 1
		o := open(t, altered, c.keys)
		if o.Verdict.Signature != pgpmime.Good {
			continue
		}
		if at >= signedPart && at < end {
			t.Errorf("byte %d of the signed part flipped, still good", at)
		}
		if shown := pgpmime.Look(o.Message).Text; shown != "The canary sings at dawn.\r\n" {
			t.Errorf("byte %d flipped, still good, shown: %q", at, shown)
		}
	}
}

// TestHarmlessChangesVerify: what RFC 3156 allows on the way does not break a signature.
func TestHarmlessChangesVerify(t *testing.T) {
	c := newCast(t)
	message := protect(t, header+"Content-Type: text/plain\r\n\r\ntext\r\n\r\n\r\n", pgpmime.Signed, c.people["alice"])
	if o := open(t, bytes.ReplaceAll(message, []byte("\r\n"), []byte("\n")), c.keys); o.Verdict.Signature != pgpmime.Good {
		t.Errorf("line ends of Unix: %s", o.Verdict)
	}
	if o := open(t, append(message, "\r\n\r\nepilogue\r\n"...), c.keys); o.Verdict.Signature != pgpmime.Good {
		t.Errorf("an epilogue: %s", o.Verdict)
	}
}

// TestEncodedCiphertext: a server that encoded the second part once more did no harm.
func TestEncodedCiphertext(t *testing.T) {
	c := newCast(t)
	message := string(protect(t, header+secretText, pgpmime.SignedEncrypted, c.people["alice"], c.people["desk"]))
	at := strings.Index(message, "-----BEGIN PGP")
	end := strings.Index(message, "-----END PGP MESSAGE-----") + len("-----END PGP MESSAGE-----")
	for name, body := range map[string]string{
		"base64":           base64.StdEncoding.EncodeToString([]byte(message[at:end])),
		"quoted-printable": strings.ReplaceAll(message[at:end], "=", "=3D"),
	} {
		encoded := strings.Replace(message[:at], "Content-Type: application/octet-stream", "Content-Transfer-Encoding: "+name+"\r\nContent-Type: application/octet-stream", 1)
		if o := open(t, []byte(encoded+body+message[end:]), c.keys); o.Verdict.Encryption != pgpmime.Decrypted || o.Verdict.Signature != pgpmime.Good {
			t.Errorf("%s: %+v", name, o.Verdict)
		}
	}
}

// TestTamperedCiphertextShowsNothing damages an OpenPGP message in every way: no byte of the plaintext may leave.
func TestTamperedCiphertextShowsNothing(t *testing.T) {
	c := newCast(t)
	long := "Content-Type: text/plain\r\n\r\n" + strings.Repeat("The canary sings at dawn.\r\n", 12000) // some AEAD chunks
	for name, config := range map[string]*packet.Config{
		"SEIPDv1": configAt(now),
		"SEIPDv2": {Time: configAt(now).Time, Algorithm: packet.PubKeyAlgoEdDSA, AEADConfig: &packet.AEADConfig{}},
	} {
		t.Run(name, func(t *testing.T) {
			desk, err := openpgp.NewEntity("Desk", "", "support@desk.test", config)
			if err != nil {
				t.Fatal(err)
			}
			keys := heldKeys{secrets: openpgp.EntityList{desk}, signers: c.keys.signers}
			short := encryptedPackets(t, secretText, desk, c.people["alice"])
			if o := open(t, []byte(header+rawEncrypted(t, short)), keys); o.Verdict.Encryption != pgpmime.Decrypted || o.Verdict.Signature != pgpmime.Good {
				t.Fatalf("whole: %s", o.Verdict)
			}
			for at := packetLength(t, short); at < len(short); at += 3 { // what comes before only says who can open it
				altered := bytes.Clone(short)
				altered[at] ^= 0x10
				staysClosed(t, fmt.Sprintf("byte %d of %d flipped", at, len(short)), altered, keys)
			}
			for cut := 1; cut < len(short); cut += 7 {
				staysClosed(t, "cut", short[:len(short)-cut], keys)
			}
			whole := encryptedPackets(t, long, desk, nil)
			for at := len(whole) / 2; at < len(whole); at += len(whole) / 9 {
				altered := bytes.Clone(whole)
				altered[at] ^= 1
				staysClosed(t, "late flip", altered, keys)
			}
			staysClosed(t, "late cut", whole[:len(whole)-20], keys)
			staysClosed(t, "literal before", append(literal(t), short...), keys)
			staysClosed(t, "literal after", append(bytes.Clone(short), literal(t)...), keys)
			staysClosed(t, "retagged", retagged(t, short), keys)
		})
	}
}

// staysClosed checks that nothing of the plaintext is shown and that the verdict is honest.
func staysClosed(t *testing.T, how string, message []byte, keys heldKeys) {
	t.Helper()
	o := open(t, []byte(header+rawEncrypted(t, message)), keys)
	if bytes.Contains(o.Message, []byte("canary")) || bytes.Contains(o.Message, []byte("sings")) {
		t.Fatalf("%s: plaintext left", how)
	}
	if o.Verdict.Encryption == pgpmime.Decrypted || o.Verdict.Signature == pgpmime.Good || o.Changed {
		t.Errorf("%s: %+v", how, o.Verdict)
	}
}

func encryptedPackets(t testing.TB, entity string, to, signer *openpgp.Entity) []byte {
	t.Helper()
	var binary bytes.Buffer
	var signers []*openpgp.Entity
	if signer != nil {
		signers = append(signers, signer)
	}
	w, err := openpgp.Encrypt(&binary, []*openpgp.Entity{to}, nil, signers, nil, configAt(now))
	if err != nil {
		t.Fatal(err)
	}
	if err := writeAll(w, entity); err != nil {
		t.Fatal(err)
	}
	return binary.Bytes()
}

func literal(t testing.TB) []byte {
	var b bytes.Buffer
	w, err := packet.SerializeLiteral(noClose{&b}, true, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeAll(w, secretText); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// retagged turns the data with integrity protection into data without.
func retagged(t testing.TB, message []byte) []byte {
	var out bytes.Buffer
	packets := packet.NewOpaqueReader(bytes.NewReader(message))
	for {
		p, err := packets.Next()
		if err == io.EOF {
			return out.Bytes()
		}
		if err != nil {
			t.Fatal(err)
		}
		if p.Tag == 18 {
			p.Tag, p.Contents = 9, p.Contents[1:]
		}
		if err := p.Serialize(&out); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLimitsOnDecryption: bombs and floods end with a verdict, not with our memory or time.
func TestLimitsOnDecryption(t *testing.T) {
	config := configAt(now)
	config.DefaultCompressionAlgo = packet.CompressionZLIB
	config.CompressionConfig = &packet.CompressionConfig{Level: 9}
	desk, err := openpgp.NewEntity("Desk", "", "support@desk.test", config)
	if err != nil {
		t.Fatal(err)
	}
	keys := heldKeys{secrets: openpgp.EntityList{desk}}
	bomb := plaintextBomb(t, desk, config)
	if len(bomb) > 1<<20 {
		t.Fatalf("the bomb has %d bytes", len(bomb))
	}
	session := encryptedPackets(t, secretText, desk, nil)
	first := session[:packetLength(t, session)]
	for name, message := range map[string][]byte{
		"bomb":                bomb,
		"200 more recipients": append(bytes.Repeat(first, 200), session...),
	} {
		o := open(t, []byte(header+rawEncrypted(t, message)), keys)
		if o.Verdict.Encryption != pgpmime.EncryptionRefused || o.Verdict.Reason == "" || o.Changed {
			t.Errorf("%s: %+v", name, o.Verdict)
		}
	}
	if o := open(t, []byte(header+rawEncrypted(t, append(bytes.Repeat(first, 199), session...))), keys); o.Verdict.Encryption != pgpmime.Decrypted {
		t.Errorf("200 recipients: %+v", o.Verdict)
	}
}

func packetLength(t testing.TB, message []byte) int {
	r := bytes.NewReader(message)
	if _, err := packet.NewOpaqueReader(r).Next(); err != nil {
		t.Fatal(err)
	}
	return len(message) - r.Len()
}

// plaintextBomb is a small ciphertext of much more plaintext than the limit.
func plaintextBomb(t testing.TB, to *openpgp.Entity, config *packet.Config) []byte {
	var binary bytes.Buffer
	w, err := openpgp.Encrypt(&binary, []*openpgp.Entity{to}, nil, nil, nil, config)
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range 101 {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return binary.Bytes()
}
