package pgpmime_test

import (
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/pgpmime"
)

const gossiping = "Autocrypt-Gossip: addr=ann@customer.test;\r\n keydata=AAAA\r\nSealgate-Signature: good\r\n"

// TestPayloadHeader: it is that of the payload of a message that was encrypted as a whole, as it was; of no other.
func TestPayloadHeader(t *testing.T) {
	c := newCast(t)
	desk := c.people["desk"]
	inside := gossiping + secretText
	whole := rawEncrypted(t, encryptedPackets(t, inside, desk, c.people["alice"]))
	within := "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b\r\n" + whole + "\r\n--b--\r\n"
	head, _, _ := strings.Cut(inside, "\r\n\r\n")
	for name, s := range map[string]struct {
		message string
		opened  pgpmime.Encryption
		want    string
	}{
		"encrypted":              {whole, pgpmime.Decrypted, head + "\r\n"},
		"signed around":          {rawSigned(t, strings.TrimSuffix(whole, "\r\n"), c.people["alice"], configAt(now)), pgpmime.Decrypted, head + "\r\n"},
		"in clear":               {inside, pgpmime.EncryptionNone, ""},
		"signed":                 {rawSigned(t, inside, c.people["alice"], configAt(now)), pgpmime.EncryptionNone, ""},
		"a part of it":           {within, pgpmime.EncryptionPartial, ""},
		"not for us":             {rawEncrypted(t, encryptedPackets(t, inside, c.people["stranger"], nil)), pgpmime.NoKey, ""},
		"without integrity":      {rawEncrypted(t, unprotected(t, inside, desk)), pgpmime.EncryptionRefused, ""},
		"cut off":                {rawEncrypted(t, cut(encryptedPackets(t, inside, desk, nil))), pgpmime.Corrupt, ""},
		"text without a header":  {rawEncrypted(t, encryptedPackets(t, "Hello,\r\n"+gossiping, desk, nil)), pgpmime.Decrypted, ""},
		"fields before the text": {rawEncrypted(t, encryptedPackets(t, "A: b\r\nhello\r\n"+gossiping, desk, nil)), pgpmime.Decrypted, "A: b\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			o := open(t, []byte(header+s.message), c.keys)
			if o.Verdict.Encryption != s.opened {
				t.Fatalf("%s: %s", o.Verdict.Encryption, o.Verdict)
			}
			if string(o.PayloadHeader) != s.want || (o.PayloadHeader != nil) != (s.opened == pgpmime.Decrypted) {
				t.Errorf("the header is %q", o.PayloadHeader)
			}
			if strings.Contains(strings.ToLower(string(o.Message)), "autocrypt-gossip") && s.opened == pgpmime.Decrypted && s.want == head+"\r\n" {
				t.Error("gossip is shown")
			}
		})
	}
}

func cut(b []byte) []byte { return b[:len(b)-25] }

// unprotected is a message in the old packet that has no integrity protection (RFC 9580, section 5.7).
func unprotected(t testing.TB, inside string, reader *openpgp.Entity) []byte {
	t.Helper()
	all := encryptedPackets(t, inside, reader, nil)
	packets := packet.NewOpaqueReader(strings.NewReader(string(all)))
	var b strings.Builder
	for {
		p, err := packets.Next()
		if err != nil {
			return []byte(b.String())
		}
		if p.Tag == 18 {
			p.Tag, p.Contents = 9, p.Contents[1:]
		}
		if err := p.Serialize(&b); err != nil {
			t.Fatal(err)
		}
	}
}
