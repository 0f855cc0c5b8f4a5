package main

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/activity"
	"github.com/sealgate/sealgate/gateway/archive"
	"github.com/sealgate/sealgate/gateway/mailbox"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/groups"
)

// keyIDs are the session key packets of an encrypted message.
func keyIDs(t *testing.T, message []byte) []uint64 {
	t.Helper()
	_, armored, ok := bytes.Cut(message, []byte("-----BEGIN PGP MESSAGE-----"))
	if !ok {
		t.Fatalf("not encrypted:\n%s", message)
	}
	block, err := armor.Decode(io.MultiReader(strings.NewReader("-----BEGIN PGP MESSAGE-----"), bytes.NewReader(armored)))
	if err != nil {
		t.Fatal(err)
	}
	var ids []uint64
	for packets := packet.NewReader(block.Body); ; {
		p, err := packets.Next()
		if err != nil {
			t.Fatal(err)
		}
		key, ok := p.(*packet.EncryptedKey)
		if !ok {
			return ids
		}
		ids = append(ids, key.KeyId)
	}
}

// TestHiddenRecipientsGetTheirOwnCopy: To and Cc share a copy, each Bcc has one that names nobody else's key.
func TestHiddenRecipientsGetTheirOwnCopy(t *testing.T) {
	d := newDesk(t, nil)
	visible, hidden := d.customer(customer), d.customer("hidden@x.test")
	if err := d.submit("Bcc: hidden@x.test\r\n", customer, "hidden@x.test", customer); err != nil {
		t.Fatal(err)
	}
	left := d.left(2)
	ids := keyIDs(t, left[customer].message)
	if len(left[customer].to) != 1 || len(ids) != 2 || !slices.Contains(ids, visible.Subkeys[0].PublicKey.KeyId) || slices.Contains(ids, hidden.Subkeys[0].PublicKey.KeyId) {
		t.Errorf("the visible copy goes to %v with keys %X", left[customer].to, ids)
	}
	if ids := keyIDs(t, left["hidden@x.test"].message); len(ids) != 1 || ids[0] != hidden.Subkeys[0].PublicKey.KeyId {
		t.Errorf("the hidden copy names keys %X", ids)
	}
	for to, c := range left {
		if bytes.Contains(c.message, []byte("hidden@x.test")) {
			t.Errorf("the copy for %s names the hidden recipient", to)
		}
	}
}

// TestMixedRecipients: refused by default, with the one without a certificate named; split sends that one a notice
// without content.
func TestMixedRecipients(t *testing.T) {
	for _, mixed := range []groups.Mixed{groups.MixedRefuse, groups.MixedSplit} {
		t.Run(string(mixed), func(t *testing.T) {
			d := newDesk(t, func(g *groups.Group) { g.Encrypt, g.Mixed = groups.On, mixed })
			d.customer(customer)
			err := d.submit("", customer, "keyless@x.test")
			if mixed == groups.MixedRefuse {
				said(t, "mixed recipients", err, "550", "keyless@x.test")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			left := d.left(2)
			notice := string(left["keyless@x.test"].message)
			for _, secret := range []string{"forty-two", "question", "Ticket#42", customer} {
				if strings.Contains(notice, secret) {
					t.Errorf("the notice says %q:\n%s", secret, notice)
				}
			}
			if !strings.Contains(notice, "Please send us your certificate") || !bytes.Contains(left[customer].message, []byte("BEGIN PGP MESSAGE")) {
				t.Errorf("notice:\n%s", notice)
			}
		})
	}
}

// TestTogglesAreObeyedAndStripped: by header and by subject tag, inside the group's level.
func TestTogglesAreObeyedAndStripped(t *testing.T) {
	tagged := "Subject: [noencrypt] Re: question\r\n"
	for name, c := range map[string]struct {
		level     groups.Level
		extra     string
		encrypted bool
		refused   string
	}{
		"default on":             {groups.On, "", true, ""},
		"header off":             {groups.On, "Sealgate-Policy: encrypt=off\r\n", false, ""},
		"header on":              {groups.Off, "Sealgate-Policy: encrypt=on\r\n", true, ""},
		"required stays":         {groups.Required, "Sealgate-Policy: encrypt=off\r\n", true, ""},
		"unreadable header":      {groups.Off, "Sealgate-Policy: encrypt=maybe\r\n", false, "550"},
		"two headers":            {groups.Off, "Sealgate-Policy: encrypt=on\r\nSealgate-Policy: encrypt=off\r\n", false, "550"},
		"tag off":                {groups.On, tagged, false, ""},
		"tag off where required": {groups.Required, tagged, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, func(g *groups.Group) { g.Encrypt, g.SubjectTags = c.level, true })
			d.customer(customer)
			err := d.submit(c.extra, customer)
			if c.refused != "" {
				said(t, name, err, c.refused)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			message := d.left(1)[customer].message
			if got := bytes.Contains(message, []byte("BEGIN PGP MESSAGE")); got != c.encrypted {
				t.Errorf("encrypted %t, want %t", got, c.encrypted)
			}
			if bytes.Contains(message, []byte("ealgate-Policy")) || bytes.Contains(message, []byte("[noencrypt]")) {
				t.Errorf("the toggle left:\n%s", message)
			}
		})
	}
}

