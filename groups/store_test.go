package groups

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

func TestAGroupIsReadAsItWasSaved(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		s := NewStore(db, nil)
		saved := saveGroup(t, s, Group{
			Name: " Support ", Addresses: []string{"Help@Desk.Test", "info@BÜRO.test", "help@desk.test"},
			Sign: On, Encrypt: Required, AutoSign: Auto, AutoEncrypt: Off, Mixed: MixedSplit, SubjectTags: true,
			HideSubject: true, KeepTicket: true, AttachKey: true, Autocrypt: true, InlineIn: InlineAny, Shadow: true,
			Retry:       Retry{2 * time.Hour, time.Hour, 2 * time.Minute, 30 * time.Minute},
			Content:     ContentRules{Subjects: []string{" diagnosis ", "", "diagnosis"}, Files: []string{"*.p12", "a b?"}, Sensitivity: true},
			Owners:      []string{"Olga@Desk.test", "olga@desk.test"},
			DomainRules: []DomainRule{{"Court.Test", On, Required, false}, {"büro.test", Off, On, true}},
		})
		want := Group{
			ID: saved.ID, Name: "Support", Addresses: []string{"help@desk.test", "info@xn--bro-hoa.test"},
			Sign: On, Encrypt: Required, AutoSign: Auto, AutoEncrypt: Off, Mixed: MixedSplit, SubjectTags: true,
			HideSubject: true, KeepTicket: true, AttachKey: true, Autocrypt: true, InlineIn: InlineAny, Shadow: true,
			Retry:       Retry{2 * time.Hour, time.Hour, 2 * time.Minute, 30 * time.Minute},
			Content:     ContentRules{Subjects: []string{"diagnosis"}, Files: []string{"*.p12", "a b?"}, Sensitivity: true},
			Owners:      []string{"olga@desk.test"},
			DomainRules: []DomainRule{{"court.test", On, Required, false}, {"xn--bro-hoa.test", Off, On, true}},
			CreatedAt:   noon, UpdatedAt: noon,
		}
		if saved.ID == "" || !reflect.DeepEqual(saved, want) {
			t.Errorf("saved\n %+v\nwant\n %+v", saved, want)
		}
		for how, read := range map[string]func() (Group, error){
			"by id":             func() (Group, error) { return s.Group(t.Context(), saved.ID) },
			"by name":           func() (Group, error) { return s.GroupByName(t.Context(), "Support ") },
			"by sender":         func() (Group, error) { return s.GroupBySender(t.Context(), "HELP@desk.TEST") },
			"by unicode domain": func() (Group, error) { return s.GroupBySender(t.Context(), "info@büro.test") },
		} {
			if got, err := read(); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s\n %+v (%v)\nwant\n %+v", how, got, err, want)
			}
		}
	})
}

func TestSavingAGroupAgainReplacesAllOfIt(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		s := NewStore(db, nil)
		g := plainGroup("Support", "help@desk.test", "info@desk.test")
		g.SubjectTags, g.HideSubject, g.KeepTicket, g.AttachKey, g.Autocrypt = true, true, true, true, true
		g.DomainRules = []DomainRule{{Domain: "court.test", Sign: On, Encrypt: On, Inline: true}}
		first := saveGroup(t, s, g)
		later := noon.AddDate(0, 0, 1)
		changed := plainGroup("Help", "info@desk.test")
		changed.ID = first.ID
		in(t, db, func(tx *gorm.DB) (Group, error) { return s.SaveGroup(t.Context(), tx, changed, later) })
		got, err := s.Group(t.Context(), first.ID)
		changed.CreatedAt, changed.UpdatedAt = noon, later
		if err != nil || !reflect.DeepEqual(got, changed) {
			t.Errorf("got\n %+v (%v)\nwant\n %+v", got, err, changed)
		}
		saveGroup(t, s, plainGroup("Other", "help@desk.test")) // free again
	})
}

func TestAnAddressAndANameBelongToOneGroup(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		s := NewStore(db, nil)
		saveGroup(t, s, plainGroup("Billing", "bill@desk.test"))
		wantInvalid(t, trySaveGroup(t, s, plainGroup("Support", "help@desk.test", "BILL@desk.test")), "addresses", "bill@desk.test belongs to group Billing; remove it there first")
		wantInvalid(t, trySaveGroup(t, s, plainGroup("Billing", "help@desk.test")), "name", "already a group named Billing")
		if all, err := s.Groups(t.Context()); err != nil || len(all) != 1 {
			t.Errorf("a refused group was stored: %+v, %v", all, err)
		}
	})
}

