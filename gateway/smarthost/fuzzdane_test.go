package smarthost

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/smarthost/resolve"
)

// FuzzAssociations: no TLSA record makes the judging panic, and none but the right ones lets a certificate in.
func FuzzAssociations(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"mx.test"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		f.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		f.Fatal(err)
	}
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	f.Add(byte(3), byte(1), byte(1), sum[:])
	f.Add(byte(2), byte(0), byte(0), der)
	f.Add(byte(2), byte(0), byte(0), der[:100])
	f.Add(byte(3), byte(0), byte(2), make([]byte, 64))
	f.Fuzz(func(t *testing.T, usage, selector, matching byte, data []byte) {
		record := resolve.TLSA{Usage: usage, Selector: selector, Matching: matching, Data: data}
		a := associations{base: "mx.test", usable: usable([]resolve.TLSA{record})}
		for _, chain := range [][]*x509.Certificate{{c}, {c, c}} {
			if a.accept([]string{"mx.test"})(chain) != nil {
				continue
			}
			if usage != usageTA && usage != usageEE || selector > itsKey || !matches(record, c) {
				t.Fatalf("accepted by %+v", record)
			}
		}
	})
}

// FuzzDialogueInClear: whatever is said before TLS, it ends, nothing but STARTTLS is asked for, and bytes behind the
// reply to it end the attempt.
func FuzzDialogueInClear(f *testing.F) {
	for _, seed := range []string{
		"220 hop\r\n250-hop\r\n250 STARTTLS\r\n220 go\r\n", "220 hop\r\n250 hop\r\n250 STARTTLS\r\n220 go\r\n250 more\r\n",
		"220-a\r\n220 b\r\n250-hop\r\n250-\x1b[1m\r\n250 starttls now\r\n454 no\r\n", "554 no\r\n", "220",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, says []byte) {
		ours, theirs := net.Pipe()
		defer ours.Close()
		heard := make(chan []byte)
		go func() { b, _ := io.ReadAll(theirs); heard <- b }()
		go func() { theirs.Write(says); theirs.Close() }() //nolint:errcheck // until the pipe is closed
		c := &connection{wire: &wire{Conn: ours, timeout: 10 * time.Second}}
		err := c.askForTLS("sealgate.test")
		var p *problem
		if err != nil && (!errors.As(err, &p) || words(p.sentence) != p.sentence && len(p.sentence) < maxWords) {
			t.Fatalf("%q: %v", says, err)
		}
		ours.Close()
		const all = "EHLO sealgate.test\r\nSTARTTLS\r\n"
		if b := <-heard; len(b) > len(all) || string(b) != all[:len(b)] || err == nil && string(b) != all {
			t.Fatalf("said %q", b)
		}
	})
}
