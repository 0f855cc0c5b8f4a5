package pgpmime_test

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/pgpmime"
)

// TestPrepare: what is submitted leaves without secrets and with what every message needs.
func TestPrepare(t *testing.T) {
	const id = "new@desk.test"
	subject := "Grüße, ein langer Betreff, der nicht in eine Zeile passt, und noch ein wenig mehr davon\r\nBcc: x@y.test"
	for _, c := range []struct {
		name, message string
		subject       *string
		has, lacks    []string
	}{
		{"plain", header + "\r\nhello\r\n", nil, []string{"Message-ID: <1@customer.test>", "Mon, 02 Nov 2026 09:00", "\r\n\r\nhello"}, []string{id}},
		{"bare", "From: a@desk.test\r\n\r\nhello\r\n", nil, []string{"Message-ID: <" + id + ">\r\n", "Date: Mon, 02 Nov 2026 10:00:00 +0000\r\n"}, nil},
		{"no body", "From: a@desk.test\r\n", nil, []string{"Message-ID: <" + id + ">\r\n", "\r\n\r\n"}, nil},
		{
			"secrets", "Bcc: boss@desk.test\r\nResent-Bcc: b@c.test\r\nSealgate-Policy: sign=on\r\nX-Zammad-Ticket-Owner: 1\r\nX-OTRS-A: b\r\n" + header + "\r\nBcc: in the text\r\n",
			nil,
			[]string{"Bcc: in the text"},
			[]string{"boss@", "b@c.test", "Sealgate", "Zammad", "OTRS"},
		},
		{"verify marks", "X-Zammad-Verify: 1\r\nX-Zammad-Verify-Time: t\r\n" + header + "\r\n", nil, []string{"X-Zammad-Verify: 1", "X-Zammad-Verify-Time: t"}, nil},
		{"subject", header + "\r\nhello\r\n", &subject, []string{"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe"}, []string{"question", "\r\nBcc"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := pgpmime.Prepare([]byte(c.message), id, now, c.subject)
			if err != nil {
				t.Fatal(err)
			}
			for _, word := range c.has {
				if !bytes.Contains(got, []byte(word)) {
					t.Errorf("%q is not in\n%s", word, got)
				}
			}
			for _, word := range c.lacks {
				if bytes.Contains(got, []byte(word)) {
					t.Errorf("%q is in\n%s", word, got)
				}
			}
			again, err := pgpmime.Prepare(got, "other@x", now.Add(time.Hour), c.subject)
			if err != nil || !bytes.Equal(got, again) {
				t.Errorf("prepared twice it changes: %v\n%s", err, again)
			}
		})
	}
}

// TestPrepareRefuses: what a server on the way would rewrite, or what reads in two ways, is refused.
func TestPrepareRefuses(t *testing.T) {
	for name, message := range map[string]string{
		"bare LF":           header + "\r\nhello\nworld\r\n",
		"bare CR":           header + "\r\nhello\rworld\r\n",
		"CR at the end":     header + "\r\nhello\r",
		"LF first":          "\n" + header + "\r\nhello\r\n",
		"no empty line":     header + "hello world\r\n\r\nmore\r\n",
		"mailbox line":      "From alice Mon Nov  2 10:00:00 2026\r\n" + header + "\r\nhello\r\n",
		"folded line first": " x\r\n" + header + "\r\nhello\r\n",
	} {
		got, err := pgpmime.Prepare([]byte(message), "1@x", now, nil)
		if !errors.Is(err, pgpmime.ErrMalformed) || got != nil {
			t.Errorf("%s: %v, %q", name, err, got)
		}
	}
}

