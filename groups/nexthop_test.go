package groups

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

// server is a mailbox with a mail server that must prove who it is.
func server(change func(*Mailbox)) Mailbox {
	m := Mailbox{Login: "zammad", SMTP: Upstream{Address: "mail.example.org:465", TLS: TLSImplicit, Username: "support"}}
	change(&m)
	return m
}

func withOAuth(change func(*OAuth)) Mailbox {
	return server(func(m *Mailbox) {
		m.Out.Login = LoginOAuth
		m.Out.OAuth = OAuth{Grant: "refresh-token", TokenURL: "https://login.example.org/token", ClientID: "desk"}
		change(&m.Out.OAuth)
	})
}

// TestNextHopsThatMakeNoSense: each refusal says in one sentence what to do.
func TestNextHopsThatMakeNoSense(t *testing.T) {
	for name, c := range map[string]struct {
		mailbox Mailbox
		want    string
	}{
		"unknown route":            {server(func(m *Mailbox) { m.Out.Route = "pigeon" }), "choose one of smarthost, mx"},
		"both ways":                {server(func(m *Mailbox) { m.Out.Route = Exchanges }), "empty the address"},
		"unknown policy":           {server(func(m *Mailbox) { m.Out.Policy = "hope" }), "choose one of auto"},
		"pins nobody looks at":     {Mailbox{Login: "z", Out: NextHop{Route: Exchanges, Pins: []string{"x"}}}, "choose pinned"},
		"pinned to nothing":        {Mailbox{Login: "z", Out: NextHop{Route: Exchanges, Policy: "pinned"}}, "at least one pin"},
		"a pin without TLS":        {server(func(m *Mailbox) { m.SMTP.Address, m.SMTP.TLS, m.Out.Pins = "127.0.0.1:25", TLSNone, []string{"x"} }), "choose implicit or starttls"},
		"DANE where TLS is a wish": {server(func(m *Mailbox) { m.SMTP.TLS, m.SMTP.Username, m.Out.DANE = TLSOpportunistic, "", true }), "choose implicit or starttls"},
		"pins and DANE":            {server(func(m *Mailbox) { m.Out.DANE, m.Out.Pins = true, []string{"x"} }), "not both"},
		"a login to anybody":       {server(func(m *Mailbox) { m.SMTP.TLS = TLSOpportunistic }), "leave the user name empty"},
		"opportunistic IMAP":       {server(func(m *Mailbox) { m.IMAP = Upstream{Address: "a.example.org:993", TLS: TLSOpportunistic} }), "must be implicit, starttls or none"},
		"a token as a password":    {server(func(m *Mailbox) { m.Out.Mechanism = "XOAUTH2" }), "choose the login oauth"},
		"a password as a token":    {withOAuth(func(*OAuth) {}).with(func(m *Mailbox) { m.Out.Mechanism = "PLAIN" }), "choose OAUTHBEARER or XOAUTH2"},
		"nobody's token":           {withOAuth(func(*OAuth) {}).with(func(m *Mailbox) { m.SMTP.Username = "" }), "user name"},
		"unknown grant":            {withOAuth(func(o *OAuth) { o.Grant = "theft" }), "choose one of client-credentials"},
		"tokens in clear":          {withOAuth(func(o *OAuth) { o.TokenURL = "http://login.example.org/token" }), "write it as https://"},
		"a secret in the address":  {withOAuth(func(o *OAuth) { o.TokenURL = "https://me:secret@login.example.org/" }), "write it as https://"},
		"no device address":        {withOAuth(func(o *OAuth) { o.Grant = "device-code" }), "write it as https://"},
		"no client":                {withOAuth(func(o *OAuth) { o.ClientID = "" }), "client id is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.mailbox.canonical()
			var bad *Invalid
			if !errors.As(err, &bad) || !strings.Contains(bad.Sentence, c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func (m Mailbox) with(change func(*Mailbox)) Mailbox {
	change(&m)
	return m
}

// TestNextHopsKeepOnlyWhatHasAnEffect: what belongs to the other route, or to another login, goes.
func TestNextHopsKeepOnlyWhatHasAnEffect(t *testing.T) {
	mx, err := Mailbox{Login: "z", Out: NextHop{Route: Exchanges, DANE: true, Mechanism: "PLAIN", Login: LoginOAuth, OAuth: OAuth{Grant: "x"}}}.canonical()
	if err != nil || mx.Out.Policy != "auto" || mx.Out.DANE || mx.Out.Login != LoginPassword || mx.Out.OAuth.Grant != "" || !mx.Sends() {
		t.Errorf("mx: %+v, %v", mx.Out, err)
	}
	plain, err := withOAuth(func(*OAuth) {}).with(func(m *Mailbox) { m.Out.Login, m.Out.Policy = LoginPassword, "dane" }).canonical()
	if err != nil || plain.Out.OAuth.Grant != "" || plain.Out.Policy != "" {
		t.Errorf("password: %+v, %v", plain.Out, err)
	}
	none, err := Mailbox{Login: "z", Out: NextHop{Login: LoginOAuth, Pins: []string{"x"}}}.canonical()
	if err != nil || none.Sends() || none.Out.Login != LoginPassword || none.Out.Pins != nil {
		t.Errorf("no server: %+v, %v", none.Out, err)
	}
}

// TestTokensAreSealedAndReplaced: one sealed object at a time, and none when the mailbox is gone.
func TestTokensAreSealedAndReplaced(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		s := sealingStore(t, db)
		g := saveGroup(t, s, plainGroup("Support"))
		m := saveMailbox(t, s, Mailbox{GroupID: g.ID, Login: "zammad"}, of("zammad-secret"), nil)
		if tokens, err := s.Tokens(t.Context(), m.ID); err != nil || tokens != nil {
			t.Errorf("before the first: %q, %v", tokens, err)
		}
		sealed := func() (n int64) {
			t.Helper()
			if err := db.Raw("SELECT COUNT(*) FROM sealed_objects WHERE kind = 'token'").Scan(&n).Error; err != nil {
				t.Fatal(err)
			}
			return n
		}
		for _, text := range []string{"first", "second"} {
			err := db.Transaction(func(tx *gorm.DB) error { return s.SaveTokens(t.Context(), tx, m, []byte(text)) })
			if err != nil {
				t.Fatal(err)
			}
			saveMailbox(t, s, m, nil, nil) // settings leave them alone
			if tokens, err := s.Tokens(t.Context(), m.ID); err != nil || string(tokens) != text || sealed() != 1 {
				t.Errorf("%q, %v, %d sealed objects", tokens, err, sealed())
			}
		}
		before := m
		m.SMTP = Upstream{Address: "mail.example.org:465", TLS: TLSImplicit}
		saveMailbox(t, s, m, nil, nil)
		if tokens, err := s.Tokens(t.Context(), m.ID); err != nil || tokens != nil || sealed() != 0 {
			t.Errorf("tokens for another server: %q, %v, %d sealed objects", tokens, err, sealed())
		}
		late := db.Transaction(func(tx *gorm.DB) error { return s.SaveTokens(t.Context(), tx, before, []byte("late")) })
		if !errors.Is(late, errOtherServer) || sealed() != 0 {
			t.Errorf("tokens that come after another server was set: %v, %d sealed objects", late, sealed())
		}
		if err := db.Transaction(func(tx *gorm.DB) error { return s.SaveTokens(t.Context(), tx, m, []byte("third")) }); err != nil {
			t.Fatal(err)
		}
		if err := db.Transaction(func(tx *gorm.DB) error { return s.DeleteMailbox(t.Context(), tx, m.ID) }); err != nil || sealed() != 0 {
			t.Errorf("after the mailbox is gone: %d sealed objects, %v", sealed(), err)
		}
	})
}

// TestOneRenewsAtATime: the next one waits for the end of the renewal, or for the end of its time when its node died.
func TestOneRenewsAtATime(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		s := sealingStore(t, db)
		g := saveGroup(t, s, plainGroup("Support"))
		m := saveMailbox(t, s, Mailbox{GroupID: g.ID, Login: "zammad"}, of("zammad-secret"), nil)
		begins := func(holder string, at time.Time, want bool) {
			t.Helper()
			if got, err := s.BeginRenewal(t.Context(), m.ID, holder, at, time.Minute); err != nil || got != want {
				t.Errorf("%s begins: %t, %v", holder, got, err)
			}
		}
		begins("one", noon, true)
		begins("two", noon.Add(59*time.Second), false)
		begins("two", noon.Add(time.Minute), true)
		if err := s.EndRenewal(t.Context(), m.ID, "one"); err != nil { // it comes too late, and ends nobody else's
			t.Fatal(err)
		}
		begins("three", noon.Add(time.Minute), false)
		if err := s.EndRenewal(t.Context(), m.ID, "two"); err != nil {
			t.Fatal(err)
		}
		begins("three", noon.Add(time.Minute), true)
		if err := db.Transaction(func(tx *gorm.DB) error { return s.DeleteMailbox(t.Context(), tx, m.ID) }); err != nil {
			t.Error(err)
		}
	})
}
