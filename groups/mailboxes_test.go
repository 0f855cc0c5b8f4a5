package groups

import (
	"errors"
	"reflect"
	"testing"

	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

func TestAMailboxIsReadAsItWasSaved(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		s := NewStore(db, nil)
		g := saveGroup(t, s, plainGroup("Support"))
		saved := saveMailbox(t, s, Mailbox{
			GroupID: g.ID, Login: " Zammad@Desk.Test ",
			IMAP: Upstream{Address: "IMAP.example.org:993", TLS: TLSImplicit, Username: "Support"},
			SMTP: Upstream{Address: " [::1]:25 ", TLS: TLSStart, Username: "support"},
			Out: NextHop{
				Pins: []string{"pin-1", "pin-2"}, Login: LoginOAuth, Mechanism: "XOAUTH2",
				OAuth: OAuth{Grant: "device-code", TokenURL: " https://login.example.org/token", DeviceURL: "https://login.example.org/device", ClientID: "desk", Scopes: []string{"smtp", "offline"}, Basic: true},
			},
		}, of("zammad-secret"), nil)
		want := Mailbox{
			ID: saved.ID, GroupID: g.ID, Login: "zammad@desk.test",
			IMAP: Upstream{Address: "imap.example.org:993", TLS: TLSImplicit, Username: "Support"},
			SMTP: Upstream{Address: "[::1]:25", TLS: TLSStart, Username: "support"},
			Out: NextHop{
				Route: Smarthost, Pins: []string{"pin-1", "pin-2"}, Login: LoginOAuth, Mechanism: "XOAUTH2",
				OAuth: OAuth{Grant: "device-code", TokenURL: "https://login.example.org/token", DeviceURL: "https://login.example.org/device", ClientID: "desk", Scopes: []string{"smtp", "offline"}, Basic: true},
			},
			CreatedAt: noon, UpdatedAt: noon,
		}
		byID, err1 := s.Mailbox(t.Context(), saved.ID)
		byLogin, err2 := s.MailboxByLogin(t.Context(), "ZAMMAD@desk.test")
		all, err3 := s.Mailboxes(t.Context())
		if err := errors.Join(err1, err2, err3); err != nil || len(all) != 1 {
			t.Fatalf("%d mailboxes, %v", len(all), err)
		}
		for _, got := range []Mailbox{saved, byID, byLogin, all[0]} {
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got\n %+v\nwant\n %+v", got, want)
			}
		}
	})
}

func TestATicketSystemLogsIn(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		s := NewStore(db, nil)
		g := saveGroup(t, s, plainGroup("Support"))
		m := saveMailbox(t, s, Mailbox{GroupID: g.ID, Login: "zammad"}, of("first-secret"), nil)
		m.SMTP = Upstream{Address: "localhost:25", TLS: TLSNone}
		m = saveMailbox(t, s, m, nil, nil) // nil keeps the password
		got, err := s.AuthenticateMailbox(t.Context(), "Zammad", "first-secret")
		if err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("got %+v, %v", got, err)
		}
		saveMailbox(t, s, m, of("second-secret"), nil)
		for _, c := range [][2]string{{"zammad", "first-secret"}, {"zammad", ""}, {"nobody", "second-secret"}, {"", ""}} {
			if got, err := s.AuthenticateMailbox(t.Context(), c[0], c[1]); !errors.Is(err, ErrLogin) || got.Login != "" {
				t.Errorf("%q: %+v, %v", c, got, err)
			}
		}
		if _, err := s.AuthenticateMailbox(t.Context(), "zammad", "second-secret"); err != nil {
			t.Error(err)
		}
	})
}