func TestOfTwoWhoClaimOneAddressOneWins(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		s := NewStore(db, nil)
		errs := make([]error, 4)
		var claims sync.WaitGroup
		for i := range errs {
			claims.Go(func() { errs[i] = trySaveGroup(t, s, plainGroup(fmt.Sprintf("Team %d", i), "help@desk.test")) })
		}
		claims.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
				continue
			}
			var invalid *Invalid
			if !errors.As(err, &invalid) {
				t.Errorf("error %v, want *Invalid", err)
			}
		}
		if won != 1 {
			t.Errorf("%d groups have the address", won)
		}
	})
}

func TestGroupValuesAreChecked(t *testing.T) {
	s := NewStore(dbtest.SQLite(t), nil)
	for name, c := range map[string]struct {
		spoil       func(g *Group)
		field, part string
	}{
		"no name":            {func(g *Group) { g.Name = "  " }, "name", "the name is empty"},
		"long name":          {func(g *Group) { g.Name = strings.Repeat("x", 101) }, "name", "at most 100"},
		"line end in name":   {func(g *Group) { g.Name = "Sup\nport" }, "name", "control or invisible"},
		"direction mark":     {func(g *Group) { g.Name = "Sup\u202eport" }, "name", "control or invisible"},
		"no level":           {func(g *Group) { g.Sign = "" }, "sign", "must be off, auto, on or required"},
		"unknown level":      {func(g *Group) { g.Encrypt = "always" }, "encrypt", `not "always"`},
		"no automatic level": {func(g *Group) { g.AutoEncrypt = "" }, "auto_encrypt", "must be off"},
		"unknown mixed":      {func(g *Group) { g.Mixed = "" }, "mixed", "refuse or split"},
		"number of nothing":  {func(g *Group) { g.KeepTicket = true }, "keep_ticket", "only where the subject is hidden"},
		"owner is a ticket":  {func(g *Group) { g.Owners = g.Addresses }, "owners", "address of the group itself"},
		"owner is none":      {func(g *Group) { g.Owners = []string{"olga"} }, "owners", "not a mail address"},
		"every subject":      {func(g *Group) { g.Content.Subjects = []string{"*"} }, "content", "every message would meet it"},
		"no inline":          {func(g *Group) { g.InlineIn = "" }, "inline_in", "off, whole or any"},
		"unknown inline":     {func(g *Group) { g.InlineIn = "some" }, "inline_in", "off, whole or any"},
		"no address":         {func(g *Group) { g.Addresses = []string{"help"} }, "addresses", `"help" is not a mail address`},
		"two in one":         {func(g *Group) { g.Addresses = []string{"a@b.test,c@d.test"} }, "addresses", "is not a mail address"},
		"many addresses":     {func(g *Group) { g.Addresses = make([]string, 201) }, "addresses", "at most 200"},
		"no domain":          {func(g *Group) { g.DomainRules = []DomainRule{{"", On, On, false}} }, "rules", "is not a domain"},
		"address as domain":  {func(g *Group) { g.DomainRules = []DomainRule{{"a@b.test", On, On, false}} }, "rules", "is not a domain"},
		"rule without level": {func(g *Group) { g.DomainRules = []DomainRule{{"b.test", On, "", false}} }, "rules", "must be off"},
		"two rules":          {func(g *Group) { g.DomainRules = []DomainRule{{"b.test", On, On, false}, {"B.test", Off, Off, false}} }, "rules", "two rules for b.test"},
	} {
		t.Run(name, func(t *testing.T) {
			g := plainGroup("Support", "help@desk.test")
			c.spoil(&g)
			wantInvalid(t, trySaveGroup(t, s, g), c.field, c.part)
		})
	}
}

func TestUnknownGroupsAreNotFound(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		s := NewStore(db, nil)
		ghost := plainGroup("Ghost")
		ghost.ID = "no-such-id"
		_, byID := s.Group(t.Context(), "no-such-id")
		_, byName := s.GroupByName(t.Context(), "Ghost")
		_, bySender := s.GroupBySender(t.Context(), "ghost@desk.test")
		_, byNonsense := s.GroupBySender(t.Context(), "<>")
		deleted := remove(db, func(tx *gorm.DB) error { return s.DeleteGroup(t.Context(), tx, "no-such-id") })
		for i, err := range []error{byID, byName, bySender, byNonsense, deleted, trySaveGroup(t, s, ghost)} {
			if !errors.Is(err, ErrNotFound) {
				t.Errorf("case %d: error %v, want ErrNotFound", i, err)
			}
		}
	})
}

func TestAGroupWithAMailboxStays(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		s := NewStore(db, nil)
		g := saveGroup(t, s, plainGroup("Support", "help@desk.test"))
		saveMailbox(t, s, Mailbox{GroupID: g.ID, Login: "zammad"}, of("zammad-secret"), nil)
		err := remove(db, func(tx *gorm.DB) error { return s.DeleteGroup(t.Context(), tx, g.ID) })
		wantInvalid(t, err, "", "mailbox zammad still belongs to this group")

		empty := saveGroup(t, s, plainGroup("Empty", "empty@desk.test"))
		if err := remove(db, func(tx *gorm.DB) error { return s.DeleteGroup(t.Context(), tx, empty.ID) }); err != nil {
			t.Fatal(err)
		}
		if _, err := s.GroupBySender(t.Context(), "empty@desk.test"); !errors.Is(err, ErrNotFound) {
			t.Errorf("the address outlived its group: %v", err)
		}
	})
}

