package groups

import (
	"reflect"
	"slices"
	"testing"

	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
	"pgregory.net/rapid"
)

// A group from before the forms could be chosen keeps sending and opening as it did; Autocrypt alone is new to it.
func TestAnOldGroupHasTheDefaultForms(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		for _, statement := range []string{
			`INSERT INTO groups (id, name, sign_level, encrypt_level, auto_sign_level, auto_encrypt_level, mixed, subject_tags, created_ms, updated_ms)
			VALUES ('old', 'Old', 'on', 'auto', 'auto', 'auto', 'refuse', FALSE, 1, 1)`,
			`INSERT INTO group_domain_rules (group_id, domain, sign_level, encrypt_level) VALUES ('old', 'court.test', 'on', 'on')`,
		} {
			if err := db.Exec(statement).Error; err != nil {
				t.Fatal(err)
			}
		}
		g, err := NewStore(db, nil).Group(t.Context(), "old")
		if err != nil {
			t.Fatal(err)
		}
		if g.HideSubject || g.KeepTicket || g.AttachKey || !g.Autocrypt || g.InlineIn != InlineWhole || g.DomainRules[0].Inline {
			t.Errorf("read %+v", g)
		}
	})
}

func TestInlineIsForTheDomainsThatReadIt(t *testing.T) {
	g := Group{DomainRules: []DomainRule{
		{Domain: "xn--bro-hoa.test", Sign: Off, Encrypt: Off, Inline: true},
		{Domain: "court.test", Sign: On, Encrypt: On},
	}}
	for address, want := range map[string]bool{
		"ada@xn--bro-hoa.test":     true,
		"ada@XN--BRO-HOA.test":     true,
		"ada@büro.test":            true,
		"ada@sub.xn--bro-hoa.test": false,
		"ada@court.test":           false,
		"xn--bro-hoa.test@x.test":  false,
		"":                         false,
	} {
		if got := g.ReadsInline(address); got != want {
			t.Errorf("%q reads inline PGP: %t, want %t", address, got, want)
		}
	}
}

// Which form somebody reads changes nothing about what is protected.
func TestTheFormDecidesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := anyRequest().Draw(t, "request")
		want := Decide(r)
		r.Rules = slices.Clone(r.Rules)
		for i := range r.Rules {
			r.Rules[i].Inline = true
		}
		if got := Decide(r); !reflect.DeepEqual(got, want) {
			t.Errorf("with inline PGP\n %+v\nwithout\n %+v", got, want)
		}
	})
}
