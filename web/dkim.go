package web

import (
	"errors"
	"net/http"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/dkim"
)

// dkimPage is the list of keys, with what was typed when a form was refused.
type dkimPage struct {
	Keys                   []gateway.DKIMKey
	Domains                []string // that groups write from
	Domain, Selector, Kind string
	Importing              bool   // the refused form is that of an import
	Sentence               string // why it was refused
	Asks                   bool   // there is a DNS to ask
}

func dkimKeys(v *visit) error { return v.showDKIM(dkimPage{Kind: "both"}) }

func (v *visit) showDKIM(p dkimPage) error {
	var err error
	if p.Keys, err = v.Gateway.DKIMKeys(v.r.Context(), v.actor()); err != nil {
		return err
	}
	if p.Domains, err = v.Gateway.SenderDomains(v.r.Context(), v.actor()); err != nil {
		return err
	}
	p.Asks = v.Gateway.Resolver != nil
	status := http.StatusOK
	if p.Sentence != "" {
		status = http.StatusUnprocessableEntity
	}
	return v.render(status, "dkim", "DKIM", p)
}

// refusedDKIM shows the page with the sentence for an error; one without goes on.
func (v *visit) refusedDKIM(p dkimPage, err error) error {
	if p.Sentence = sentenceOf(err); p.Sentence == "" {
		return err
	}
	return v.showDKIM(p)
}

func generateDKIM(v *visit) error {
	p := dkimPage{Domain: v.field("domain"), Selector: v.field("selector"), Kind: v.field("kind")}
	n := gateway.NewDKIMKey{Domain: p.Domain, Selector: p.Selector}
	if p.Kind != "both" {
		n.Algorithm = dkim.Algorithm(p.Kind)
	}
	if _, err := v.Gateway.GenerateDKIMKeys(v.r.Context(), v.actor(), n); err != nil {
		return v.refusedDKIM(p, err)
	}
	return v.to("/dkim", "Made. Publish each record in the DNS, then look whether it is there.")
}

func importDKIM(v *visit) error {
	p := dkimPage{Domain: v.field("domain"), Selector: v.field("selector"), Kind: "both", Importing: true}
	if _, err := v.Gateway.ImportDKIMKey(v.r.Context(), v.actor(), p.Domain, p.Selector, []byte(v.secret("key"))); err != nil {
		return v.refusedDKIM(p, err)
	}
	return v.to("/dkim", "Imported and sealed. Look whether its record is in the DNS, then switch it on.")
}

// namedDKIM is the domain and selector in the address of the page.
func (v *visit) namedDKIM() (domain, selector string) {
	return v.r.PathValue("domain"), v.r.PathValue("selector")
}

func checkDKIM(v *visit) error {
	domain, selector := v.namedDKIM()
	k, err := v.Gateway.CheckDKIMKey(v.r.Context(), v.actor(), domain, selector)
	if err != nil {
		return v.refusedDKIM(dkimPage{Kind: "both"}, err)
	}
	return v.to("/dkim", k.Selector+": "+k.Sentence())
}

func activateDKIM(v *visit) error {
	domain, selector := v.namedDKIM()
	k, err := v.Gateway.ActivateDKIMKey(v.r.Context(), v.actor(), domain, selector, v.field("unseen") != "")
	if err != nil {
		return v.refusedDKIM(dkimPage{Kind: "both"}, err)
	}
	return v.to("/dkim", "Mail from "+k.Domain+" is signed with "+k.Selector+" from now on.")
}

func deactivateDKIM(v *visit) error {
	domain, selector := v.namedDKIM()
	k, err := v.Gateway.DeactivateDKIMKey(v.r.Context(), v.actor(), domain, selector)
	if err != nil {
		return err
	}
	return v.to("/dkim", "Mail is not signed with "+k.Selector+" any more. Leave its record in the DNS for a week.")
}

func deleteDKIMForm(v *visit) error {
	domain, selector := v.namedDKIM()
	k, err := v.Gateway.DKIMKey(v.r.Context(), v.actor(), domain, selector)
	if err != nil {
		return err
	}
	p := confirmPage{
		Heading: "Delete this DKIM key?", Subject: k.Selector + " of " + k.Domain,
		Effects: []string{
			"Its secret is shredded and cannot be had back.",
			"Mail that it signed verifies as long as its record is in the DNS. Take that out a week after the key was switched off.",
		},
		Back: "/dkim", Button: "Delete the key",
	}
	return v.show("confirm", p.Heading, p)
}

func deleteDKIM(v *visit) error {
	domain, selector := v.namedDKIM()
	err := v.Gateway.DeleteDKIMKey(v.r.Context(), v.actor(), domain, selector)
	if errors.Is(err, gateway.ErrNotFound) {
		return v.to("/dkim", "The key is gone already.")
	}
	if err != nil {
		return v.refusedDKIM(dkimPage{Kind: "both"}, err)
	}
	return v.to("/dkim", "The key is deleted.")
}

// foundBadge is what the last look at the DNS saw of a key.
func foundBadge(finding string) badge {
	switch f := dkim.Finding(finding); {
	case f.Seen():
		return badge{"ok", "check", "Record seen in the DNS"}
	case f == "":
		return badge{"quiet", "dash", "Record not looked for yet"}
	case f == dkim.Missing:
		return badge{"warn", "clock", "Record not in the DNS yet"}
	case f == dkim.Unreachable:
		return badge{"warn", "alert", "The DNS gave no answer"}
	}
	return badge{"bad", "alert", "Record in the DNS is not right"}
}
