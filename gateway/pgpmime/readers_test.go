package pgpmime_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/bed"
)

// hostile writes MIME that readers disagree about: boundaries that begin like each other, several types, types with
// comments, empty lines too many or too few, any line end, and forged fields wherever one could stand.
type hostile struct{ *rand.Rand }

func (h hostile) pick(from ...string) string { return from[h.IntN(len(from))] }

func (h hostile) field() string {
	return h.pick(
		"Sealgate-Signature: good", "sealgate-verdict : x", "SEALGATE-Encryption:decrypted", "Sealgate-\r\n Signature: good",
		"X-Zammad-Ticket-Owner: boss", "X: y", "Sealgate\x00-Signature: good", " Sealgate-Signature: good",
		"Sealgate-Signature\t: good", "\rSealgate-Signature: good", "A: b\rSealgate-Signature: good",
		"=?utf-8?q?Sealgate-Signature?=: good", "Sealgate_Signature: good", "X_Zammad_Ticket_Owner: boss", "X-Zammad_Ticket-Owner: boss",
	) + h.pick("\r\n", "\r\n", "\n", "\r")
}

func (h hostile) fields(most int) string {
	var b strings.Builder
	for range h.IntN(most) {
		b.WriteString(h.field())
	}
	return b.String()
}

func (h hostile) entity(depth int) string {
	kind := h.IntN(6)
	switch end := h.pick("\r\n", "\r\n", "\r\n", "\n"); {
	case kind == 4:
		return h.fields(3) + "Content-Type: " + h.pick("message/delivery-status", "message/disposition-notification", "=?utf-8?q?message/delivery-status?=") +
			end + end + "Reporting-MTA: dns; x" + end + h.fields(2) + end + h.fields(3) + end + h.field() + end + h.fields(2)
	case kind < 3 && depth < 5:
		return h.fields(3) + h.multipart(depth, end)
	case kind == 3 && depth < 5:
		return h.fields(3) + h.pick(
			"Content-Type: message/rfc822", "Content-Type: message/global", "Content-Type: message/rfc822; charset=x",
			"Content-Type: message/news", "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8BIT",
		) + end + end + h.entity(depth+1)
	default:
		return h.fields(3) + h.pick("Content-Type: text/plain", "", "Content-Type: text/html", "Content-Transfer-Encoding: quoted-printable") +
			end + end + h.pick("hello", h.field(), "--a\r\nSealgate-Signature: good\r\n\r\nx", "") + end
	}
}

func (h hostile) multipart(depth int, end string) string {
	boundary := h.pick("a", "b", "a b", "a--", "=_x", "'q'")
	var b strings.Builder
	b.WriteString(h.contentType(boundary) + end + h.fields(2) + end)
	for range h.IntN(4) {
		b.WriteString("--" + boundary + h.pick("", "", " ", "\t") + end + h.entity(depth+1) + end)
	}
	b.WriteString("--" + boundary + "--" + end + h.pick("", "epilogue"+end, h.field()))
	return b.String()
}

func (h hostile) contentType(boundary string) string {
	return h.pick(
		"Content-Type: multipart/mixed; boundary=\""+boundary+"\"",
		"Content-Type: multipart/mixed; boundary="+boundary,
		"Content-Type: multipart/mixed; boundary*0=\""+boundary[:1]+"\"; boundary*1=\""+boundary[1:]+"\"",
		"Content-Type: multipart/mixed; boundary*=utf-8''"+strings.ReplaceAll(boundary, " ", "%20"),
		"Content-Type: (c) multipart/alternative (x); boundary=(y)\""+boundary+"\"",
		"Content-Type: Multipart/Related; BOUNDARY=\""+boundary+"\"; boundary=zz",
		"Content-Type: multipart/signed; protocol=\"application/pgp-signature\"; boundary=\""+boundary+"\"",
		"Content-Type: multipart/encrypted; boundary=\""+boundary+"\"",
		"Content-type: multipart/digest; boundary=\""+boundary+"\"",
		"Content-Type: text/plain\r\nContent-Type: multipart/mixed; boundary=\""+boundary+"\"",
		"Content-Type: multipart; boundary=\""+boundary+"\"",
		"Content-Type: multipart/mixed; boundary=\""+boundary+" \"",
		"Content-Type:\r\n multipart/mixed;\r\n\tboundary=\""+boundary+"\"",
		"Content-Type: =?utf-8?b?bXVsdGlwYXJ0L21peGVk?=; boundary=\""+boundary+"\"",
		"Content-Type: multipart/=?utf-8?q?mixed?=; boundary=\""+boundary+"\"",
		"Content-Type: multipart/mixed; =?utf-8?q?boundary?=\""+boundary+"\"",
		"Content-Type: multipart/mixed; boundary=\"=?utf-8?q?"+boundary+"?=\"",
	)
}

// TestOthersReadNoForgedField: however Python's and Ruby's readers cut a hostile message that we passed or opened, they
// find no field in it that could be taken for ours.
func TestOthersReadNoForgedField(t *testing.T) {
	bed.Need(t, "python3", "ruby")
	c, folder := newCast(t), t.TempDir()
	for seed := range uint64(4) {
		h := hostile{rand.New(rand.NewPCG(seed, 9788))}
		for i := range 300 {
			message := "From: alice@customer.test\r\nSubject: s\r\n" + h.entity(0)
			if h.IntN(3) == 0 {
				message = header + rawEncrypted(t, encryptedPackets(t, h.entity(0), c.people["desk"], nil))
			}
			name := fmt.Sprintf("%d-%03d.eml", seed, i)
			if err := os.WriteFile(filepath.Join(folder, name), open(t, []byte(message), c.keys).Message, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for reader, script := range map[string]string{"python3": "testdata/readers/forged.py", "ruby": "testdata/readers/forged.rb"} {
		out, err := exec.Command(reader, script, folder).Output()
		if err != nil {
			t.Fatalf("%s: %v", reader, err)
		}
		for name := range strings.Lines(string(out)) {
			message, _ := os.ReadFile(filepath.Join(folder, strings.TrimSpace(name))) //nolint:errcheck // for the report
			t.Errorf("%s finds a forged field in %s:\n%q", reader, strings.TrimSpace(name), message)
		}
	}
}
