package gateway_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/gateway/submission"
	"github.com/sealgate/sealgate/groups"
)

// options of newHouse.
func readsInline(domain string) func(*groups.Group) {
	return func(g *groups.Group) {
		g.DomainRules = append(g.DomainRules, groups.DomainRule{Domain: domain, Sign: groups.Off, Encrypt: groups.Off, Inline: true})
	}
}

func hidesSubject(g *groups.Group) { g.HideSubject = true }

func attaches(g *groups.Group) { g.AttachKey = true }

func TestReadersOfInlinePGPAndOfPGPMIMEGetACopyEach(t *testing.T) {
	h := newHouse(t, encrypt(groups.On), readsInline("old.test"))
	to, cc := h.customer("to@customer.test"), h.customer("cc@old.test")
	bcc, boss := h.customer("bcc@customer.test"), h.customer("boss@old.test")
	also := h.customer("also@old.test")
	h.sent(letter{to: []string{"to@customer.test", "also@old.test"}, cc: []string{"cc@old.test"}, bcc: []string{"bcc@customer.test", "boss@old.test"}})

	if n := len(h.copies()); n != 4 {
		t.Fatalf("%d copies, want one of each form and one for each hidden reader", n)
	}
	for address, want := range map[string]struct {
		inline     bool
		recipients int
		keys       []string
	}{
		"to@customer.test":  {false, 1, []string{encryptionKeyID(to), h.ownKeyID()}},
		"cc@old.test":       {true, 2, []string{encryptionKeyID(cc), encryptionKeyID(also), h.ownKeyID()}},
		"bcc@customer.test": {false, 1, []string{encryptionKeyID(bcc)}},
		"boss@old.test":     {true, 1, []string{encryptionKeyID(boss)}},
	} {
		c := h.copyFor(address)
		slices.Sort(want.keys)
		if got := c.keyIDs(); !slices.Equal(got, want.keys) || len(c.Recipients) != want.recipients || c.Protection != pgpmime.SignedEncrypted {
			t.Errorf("the copy for %s is %s, encrypted to %v for %v; want %v", address, c.Protection, got, c.addresses(), want.keys)
		}
		if inline := !strings.Contains(c.payload, "multipart/encrypted"); inline != want.inline {
			t.Errorf("the copy for %s is inline: %t, want %t", address, inline, want.inline)
		}
		if strings.Contains(c.payload, canary) || strings.Contains(c.payload, "bcc@customer.test") || strings.Contains(c.payload, "boss@old.test") {
			t.Errorf("the copy for %s tells too much:\n%s", address, c.payload)
		}
	}
	if o := h.copyFor("also@old.test").openedBy(also); !strings.Contains(string(o.Message), canary) || o.Verdict.Encryption != pgpmime.Decrypted || o.Verdict.Signature != pgpmime.Good {
		t.Errorf("a reader of inline PGP reads %+v", o.Verdict)
	}
	if o := h.copyFor("bcc@customer.test").openedBy(bcc); !strings.Contains(string(o.Message), canary) {
		t.Errorf("a hidden reader reads %+v", o.Verdict)
	}
}

func TestSignedMailHasBothFormsToo(t *testing.T) {
	h := newHouse(t, encrypt(groups.Off), sign(groups.On), readsInline("old.test"))
	h.sent(letter{to: []string{"to@customer.test", "cc@old.test"}, bcc: []string{"bcc@old.test"}})
	mime, inline := h.copyFor("to@customer.test"), h.copyFor("cc@old.test")
	if len(h.copies()) != 2 || !strings.Contains(mime.payload, "multipart/signed") || !strings.Contains(inline.payload, "-----BEGIN PGP SIGNED MESSAGE-----") {
		t.Errorf("%d copies:\n%s\n%s", len(h.copies()), mime.payload, inline.payload)
	}
	if mime.Protection != pgpmime.Signed || inline.Protection != pgpmime.Signed || len(inline.Recipients) != 2 {
		t.Errorf("%s and %s, the second to %v", mime.Protection, inline.Protection, inline.addresses())
	}

	h = newHouse(t, encrypt(groups.Off), sign(groups.Off), readsInline("old.test"))
	h.sent(letter{to: []string{"to@customer.test", "cc@old.test"}})
	if len(h.copies()) != 1 {
		t.Errorf("what is not protected leaves in %d copies", len(h.copies()))
	}
}