func TestMailboxValuesAreChecked(t *testing.T) {
	s := NewStore(dbtest.SQLite(t), nil)
	g := saveGroup(t, s, plainGroup("Support"))
	saveMailbox(t, s, Mailbox{GroupID: g.ID, Login: "taken"}, of("zammad-secret"), nil)
	smtp := func(address string, tls TLS) func(m *Mailbox) {
		return func(m *Mailbox) { m.SMTP = Upstream{Address: address, TLS: tls} }
	}
	for name, c := range map[string]struct {
		spoil       func(m *Mailbox)
		field, part string
	}{
		"no login":            {func(m *Mailbox) { m.Login = "" }, "login", "the login is empty"},
		"blank in login":      {func(m *Mailbox) { m.Login = "zam mad" }, "login", "' ' is none of them"},
		"login taken":         {func(m *Mailbox) { m.Login = "TAKEN" }, "login", "already a mailbox with the login taken"},
		"no group":            {func(m *Mailbox) { m.GroupID = "" }, "group", "no such group"},
		"unknown group":       {func(m *Mailbox) { m.GroupID = "ghost" }, "group", "no such group"},
		"no port":             {smtp("mail.example.org", TLSStart), "smtp_address", "mail.example.org:465"},
		"port zero":           {smtp("mail.example.org:0", TLSStart), "smtp_address", "host:port"},
		"huge port":           {smtp("mail.example.org:65536", TLSStart), "smtp_address", "host:port"},
		"named port":          {smtp("mail.example.org:smtp", TLSStart), "smtp_address", "host:port"},
		"no host":             {smtp(":25", TLSStart), "smtp_address", "host:port"},
		"user in host":        {smtp("me@mail.example.org:25", TLSStart), "smtp_address", "host:port"},
		"no TLS":              {smtp("mail.example.org:25", ""), "smtp_tls", "implicit, starttls or none"},
		"clear to the world":  {smtp("mail.example.org:25", TLSNone), "smtp_tls", "in clear"},
		"clear to the net":    {smtp("192.168.1.1:25", TLSNone), "smtp_tls", "in clear"},
		"almost localhost":    {smtp("localhost.example.org:25", TLSNone), "smtp_tls", "in clear"},
		"control in username": {func(m *Mailbox) { m.IMAP = Upstream{"localhost:143", TLSNone, "a\x00b", ""} }, "imap_username", "control or invisible"},
		"CA is not PEM":       {func(m *Mailbox) { m.IMAP = Upstream{"localhost:143", TLSStart, "", "hello"} }, "imap_ca", "BEGIN CERTIFICATE"},
		"CA is a key": {func(m *Mailbox) {
			m.IMAP = Upstream{"localhost:143", TLSStart, "", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"}
		}, "imap_ca", "BEGIN CERTIFICATE"},
	} {
		t.Run(name, func(t *testing.T) {
			m := Mailbox{GroupID: g.ID, Login: "zammad"}
			c.spoil(&m)
			wantInvalid(t, trySaveMailbox(t, s, m, of("zammad-secret")), c.field, c.part)
		})
	}
	t.Run("new without password", func(t *testing.T) {
		wantInvalid(t, trySaveMailbox(t, s, Mailbox{GroupID: g.ID, Login: "zammad"}, nil), "password", "needs a password")
	})
	t.Run("short password", func(t *testing.T) {
		wantInvalid(t, trySaveMailbox(t, s, Mailbox{GroupID: g.ID, Login: "zammad"}, of("seven77")), "password", "at least 8 characters")
	})
}

func TestServersOnThisMachineNeedNoTLS(t *testing.T) {
	s := NewStore(dbtest.SQLite(t), nil)
	g := saveGroup(t, s, plainGroup("Support"))
	for i, address := range []string{"127.0.0.1:25", "127.8.9.10:25", "[::1]:25", "[::ffff:127.0.0.1]:25", "LOCALHOST:25"} {
		m := Mailbox{GroupID: g.ID, Login: string(rune('a' + i)), SMTP: Upstream{Address: address, TLS: TLSNone}}
		if err := trySaveMailbox(t, s, m, of("zammad-secret")); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestUnknownMailboxesAreNotFound(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		s := NewStore(db, nil)
		g := saveGroup(t, s, plainGroup("Support"))
		_, byID := s.Mailbox(t.Context(), "ghost")
		_, byLogin := s.MailboxByLogin(t.Context(), "ghost")
		_, credentials := s.Credentials(t.Context(), "ghost")
		deleted := remove(db, func(tx *gorm.DB) error { return s.DeleteMailbox(t.Context(), tx, "ghost") })
		saved := trySaveMailbox(t, s, Mailbox{ID: "ghost", GroupID: g.ID, Login: "ghost"}, nil)
		for i, err := range []error{byID, byLogin, credentials, deleted, saved} {
			if !errors.Is(err, ErrNotFound) {
				t.Errorf("case %d: error %v, want ErrNotFound", i, err)
			}
		}
	})
}
