package web

import (
	"net/http"
	"strings"
	"time"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/keyring"
)

type generatePage struct {
	Name, Address, Kind, Until, Sentence string
	Never                                bool
	Concerns                             []string // what the admin must confirm
	Addresses                            []string // of our groups, to choose from
}

func generateForm(v *visit) error {
	until := v.Gateway.Now().AddDate(3, 0, 0).Format(time.DateOnly)
	return v.showGenerate(http.StatusOK, generatePage{Address: v.r.URL.Query().Get("address"), Until: until})
}

func (v *visit) showGenerate(status int, p generatePage) error {
	all, err := v.Gateway.ListGroups(v.r.Context(), v.actor())
	if err != nil {
		return err
	}
	for _, g := range all {
		p.Addresses = append(p.Addresses, g.Addresses...)
		for _, address := range g.Addresses {
			if p.Name == "" && keyring.Fold(address) == keyring.Fold(p.Address) {
				p.Name = g.Name
			}
		}
	}
	return v.render(status, "generate", "Generate a key", p)
}

func generateKey(v *visit) error {
	p := generatePage{Name: v.field("name"), Address: v.field("address"), Kind: v.field("kind"), Until: v.field("until"), Never: v.field("never") != ""}
	k := gateway.NewKey{Kind: keyring.Kind(p.Kind), Name: p.Name, Address: p.Address, Never: p.Never, Confirmed: v.field("confirmed") != ""}
	var err error
	if !p.Never && p.Until != "" {
		k.Until, err = lastDay(p.Until)
	}
	if err == nil && !k.Confirmed {
		if p.Concerns, err = v.Gateway.KeyConcerns(v.r.Context(), v.actor(), p.Address); err == nil && len(p.Concerns) > 0 {
			return v.showGenerate(http.StatusUnprocessableEntity, p)
		}
	}
	var c *keyring.Certificate
	if err == nil {
		c, err = v.Gateway.GenerateKey(v.r.Context(), v.actor(), k)
	}
	if p.Sentence = sentenceOf(err); p.Sentence != "" {
		return v.showGenerate(http.StatusUnprocessableEntity, p)
	}
	if err != nil {
		return err
	}
	return v.to("/keyring/"+c.Fingerprint, "The key is ready. Give its public certificate to the people who write to you.")
}

// lastDay reads what a date field gives; the whole day counts.
func lastDay(text string) (time.Time, error) {
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return time.Time{}, &gateway.Problem{Sentence: "Choose the last day of the key, as year-month-day, or that it never expires.", Cause: err}
	}
	return day.AddDate(0, 0, 1).Add(-time.Second), nil
}

// ownKeyPage is where a key of ours is changed.
type ownKeyPage struct {
	Certificate certificateView
	Until       string // proposed: three years from now, or its own last day where that is later
	Sentence    string
}

func ownKeyForm(v *visit) error { return v.showOwnKey(http.StatusOK, "ownkey", "Manage the key", "") }

func revokeForm(v *visit) error {
	return v.showOwnKey(http.StatusOK, "revoke", "Revoke the key", "")
}

func (v *visit) showOwnKey(status int, template, title, words string) error {
	c, err := v.Gateway.Certificate(v.r.Context(), v.actor(), v.r.PathValue("fingerprint"))
	if err != nil {
		return err
	}
	until := v.Gateway.Now().AddDate(3, 0, 0)
	if c.Expires.After(until) { // never propose to shorten it
		until = c.Expires
	}
	p := ownKeyPage{Certificate: v.view(c), Until: until.UTC().Format(time.DateOnly), Sentence: words}
	return v.render(status, template, title, p)
}

// changed answers a form that changed a key of ours.
func (v *visit) changed(template, title string, change keyring.Change, err error) error {
	if words := sentenceOf(err); words != "" {
		return v.showOwnKey(http.StatusUnprocessableEntity, template, title, words)
	}
	if err != nil {
		return err
	}
	return v.to("/keyring/"+change.Fingerprint+"/manage",
		"Done: "+strings.Join(change.Details, ", ")+". Give the certificate anew to those who write to you, or publish it.")
}

func extendKey(v *visit) error {
	var until time.Time
	var err error
	if v.field("never") == "" {
		until, err = lastDay(v.field("until"))
	}
	var change keyring.Change
	if err == nil {
		change, err = v.Gateway.ExtendKey(v.r.Context(), v.actor(), v.r.PathValue("fingerprint"), until)
	}
	return v.changed("ownkey", "Manage the key", change, err)
}

func addSubkey(v *visit) error {
	change, err := v.Gateway.AddSubkey(v.r.Context(), v.actor(), v.r.PathValue("fingerprint"), keyring.Use(v.field("use")), 0)
	return v.changed("ownkey", "Manage the key", change, err)
}

func retireSubkey(v *visit) error {
	change, err := v.Gateway.RetireSubkey(v.r.Context(), v.actor(), v.r.PathValue("fingerprint"), v.field("subkey"))
	return v.changed("ownkey", "Manage the key", change, err)
}

// revokeKey asks for the admin's own password again: it cannot be taken back.
func revokeKey(v *visit) error {
	err := v.proveIdentity(v.secret("password"))
	var change keyring.Change
	if err == nil {
		change, err = v.Gateway.RevokeKey(v.r.Context(), v.actor(), v.r.PathValue("fingerprint"), keyring.RevocationReason(v.field("reason")), v.field("text"))
	}
	return v.changed("revoke", "Revoke the key", change, err)
}

// downloadRevocation asks for the admin's own password again: who has the file can end the key.
func downloadRevocation(v *visit) error {
	err := v.proveIdentity(v.secret("password"))
	var f gateway.File
	if err == nil {
		f, err = v.Gateway.RevocationCertificate(v.r.Context(), v.actor(), v.r.PathValue("fingerprint"))
	}
	if words := sentenceOf(err); words != "" {
		return v.showOwnKey(http.StatusUnprocessableEntity, "ownkey", "Manage the key", words)
	}
	if err != nil {
		return err
	}
	return v.download(f)
}
