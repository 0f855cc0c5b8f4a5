package bed_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/smtp"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/bed"
)

// letter has what a mail store may spoil: a leading dot, a blank at a line's end, 8-bit text and an empty last line.
// Postfix would add a missing Message-ID and Date.
const letter = "From: customer@desk.test\r\nMessage-ID: <1@desk.test>\r\nDate: Mon, 02 Nov 2026 10:00:00 +0000\r\n" +
	"Subject: one\r\n\r\n.dot\r\nblank \r\nGrüße\r\n\r\n"

func TestDovecotKeepsWhatWasDelivered(t *testing.T) {
	d := bed.StartDovecot(t, bed.NewAuthority(t), "support", "customer")
	if got := d.Messages(t, "support", "INBOX"); len(got) != 0 {
		t.Errorf("a new mailbox holds %q", got)
	}
	second := strings.Replace(letter, "one", "two", 1)
	d.Deliver(t, "support", []byte(letter))
	d.Deliver(t, "support", []byte(second))
	got := d.Messages(t, "support", "INBOX")
	if len(got) != 2 {
		t.Fatalf("%d messages", len(got))
	}
	for i, want := range []string{letter, second} {
		if !bytes.HasSuffix(got[i], []byte(want)) {
			t.Errorf("message %d is %q", i, got[i])
		}
	}
	if got := d.Messages(t, "customer", "INBOX"); len(got) != 0 {
		t.Errorf("the other user has %q", got)
	}
	if out := d.Doveadm(t, "auth", "test", "support", "secret"); !strings.Contains(out, "auth succeeded") {
		t.Errorf("auth: %s", out)
	}
}

func TestDovecotRefusesUnknownUsers(t *testing.T) {
	d := bed.StartDovecot(t, bed.NewAuthority(t), "support")
	v := record(t, func(tb testing.TB) { d.Deliver(tb, "nobody-there", []byte(letter)) })
	if !strings.Contains(v.fatal, "RCPT TO:<nobody-there@desk.test>: 550") {
		t.Errorf("the delivery ended with %q", v.fatal)
	}
}

func TestDovecotSpeaksTLSWithTheGivenCertificate(t *testing.T) {
	a := bed.NewAuthority(t)
	d := bed.StartDovecot(t, a, "support")
	conn, err := tls.Dial("tcp", d.IMAPS, trust(a, "localhost"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := textproto.NewConn(conn)
	if greeting, err := c.ReadLine(); err != nil || !strings.HasPrefix(greeting, "* OK") {
		t.Errorf("greeting %q, %v", greeting, err)
	}
}

func trust(a bed.Authority, name string) *tls.Config {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(a.CertPEM)
	return &tls.Config{RootCAs: roots, ServerName: name}
}

// submit sends letter over STARTTLS, with AUTH unless the password is "".
func submit(p *bed.Postfix, a bed.Authority, password, to string) error {
	c, err := smtp.Dial(p.SMTP)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.StartTLS(trust(a, "127.0.0.1")); err != nil {
		return err
	}
	if password != "" {
		if err := c.Auth(smtp.PlainAuth("", "support", password, "127.0.0.1")); err != nil {
			return err
		}
	}
	if err := errors.Join(c.Mail("support@desk.test"), c.Rcpt(to)); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	_, err = w.Write([]byte(letter))
	return errors.Join(err, w.Close(), c.Quit())
}

func TestPostfixDeliversToDovecot(t *testing.T) {
	a := bed.NewAuthority(t)
	d := bed.StartDovecot(t, a, "support", "customer")
	p := bed.StartPostfix(t, a, d)
	if err := submit(p, a, "secret", "customer@desk.test"); err != nil {
		t.Fatal(err)
	}
	got := eventually(t, func() [][]byte { return d.Messages(t, "customer", "INBOX") })
	if !bytes.HasSuffix(got[0], []byte(letter)) {
		t.Errorf("arrived: %q", got[0])
	}
	if err := submit(p, a, "secret", "anyone@outside.test"); err != nil {
		t.Errorf("mail for elsewhere: %v", err)
	}
	eventually(t, func() [][]byte {
		if strings.Contains(p.Queue(t), "Mail queue is empty") {
			return [][]byte{nil}
		}
		return nil
	})
}

func TestPostfixRefuses(t *testing.T) {
	a := bed.NewAuthority(t)
	p := bed.StartPostfix(t, a, bed.StartDovecot(t, a, "support"))
	for _, c := range []struct {
		name, password, to, reply string
	}{
		{"without a password", "", "support@desk.test", `554 "5.7.1 `},
		{"a wrong password", "wrong", "support@desk.test", `535 "5.7.8 `},
		{"an unknown user", "secret", "nobody-there@desk.test", `550 "5.1.1 `},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := submit(p, a, c.password, c.to); err == nil || !strings.Contains(err.Error(), c.reply) {
				t.Errorf("error %v, want %s", err, c.reply)
			}
		})
	}
}

func TestPeersAreGoneAfterTheirTest(t *testing.T) {
	var addresses []string
	t.Run("inside", func(t *testing.T) {
		a := bed.NewAuthority(t)
		d := bed.StartDovecot(t, a, "support")
		addresses = []string{d.IMAP, d.IMAPS, d.LMTP, d.SASL, bed.StartPostfix(t, a, d).SMTP}
	})
	for _, address := range addresses {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			t.Errorf("%s still answers", address)
		}
	}
}

// eventually polls until look returns something.
func eventually(t *testing.T, look func() [][]byte) [][]byte {
	t.Helper()
	end := time.NewTimer(20 * time.Second)
	defer end.Stop()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		if got := look(); len(got) > 0 {
			return got
		}
		select {
		case <-end.C:
			t.Fatal("nothing came within 20 s")
		case <-again.C:
		}
	}
}
