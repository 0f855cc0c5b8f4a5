package gateway_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/mailbox"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/gateway/queue"
	"github.com/sealgate/sealgate/gateway/submission"
	"github.com/sealgate/sealgate/groups"
)

// letter is a message as a ticket system submits it. Empty fields have the values that most stories want.
type letter struct {
	from        string
	reversePath *string
	to, cc, bcc []string
	subject     string
	fields      []string // whole lines
	notify      string
}

// nobody is the null reverse-path.
var nobody = new(string)

func (l letter) sender() string {
	if l.from == "" {
		return support
	}
	return l.from
}

func (l letter) message() []byte {
	subject := l.subject
	if subject == "" {
		subject = "About " + secret
	}
	lines := []string{"From: Support <" + l.sender() + ">", "To: " + strings.Join(l.to, ", ")}
	if len(l.cc) > 0 {
		lines = append(lines, "Cc: "+strings.Join(l.cc, ", "))
	}
	lines = append(lines, "Subject: "+subject, "Message-ID: <ticket-1@desk.test>", "Date: Wed, 04 Mar 2026 11:59:00 +0000")
	lines = append(lines, l.fields...)
	lines = append(lines, "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "", "Hello, "+canary+".", "")
	return []byte(strings.Join(lines, "\r\n"))
}

// submit hands a letter over as the ticket system of Support does.
func (h *house) submit(l letter) (submission.Receipt, error) {
	e := submission.Envelope{ReversePath: l.sender()}
	if l.reversePath != nil {
		e.ReversePath = *l.reversePath
	}
	for _, address := range slices.Concat(l.to, l.cc, l.bcc) {
		e.ForwardPaths = append(e.ForwardPaths, submission.ForwardPath{Address: address, Notify: l.notify})
	}
	return h.Submit(h.ctx(), submission.Submission{
		Identity: submission.Identity{MailboxID: h.box.ID, GroupID: h.group.ID, Login: h.box.Login},
		Envelope: e, Message: l.message(),
	})
}

// sent submits a letter that must be taken, and returns its article's id.
func (h *house) sent(l letter) string {
	h.t.Helper()
	receipt, err := h.submit(l)
	if err != nil {
		h.t.Fatalf("Submit: %v", err)
	}
	return receipt.ArticleID
}

// refused submits a letter that must not be taken, and returns the refusal.
func (h *house) refused(l letter) *submission.Refusal {
	h.t.Helper()
	_, err := h.submit(l)
	var refusal *submission.Refusal
	if !errors.As(err, &refusal) {
		h.t.Fatalf("Submit: %v, want a refusal", err)
	}
	if n := len(h.copies()); n != 0 {
		h.t.Errorf("%d copies queued for a refused message", n)
	}
	return refusal
}

// sealedCopy is one copy in the queue.
type sealedCopy struct {
	queue.Message
	h       *house
	payload string
}

func (c sealedCopy) header() string {
	header, _, _ := strings.Cut(c.payload, "\r\n\r\n")
	return header
}

func (c sealedCopy) addresses() []string {
	var all []string
	for _, r := range c.Recipients {
		all = append(all, r.Address)
	}
	return all
}

// keyIDs reads the recipients' key ids from the packets of an encrypted copy (RFC 9580, section 5.1).
func (c sealedCopy) keyIDs() []string {
	c.h.t.Helper()
	start := strings.Index(c.payload, "-----BEGIN PGP MESSAGE-----")
	if start < 0 {
		c.h.t.Fatalf("no OpenPGP message in\n%s", c.payload)
	}
	block, err := armor.Decode(strings.NewReader(c.payload[start:]))
	if err != nil {
		c.h.t.Fatal(err)
	}
	var ids []string
	for packets := packet.NewReader(block.Body); ; {
		p, err := packets.Next()
		if err != nil {
			c.h.t.Fatal(err)
		}
		key, ok := p.(*packet.EncryptedKey)
		if !ok {
			slices.Sort(ids)
			return ids
		}
		ids = append(ids, fmt.Sprintf("%016X", key.KeyId))
	}
}

// openedBy opens a copy as somebody's mail program does.
func (c sealedCopy) openedBy(secret *openpgp.Entity) pgpmime.Opened {
	c.h.t.Helper()
	signer, err := c.h.Keyring.Get(c.h.ctx(), c.h.own.Fingerprint, noon)
	if err != nil {
		c.h.t.Fatal(err)
	}
	keys := purse{secret: secret, signers: []pgpmime.Signer{{Entity: signer.Entity, Approved: true}}}
	opened, err := pgpmime.Open([]byte(c.payload), keys, pgpmime.Options{Now: noon, Instance: "reader.test"})
	if err != nil {
		c.h.t.Fatal(err)
	}
	return opened
}

// purse is one reader's keys.
type purse struct {
	secret  *openpgp.Entity
	signers []pgpmime.Signer
}

func (p purse) Secrets([]string) (openpgp.EntityList, error) {
	return openpgp.EntityList{p.secret}, nil
}

func (p purse) Signers([]string) ([]pgpmime.Signer, error) { return p.signers, nil }

// fromCustomer is a message that a customer wrote, encrypted to some readers, or in clear to none.
func fromCustomer(t testing.TB, messageID string, readers ...*openpgp.Entity) []byte {
	t.Helper()
	r := pgpmime.ProtectRequest{Protection: pgpmime.Clear, To: readers}
	if len(readers) > 0 {
		r.Protection = pgpmime.Encrypted
	}
	return written(t, messageID, r)
}

// signedByCustomer is one that the customer signed too.
func signedByCustomer(t testing.TB, messageID string, signer *openpgp.Entity, readers ...*openpgp.Entity) []byte {
	t.Helper()
	return written(t, messageID, pgpmime.ProtectRequest{Protection: pgpmime.SignedEncrypted, Signer: signer, To: readers})
}

func written(t testing.TB, messageID string, r pgpmime.ProtectRequest) []byte {
	t.Helper()
	message := []byte("From: Carl <carl@customer.test>\r\nTo: " + support + "\r\nSubject: My " + secret + "\r\nMessage-ID: <" + messageID + ">\r\n" +
		"Date: Wed, 04 Mar 2026 11:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHelp, " + canary + ".\r\n")
	r.Now, r.Random = noon, rand.Reader
	o, err := pgpmime.Protect(message, r)
	if err != nil {
		t.Fatal(err)
	}
	return o.Bytes()
}

// arrival is a message fetched from a mailbox under an upstream UID.
func arrival(m groups.Mailbox, uid uint32, message []byte) mailbox.Arrival {
	return mailbox.Arrival{
		Origin:   mailbox.Origin{MailboxID: m.ID, FolderID: folderOf(m), UIDValidity: 1, UID: uid},
		Internal: noon, Message: message,
	}
}
