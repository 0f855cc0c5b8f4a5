package gateway_test

import (
	"testing"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/groups"
)

// TestAPasswordDoesNotOutliveItsServer: whatever way leads away from a server, its password does not wait for the next one.
func TestAPasswordDoesNotOutliveItsServer(t *testing.T) {
	server := groups.Upstream{Address: "127.0.0.1:1", TLS: groups.TLSStart, Username: "support"}
	token := groups.NextHop{Login: groups.LoginOAuth, OAuth: groups.OAuth{Grant: "client-credentials", TokenURL: "https://login.test/token", ClientID: "gate"}}
	passwords := groups.Credentials{IMAPPassword: "imap", SMTPPassword: "smtp"}
	for _, c := range []struct {
		name  string
		leave func(*groups.Mailbox)
		kept  groups.Credentials
	}{
		{"nothing changes", func(*groups.Mailbox) {}, passwords},
		{"mail goes to the servers of domains", func(m *groups.Mailbox) { m.SMTP, m.Out.Route = groups.Upstream{}, groups.Exchanges }, groups.Credentials{IMAPPassword: "imap"}},
		{"no mail leaves", func(m *groups.Mailbox) { m.SMTP.Address = " " }, groups.Credentials{IMAPPassword: "imap"}},
		{"nobody logs in", func(m *groups.Mailbox) { m.SMTP.Username = "" }, groups.Credentials{IMAPPassword: "imap"}},
		{"a token is said", func(m *groups.Mailbox) { m.Out = token }, groups.Credentials{IMAPPassword: "imap"}},
		{"no mail arrives", func(m *groups.Mailbox) { m.IMAP = groups.Upstream{} }, groups.Credentials{SMTPPassword: "smtp"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t)
			save := func(m groups.Mailbox, given *groups.Credentials) {
				t.Helper()
				var err error
				if h.box, err = h.SaveMailbox(h.ctx(), h.admin, gateway.MailboxRequest{Mailbox: m, Credentials: given}); err != nil {
					t.Fatal(err)
				}
			}
			m := h.box
			m.IMAP, m.SMTP = server, server
			save(m, &passwords)
			m = h.box
			c.leave(&m)
			save(m, nil)
			if kept, err := h.Groups.Credentials(h.ctx(), m.ID); err != nil || kept != c.kept {
				t.Errorf("kept %+v, %v, want %+v", kept, err, c.kept)
			}
		})
	}
}