// TestSummarize reads the header as the gateway needs it.
func TestSummarize(t *testing.T) {
	message := "From: =?utf-8?q?J=C3=B6rg?= <Joerg@D\u00c4SK.test>\r\nTo: a@x.test, B <b@x.test>,\r\n \"A, again\" <A@X.test>\r\nCc: c@x.test, b@x.test\r\n" +
		"Subject: =?iso-8859-1?q?Gr=FC=DFe?=\r\n aus Berlin\r\nMessage-ID: <m@x>\r\nIn-Reply-To: <p@x> (comment)\r\nReferences: <o@x>\r\n <p@x>\r\n" +
		"Date: Mon, 2 Nov 2026 10:00:00 +0100\r\nReceived: by a\r\nReceived: by b\r\nSealgate-Policy: encrypt=on\r\nX-Zammad-Verify: x\r\nX-Zammad-Verify-Time: y\r\n\r\nhello\r\n"
	s, err := pgpmime.Summarize([]byte(message))
	if err != nil {
		t.Fatal(err)
	}
	if !s.Date.Equal(now.Add(-time.Hour)) {
		t.Errorf("date %v", s.Date)
	}
	s.Date = time.Time{}
	want := pgpmime.Summary{
		From: []string{"Joerg@xn--dsk-qla.test"}, To: []string{"a@x.test", "b@x.test", "c@x.test"},
		MessageID: "m@x", InReplyTo: "p@x", References: []string{"o@x", "p@x"}, Subject: "Grüße aus Berlin",
		Policy: "encrypt=on", Received: 2, Verify: true,
	}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("%+v\nwant\n%+v", s, want)
	}
	for name, message := range map[string]string{
		"nothing": "", "no From": "To: a@x.test\r\n\r\n", "two From": "From: a@x.test\r\nFrom: b@x.test\r\n\r\n",
		"two policies":   "From: a@x.test\r\nSealgate-Policy: encrypt=on\r\nsealgate-policy: encrypt=off\r\n\r\n",
		"a large header": "From: a@x.test\r\nX-A: " + strings.Repeat("a", 256<<10) + "\r\n\r\n",
	} {
		if _, err := pgpmime.Summarize([]byte(message)); !errors.Is(err, pgpmime.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAutomatic: the marks of mail that no person wrote.
func TestAutomatic(t *testing.T) {
	for field, want := range map[string]bool{
		"Auto-Submitted: auto-replied": true, "Auto-Submitted: no": false, "Auto-Submitted: No (really)": false, "Precedence: bulk": true,
		"Precedence: first-class": false, "X-Loop: yes": true, "X-Auto-Response-Suppress: All": true, "X-Other: bulk": false,
		"Auto-Submitted: not-seen-before": true,
	} {
		s, err := pgpmime.Summarize([]byte("From: a@x.test\r\n" + field + "\r\n\r\n"))
		if err != nil || s.Automatic != want {
			t.Errorf("%s: %v, %v", field, s.Automatic, err)
		}
	}
}

// TestManyAddresses: a header full of addresses is read in a moment, each once.
func TestManyAddresses(t *testing.T) {
	var b strings.Builder
	b.WriteString("From: a@x.test\r\nTo: a@b.c")
	for range 25_000 {
		b.WriteString(", A@b.c")
	}
	s, err := pgpmime.Summarize([]byte(b.String() + "\r\n\r\n"))
	if err != nil || len(s.To) != 1 {
		t.Errorf("%d addresses, %v", len(s.To), err)
	}
}

// TestRethread: a later opening is a message of its own below the first.
func TestRethread(t *testing.T) {
	got, err := pgpmime.Rethread([]byte(header+"References: <0@x>\r\n\r\nhello\r\n"), "2@desk.test", "1@customer.test", "article")
	if err != nil {
		t.Fatal(err)
	}
	s, err := pgpmime.Summarize(got)
	if err != nil || s.MessageID != "2@desk.test" || s.InReplyTo != "1@customer.test" || !reflect.DeepEqual(s.References, []string{"0@x", "1@customer.test"}) {
		t.Errorf("%+v, %v", s, err)
	}
	if !bytes.HasPrefix(got, []byte("Sealgate-Reopened: article\r\n")) || !bytes.HasSuffix(got, []byte("\r\n\r\nhello\r\n")) {
		t.Errorf("%s", got)
	}
	if _, err := pgpmime.Rethread(got, "x>\r\nBcc: y", "", ""); !errors.Is(err, pgpmime.ErrMalformed) {
		t.Errorf("an id with a line end: %v", err)
	}
}

// TestVerification keeps what a ticket system looks for, and nothing else.
func TestVerification(t *testing.T) {
	got, err := pgpmime.Verification([]byte("X-Zammad-Verify: 1\r\nBcc: x@y.test\r\nX-Spam: s\r\n"+header+"\r\nsecret\r\n"), "Only a test.\n")
	if err != nil {
		t.Fatal(err)
	}
	for word, want := range map[string]bool{"X-Zammad-Verify: 1": true, "Subject: question": true, "Only a test.\r\n": true, "Bcc": false, "X-Spam": false, "secret": false} {
		if bytes.Contains(got, []byte(word)) != want {
			t.Errorf("%q in\n%s", word, got)
		}
	}
}

// TestOuterHeaderIsSevenBit: names outside are encoded, addresses stay addresses.
func TestOuterHeaderIsSevenBit(t *testing.T) {
	c := newCast(t)
	message := "From: Jörg Müller <joerg@dösk.test>\r\nTo: \"Ä, Ö\" <a@x.test>, b@x.test\r\nSubject: Grüße  mit  Lücken\r\n" +
		"References: " + strings.Repeat("<aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@x.test> ", 40) + "\r\nMIME-Version: 1.0\r\nMime-version: 1.0\r\n" + bodies["plain"]
	got := protect(t, message, pgpmime.Signed, c.people["alice"])
	for line := range bytes.Lines(got) {
		if len(line) > 1000 || bytes.ContainsFunc(line, func(r rune) bool { return r >= 0x80 }) {
			t.Errorf("a server may change %q", line)
		}
	}
	v := pgpmime.Look(got)
	if v.Subject != "Grüße  mit  Lücken" || !strings.Contains(v.From, "Jörg Müller") || !strings.Contains(v.To, "Ä, Ö") {
		t.Errorf("%+v", v)
	}
	s, err := pgpmime.Summarize(got)
	if err != nil || !reflect.DeepEqual(s.From, []string{"joerg@xn--dsk-sna.test"}) || len(s.To) != 2 || len(s.References) != 40 {
		t.Errorf("%+v, %v", s, err)
	}
	if n := bytes.Count(bytes.ToLower(got), []byte("mime-version:")); n != 1 {
		t.Errorf("%d MIME-Version fields", n)
	}
	_, err = pgpmime.Protect([]byte("From: jörg@x.test\r\n\r\nhello\r\n"), pgpmime.ProtectRequest{Protection: pgpmime.Signed, Signer: c.people["alice"], Now: now, Random: strings.NewReader(strings.Repeat("x", 100))})
	if !errors.Is(err, pgpmime.ErrMalformed) {
		t.Errorf("an address that cannot be written in 7 bit: %v", err)
	}
}
