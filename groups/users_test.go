package groups

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

func TestAPersonIsReadAsSaved(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		s := NewStore(db, nil)
		ids := []string{saveGroup(t, s, plainGroup("Support")).ID, saveGroup(t, s, plainGroup("Billing")).ID}
		slices.Sort(ids)
		saved := saveUser(t, s, User{Name: " Jürgen ", Role: Agent, Groups: []string{ids[1], ids[0], ids[1]}}, of(goodPassword))
		want := User{ID: saved.ID, Name: "jürgen", Role: Agent, Groups: ids, CreatedAt: noon}
		byID, err1 := s.User(t.Context(), saved.ID)
		byName, err2 := s.UserByName(t.Context(), "JÜRGEN")
		all, err3 := s.Users(t.Context())
		loggedIn, err4 := s.AuthenticateUser(t.Context(), "Jürgen", goodPassword)
		if err := errors.Join(err1, err2, err3, err4); err != nil || len(all) != 1 {
			t.Fatalf("%d users, %v", len(all), err)
		}
		for _, got := range []User{saved, byID, byName, all[0], loggedIn} {
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got\n %+v\nwant\n %+v", got, want)
			}
		}
		want.Groups, want.Role = nil, Auditor
		saveUser(t, s, want, nil)
		if got, err := s.User(t.Context(), saved.ID); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("after the change\n %+v (%v)\nwant\n %+v", got, err, want)
		}
	})
}

func TestLoginsFailAlike(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		s := NewStore(db, nil)
		saveUser(t, s, User{Name: "root", Role: Admin}, of(goodPassword))
		saveUser(t, s, User{Name: "gone", Role: Agent, Disabled: true}, of(goodPassword))
		for _, c := range [][2]string{{"root", "wrong"}, {"root", ""}, {"nobody", goodPassword}, {"gone", goodPassword}, {"root", strings.Repeat("x", 1<<20)}} {
			if u, err := s.AuthenticateUser(t.Context(), c[0], c[1]); !errors.Is(err, ErrLogin) || u.Name != "" {
				t.Errorf("%.40q: %+v, %v", c, u, err)
			}
		}
	})
}

func TestTheLastAdminStays(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		s := NewStore(db, nil)
		alice := saveUser(t, s, User{Name: "alice", Role: Admin}, of(goodPassword))
		saveUser(t, s, User{Name: "former", Role: Admin, Disabled: true}, of(goodPassword))
		demoted, disabled := alice, alice
		demoted.Role, disabled.Disabled = Agent, true
		deleteAlice := func(tx *gorm.DB) error { return s.DeleteUser(t.Context(), tx, alice.ID) }
		for _, err := range []error{trySaveUser(t, s, demoted, nil), trySaveUser(t, s, disabled, nil), remove(db, deleteAlice)} {
			wantInvalid(t, err, "role", "last enabled admin")
		}
		saveUser(t, s, alice, of("another "+goodPassword)) // a new password is no demotion

		bob := saveUser(t, s, User{Name: "bob", Role: Admin}, of(goodPassword))
		saveUser(t, s, demoted, nil)
		bob.Role = Auditor
		wantInvalid(t, trySaveUser(t, s, bob, nil), "role", "last enabled admin")
		if err := remove(db, deleteAlice); err != nil {
			t.Errorf("an agent can be deleted: %v", err)
		}
	})
}

func TestAdminsCannotRemoveEachOtherAtOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		s := NewStore(db, nil)
		var admins []User
		for _, name := range []string{"alice", "bob", "carol", "dave"} {
			admins = append(admins, saveUser(t, s, User{Name: name, Role: Admin}, of(goodPassword)))
		}
		var demotions sync.WaitGroup
		for _, u := range admins {
			u.Role = Agent
			demotions.Go(func() {
				var invalid *Invalid
				if err := trySaveUser(t, s, u, nil); err != nil && !errors.As(err, &invalid) {
					t.Error(err)
				}
			})
		}
		demotions.Wait()
		all, err := s.Users(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		left := slices.DeleteFunc(all, func(u User) bool { return u.Role != Admin })
		if len(left) != 1 {
			t.Errorf("%d admins are left, want 1", len(left))
		}
	})
}

func TestUserValuesAreChecked(t *testing.T) {
	s := NewStore(dbtest.SQLite(t), nil)
	saveUser(t, s, User{Name: "taken", Role: Admin}, of(goodPassword))
	for name, c := range map[string]struct {
		user        User
		password    *string
		field, part string
	}{
		"no name":        {User{Role: Agent}, of(goodPassword), "name", "the name is empty"},
		"blank in name":  {User{Name: "a b", Role: Agent}, of(goodPassword), "name", "letters, digits"},
		"colon in name":  {User{Name: "a:b", Role: Agent}, of(goodPassword), "name", "letters, digits"},
		"name taken":     {User{Name: "Taken", Role: Agent}, of(goodPassword), "name", "already a person named taken"},
		"unknown role":   {User{Name: "bob", Role: "boss"}, of(goodPassword), "role", "agent, admin or auditor"},
		"unknown group":  {User{Name: "bob", Role: Agent, Groups: []string{"ghost"}}, of(goodPassword), "group", "no such group"},
		"no password":    {User{Name: "bob", Role: Agent}, nil, "password", "needs a password"},
		"short password": {User{Name: "bob", Role: Agent}, of("eleven char"), "password", "at least 12 characters"},
		"few characters": {User{Name: "bob", Role: Agent}, of("üüüüüüüüüüü"), "password", "at least 12 characters"},
		"huge password":  {User{Name: "bob", Role: Agent}, of(strings.Repeat("x", 1025)), "password", "at most 1024"},
	} {
		t.Run(name, func(t *testing.T) {
			wantInvalid(t, trySaveUser(t, s, c.user, c.password), c.field, c.part)
		})
	}
}

func TestTokensOpenTheDoorUntilTheirOwnerIsDisabled(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		s := NewStore(db, nil)
		saveUser(t, s, User{Name: "root", Role: Admin}, of(goodPassword))
		g := saveGroup(t, s, plainGroup("Support"))
		bob := saveUser(t, s, User{Name: "bob", Role: Agent, Groups: []string{g.ID}}, of(goodPassword))
		newToken := func(id string) (string, error) {
			return try(db, func(tx *gorm.DB) (string, error) { return s.NewToken(t.Context(), tx, id, "script", noon) })
		}
		token, err := newToken(bob.ID)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(token, "sg_") || len(token) != 46 {
			t.Errorf("token of %d characters", len(token))
		}
		if got, err := s.UserByToken(t.Context(), token); err != nil || !reflect.DeepEqual(got, bob) {
			t.Errorf("got %+v, %v", got, err)
		}
		if _, err := newToken("ghost"); !errors.Is(err, ErrNotFound) {
			t.Errorf("token for nobody: %v", err)
		}
		flipped := token[:10] + map[bool]string{true: "B", false: "A"}[token[10] == 'A'] + token[11:]
		for _, wrong := range []string{"", "sg_", token[3:], token + "A", strings.ToUpper(token), flipped} {
			if _, err := s.UserByToken(t.Context(), wrong); !errors.Is(err, ErrLogin) {
				t.Errorf("a wrong token: %v", err)
			}
		}
		bob.Disabled = true
		saveUser(t, s, bob, nil)
		if _, err := s.UserByToken(t.Context(), token); !errors.Is(err, ErrLogin) {
			t.Errorf("the token of a disabled person: %v", err)
		}
	})
}