func TestListsUseAFixedNumberOfQueries(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		lists := map[string]func(s *Store) error{
			"groups":    func(s *Store) error { _, err := s.Groups(t.Context()); return err },
			"mailboxes": func(s *Store) error { _, err := s.Mailboxes(t.Context()); return err },
			"users":     func(s *Store) error { _, err := s.Users(t.Context()); return err },
		}
		before := map[string]int{}
		for name, list := range lists {
			before[name] = statementsOf(t, db, list)
		}
		s := NewStore(db, nil)
		for i := range 5 {
			g := plainGroup(fmt.Sprintf("Team %d", i), fmt.Sprintf("team%d@desk.test", i))
			g.DomainRules = []DomainRule{{"court.test", On, On, false}}
			g = saveGroup(t, s, g)
			saveMailbox(t, s, Mailbox{GroupID: g.ID, Login: fmt.Sprintf("box%d", i)}, of("zammad-secret"), nil)
			saveUser(t, s, User{Name: fmt.Sprintf("agent%d", i), Role: Agent, Groups: []string{g.ID}}, of(goodPassword))
		}
		for name, list := range lists {
			if after := statementsOf(t, db, list); after != before[name] || after == 0 || after > 3 {
				t.Errorf("%s: %d statements for five, %d for none", name, after, before[name])
			}
		}
	})
}

func TestGroupsComeByNameWithTheirParts(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		s := NewStore(db, nil)
		saveGroup(t, s, plainGroup("Support", "z@desk.test", "a@desk.test"))
		saveGroup(t, s, plainGroup("Billing", "bill@desk.test"))
		all, err := s.Groups(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, g := range all {
			got = append(got, g.Name+": "+strings.Join(g.Addresses, " "))
		}
		want := []string{"Billing: bill@desk.test", "Support: z@desk.test a@desk.test"}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// Two settings protect mail for court.test, each in its own way; a mixture of both would not.
func TestAGroupIsReadAtOneInstant(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		s := NewStore(db, nil)
		byLevel := plainGroup("Support", "help@desk.test")
		byLevel.Encrypt = Required
		byLevel = saveGroup(t, s, byLevel)
		byRule := byLevel
		byRule.Encrypt, byRule.DomainRules = Off, []DomainRule{{"court.test", Off, Required, false}}

		ctx, stop := context.WithCancel(t.Context())
		var writer sync.WaitGroup
		writer.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				g := byLevel
				if i%2 == 0 {
					g = byRule
				}
				if err := trySaveGroup(t, s, g); err != nil {
					t.Error(err)
				}
			}
		})
		defer writer.Wait()
		defer stop()
		for range 300 {
			g, err := s.GroupBySender(t.Context(), "help@desk.test")
			if err != nil {
				t.Fatal(err)
			}
			d := Decide(Request{Encrypt: g.Encrypt, Rules: g.DomainRules, Recipients: []Recipient{{Address: "judge@court.test"}}})
			if !d.Encrypt.Do {
				t.Fatalf("mail to the court would leave in clear under %+v", g)
			}
		}
	})
}

// TestWhatIsRememberedOfAGroupIsThatOfNow: another process changes addresses and rules; what this one looks up next is new.
func TestWhatIsRememberedOfAGroupIsThatOfNow(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		here, there := NewStore(db, nil), NewStore(db, nil)
		g := plainGroup("Support")
		g.Addresses, g.DomainRules = []string{"support@desk.test"}, []DomainRule{{Domain: "court.test", Sign: On, Encrypt: On}}
		g = saveGroup(t, here, g)
		for n, s := range []*Store{there, here, there, here} {
			for _, reader := range []*Store{here, there, here} {
				got, err := reader.Group(t.Context(), g.ID)
				if err != nil || !reflect.DeepEqual(got, g) {
					t.Fatalf("change %d: got %+v, %v, want %+v", n, got, err, g)
				}
				got.Addresses[0], got.DomainRules[0].Encrypt = "spoiled", Off // a caller's copy is its own
			}
			g.Addresses, g.DomainRules = []string{"support@desk.test", fmt.Sprintf("%d@desk.test", n)}, []DomainRule{{Domain: "court.test", Sign: On, Encrypt: Required}}
			g = saveGroup(t, s, g)
		}
		if _, err := here.GroupBySender(t.Context(), "2@desk.test"); !errors.Is(err, ErrNotFound) {
			t.Errorf("an address that was taken away: %v", err)
		}
	})
}