// A notice is mail of the group like any other, without anything to hide.
func TestANoticeHasTheFormOfItsReader(t *testing.T) {
	h := newHouse(t, encrypt(groups.On), split, hidesSubject, attaches, readsInline("old.test"))
	h.customer("carl@customer.test")
	h.sent(letter{to: []string{"carl@customer.test", "nobody@customer.test", "nobody@old.test"}})
	mime, inline := h.copyFor("nobody@customer.test"), h.copyFor("nobody@old.test")
	if !strings.Contains(mime.payload, "multipart/signed") || !strings.Contains(mime.payload, "application/pgp-keys") || !strings.Contains(inline.payload, "-----BEGIN PGP SIGNED MESSAGE-----") {
		t.Errorf("the notices read\n%s\n%s", mime.payload, inline.payload)
	}
	for _, c := range []sealedCopy{mime, inline} {
		if !strings.Contains(c.header(), "Subject: An encrypted message") || !strings.Contains(c.header(), "Autocrypt: addr="+support) {
			t.Errorf("the header of a notice is\n%s", c.header())
		}
	}
}

// What is more than one text cannot be inline: it goes as PGP/MIME, protected as decided.
func TestAnAttachmentMakesItPGPMIME(t *testing.T) {
	h := newHouse(t, encrypt(groups.On), readsInline("old.test"))
	carl := h.customer("carl@old.test")
	message := "From: " + support + "\r\nTo: carl@old.test\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
		"--b\r\n\r\nHello, " + canary + ".\r\n--b\r\nContent-Type: application/pdf\r\n\r\nPDF\r\n--b--\r\n"
	_, err := h.Submit(t.Context(), submission.Submission{
		Identity: submission.Identity{MailboxID: h.box.ID, GroupID: h.group.ID, Login: h.box.Login}, Message: []byte(message),
		Envelope: submission.Envelope{ReversePath: support, ForwardPaths: []submission.ForwardPath{{Address: "carl@old.test"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := h.copyFor("carl@old.test")
	if !strings.Contains(c.payload, "multipart/encrypted") || !strings.Contains(string(c.openedBy(carl).Message), canary) {
		t.Errorf("the copy is\n%s", c.payload)
	}
}

// A hidden subject stands in the archive and inside what is encrypted, and in nothing else that leaves: neither in a
// copy, nor in a notice, nor in what is told of a failure.
func TestAHiddenSubjectIsInNoQueue(t *testing.T) {
	h := newHouse(t, encrypt(groups.On), split, hidesSubject, readsInline("old.test"))
	carl, bcc, old := h.customer("carl@customer.test"), h.customer("bcc@customer.test"), h.customer("old@old.test")
	id := h.sent(letter{
		to: []string{"carl@customer.test", "old@old.test", "nobody@customer.test"}, bcc: []string{"bcc@customer.test"},
		subject: "[Ticket#67002] About " + secret, fields: []string{"Thread-Topic: About " + secret, "In-Reply-To: <first@customer.test>", "References: <first@customer.test>"},
	})
	if n := len(h.copies()); n != 3 {
		t.Errorf("%d copies, want one for the visible readers, one for the hidden one, and a notice", n)
	}
	for _, c := range h.copies() {
		if strings.Contains(c.payload, secret) || strings.Contains(c.payload, "67002") {
			t.Errorf("the copy for %v tells the subject:\n%s", c.addresses(), c.payload)
		}
	}
	for address, reader := range map[string]sealedCopy{"carl@customer.test": h.copyFor("carl@customer.test"), "bcc@customer.test": h.copyFor("bcc@customer.test")} {
		header := reader.header()
		for _, want := range []string{"Subject: [...]", "In-Reply-To: <first@customer.test>", "References: <first@customer.test>"} {
			if !strings.Contains(header, want) {
				t.Errorf("outside of the copy for %s there is no %q:\n%s", address, want, header)
			}
		}
	}
	visible := h.copyFor("carl@customer.test")
	for _, o := range []pgpmime.Opened{visible.openedBy(carl), visible.openedBy(old), h.copyFor("bcc@customer.test").openedBy(bcc)} {
		if o.Subject != "[Ticket#67002] About "+secret || o.Verdict.Signature != pgpmime.Good {
			t.Errorf("a reader sees the subject %q, %+v", o.Subject, o.Verdict)
		}
	}
	view, err := h.ReadArticle(t.Context(), h.agent, id)
	if err != nil || view.Article.Subject != "[Ticket#67002] About "+secret || !strings.Contains(h.raw(id), secret) {
		t.Errorf("the archive shows %q (%v)", view.Article.Subject, err)
	}

	key, err := h.Keyring.Secret(t.Context(), h.own.Fingerprint)
	if err != nil {
		t.Fatal(err)
	}
	told := notifications(h.relay("carl@customer.test"))
	if len(told) != 1 {
		t.Fatalf("%d notifications, want 1", len(told))
	}
	if report := told[0].openedBy(key).Message; bytes.Contains(report, []byte(secret)) || !bytes.Contains(report, []byte("Subject: [...]")) {
		t.Errorf("the notification reads\n%s", report)
	}
	for _, e := range h.entries("message.") {
		for name, value := range e.Detail {
			if strings.Contains(value, secret) {
				t.Errorf("%s of %s tells the subject", name, e.Act)
			}
		}
	}
}

func TestATicketNumberStaysOutsideWhereTheGroupSaysSo(t *testing.T) {
	h := newHouse(t, encrypt(groups.On), hidesSubject, func(g *groups.Group) { g.KeepTicket = true })
	carl := h.customer("carl@customer.test")
	h.sent(letter{to: []string{"carl@customer.test"}, subject: "Re: [Ticket#67002] About " + secret})
	c := h.copyFor("carl@customer.test")
	if !strings.Contains(c.header(), "Subject: [Ticket#67002] [...]\r\n") || strings.Contains(c.payload, secret) {
		t.Errorf("the copy is\n%s", c.payload)
	}
	if o := c.openedBy(carl); o.Subject != "Re: [Ticket#67002] About "+secret {
		t.Errorf("a reader sees the subject %q", o.Subject)
	}
}

// Only what is encrypted can hide anything.
func TestASubjectIsHiddenInsideAnEncryptionOnly(t *testing.T) {
	h := newHouse(t, encrypt(groups.Off), sign(groups.On), hidesSubject)
	h.sent(letter{to: []string{"carl@customer.test"}})
	if c := h.copyFor("carl@customer.test"); c.Protection != pgpmime.Signed || !strings.Contains(c.header(), "Subject: About "+secret) {
		t.Errorf("the %s copy is\n%s", c.Protection, c.header())
	}
}

func TestTheGroupsCertificateTravelsAsChosen(t *testing.T) {
	noAutocrypt := func(g *groups.Group) { g.Autocrypt = false }
	for name, c := range map[string]struct {
		options             []func(*groups.Group)
		autocrypt, attached bool
	}{
		"encrypted":                   {[]func(*groups.Group){encrypt(groups.On)}, true, false},
		"encrypted, attached":         {[]func(*groups.Group){encrypt(groups.On), attaches, noAutocrypt}, false, true},
		"signed, attached":            {[]func(*groups.Group){encrypt(groups.Off), attaches}, true, true},
		"in clear: nothing to attach": {[]func(*groups.Group){encrypt(groups.Off), sign(groups.Off), attaches}, true, false},
		"inline: no place to attach":  {[]func(*groups.Group){encrypt(groups.On), attaches, readsInline("customer.test")}, true, false},
		"neither":                     {[]func(*groups.Group){encrypt(groups.On), noAutocrypt}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, c.options...)
			carl := h.customer("carl@customer.test")
			h.sent(letter{to: []string{"carl@customer.test"}})
			left := h.copyFor("carl@customer.test")
			if got := strings.Contains(left.header(), "Autocrypt: addr="+support+";"); got != c.autocrypt {
				t.Errorf("Autocrypt %t, want %t:\n%s", got, c.autocrypt, left.header())
			}
			read := string(left.openedBy(carl).Message)
			if got := strings.Contains(read, "application/pgp-keys"); got != c.attached || strings.Contains(read, "PRIVATE KEY") {
				t.Errorf("attached %t, want %t:\n%s", got, c.attached, read)
			}
		})
	}
}