// TestReplyIntoEncryptedThread: the level is raised to on, even where it is off.
func TestReplyIntoEncryptedThread(t *testing.T) {
	d := newDesk(t, func(g *groups.Group) { g.Encrypt = groups.Off })
	sender := d.customer(customer)
	d.receive(d.group, sender, d.id.MailboxID, 1)
	if err := d.submit("In-Reply-To: <in-1@x.test>\r\n", customer); err != nil {
		t.Fatal(err)
	}
	if message := d.left(1)[customer].message; !bytes.Contains(message, []byte("BEGIN PGP MESSAGE")) {
		t.Errorf("the reply left in clear:\n%s", message)
	}
}

// receive brings in a mail that is encrypted to a group, through any mailbox, and returns the article.
func (d *desk) receive(to groups.Group, sender *openpgp.Entity, mailboxID string, uid uint32) archive.Article {
	d.t.Helper()
	found, err := d.g.Keyring.ByAddress(d.t.Context(), to.Addresses, time.Now())
	if err != nil {
		d.t.Fatal(err)
	}
	header := fmt.Sprintf("From: %s\r\nTo: %s\r\nSubject: in\r\nMessage-ID: <in-%d@x.test>\r\n\r\n", customer, to.Addresses[0], uid)
	o, err := pgpmime.Protect([]byte(header+"canary-of-a-group\r\n"), pgpmime.ProtectRequest{
		Protection: pgpmime.SignedEncrypted, Signer: sender, To: []*openpgp.Entity{found[to.Addresses[0]][0].Entity}, Now: time.Now(), Random: rand.Reader,
	})
	if err != nil {
		d.t.Fatal(err)
	}
	d.folder(mailboxID)
	arrival := mailbox.Arrival{
		Origin:   mailbox.Origin{MailboxID: mailboxID, FolderID: "folder-" + mailboxID, UIDValidity: 7, UID: uid},
		Internal: time.Now(), Message: o.Bytes(),
	}
	for range 2 { // a repeated arrival does nothing
		if err := d.g.Receive(d.t.Context(), arrival); err != nil {
			d.t.Fatal(err)
		}
	}
	all, err := d.g.ListArticles(d.t.Context(), cli, archive.Filter{})
	if err != nil || len(all) == 0 {
		d.t.Fatalf("articles: %v, %v", all, err)
	}
	return all[0]
}

// folder makes the mirrored folder that a sync would have made.
func (d *desk) folder(mailboxID string) {
	d.t.Helper()
	err := d.g.DB.Exec("INSERT INTO mirror_folders (id, mailbox_id, name, uidvalidity) VALUES (?, ?, 'INBOX', 7) ON CONFLICT DO NOTHING", "folder-"+mailboxID, mailboxID).Error
	if err != nil {
		d.t.Fatal(err)
	}
}

// TestAnotherGroupsMailStaysClosed: a ciphertext for one group, sent to another's mailbox, is not opened there.
func TestAnotherGroupsMailStaysClosed(t *testing.T) {
	d := newDesk(t, nil)
	sender := d.customer(customer)
	billing, other := d.addGroup("Billing", "billing@desk.test", nil)
	if article := d.receive(d.group, sender, other.MailboxID, 1); article.Encryption != "no-key" || article.GroupID != billing.ID {
		t.Errorf("%+v", article)
	}
	if article := d.receive(d.group, sender, d.id.MailboxID, 2); article.Encryption != "decrypted" || article.Signature != "good" {
		t.Errorf("%+v", article)
	}
}

// TestPermanentFailureIsTold: one notification to the sender, from nobody, encrypted to the group, with outer header
// fields only; a notification itself is never notified about.
func TestPermanentFailureIsTold(t *testing.T) {
	d := newDesk(t, nil)
	d.customer("nobody@x.test")
	if err := d.submit("", "nobody@x.test"); err != nil {
		t.Fatal(err)
	}
	dsn := d.left(1)[support]
	if dsn.from != "" || !bytes.Contains(dsn.message, []byte("BEGIN PGP MESSAGE")) || bytes.Contains(dsn.message, []byte("nobody@x.test")) {
		t.Fatalf("notification from %q:\n%s", dsn.from, dsn.message)
	}
	secret, err := d.g.Keyring.ByAddress(t.Context(), []string{support}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	key, err := d.g.Keyring.Secret(t.Context(), secret[support][0].Fingerprint)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := pgpmime.Open(dsn.message, oneKey{key}, pgpmime.Options{Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	report := string(opened.Message)
	for _, want := range []string{"multipart/report", "Final-Recipient: rfc822; nobody@x.test", "Action: failed", "Status: 5.1.1", "text/rfc822-headers", "Auto-Submitted: auto-replied"} {
		if !strings.Contains(report, want) {
			t.Errorf("the notification does not say %q:\n%s", want, report)
		}
	}
	if strings.Contains(report, "forty-two") {
		t.Error("the notification holds the body")
	}
	entries, err := d.g.ListActivity(t.Context(), cli, activity.Filter{Act: "message.failed"})
	if err != nil || len(entries) != 1 {
		t.Errorf("%d failures in the log, %v", len(entries), err)
	}
}

// oneKey is a keyring of one secret key.
type oneKey struct{ e *openpgp.Entity }

func (k oneKey) Secrets([]string) (openpgp.EntityList, error) { return openpgp.EntityList{k.e}, nil }
func (k oneKey) Signers([]string) ([]pgpmime.Signer, error)   { return nil, nil }
