package web

import (
	"net/http"
	"strings"

	"github.com/sealgate/sealgate/keyring"
)

// ruleView is a pin or a domain rule with the certificate that it names.
type ruleView struct {
	keyring.Rule
	Domain bool
	Name   string // of the certificate
	Reason string // why it cannot be used now, in words; "" when it can
}

type rulesPage struct {
	Rules       []ruleView
	Everyone    bool     // +tags are ignored everywhere
	TagDomains  []string // where else they are
	Sentence    string
	Target      string // as it was typed
	Fingerprint string
	Domain      string
}

func keyRules(v *visit) error {
	return v.showRules(rulesPage{Fingerprint: v.r.URL.Query().Get("fingerprint")})
}

// showRules shows every rule, with what was typed when it was refused.
func (v *visit) showRules(p rulesPage) error {
	rules, err := v.Gateway.CertificateRules(v.r.Context(), v.actor(), "")
	if err != nil {
		return err
	}
	for _, r := range rules {
		view, err := v.rule(r)
		if err != nil {
			return err
		}
		p.Rules = append(p.Rules, view)
	}
	domains, err := v.Gateway.TagDomains(v.r.Context(), v.actor())
	if err != nil {
		return err
	}
	for _, d := range domains {
		if d == "*" {
			p.Everyone = true
		} else {
			p.TagDomains = append(p.TagDomains, d)
		}
	}
	status := http.StatusOK
	if p.Sentence != "" {
		status = http.StatusUnprocessableEntity
	}
	return v.render(status, "rules", "Rules of choice", p)
}

func (v *visit) rule(r keyring.Rule) (ruleView, error) {
	c, err := v.Gateway.Certificate(v.r.Context(), v.actor(), r.Fingerprint)
	if err != nil && !isNotFound(err) {
		return ruleView{}, err
	}
	view := ruleView{Rule: r, Domain: !strings.Contains(r.Target, "@"), Name: "a certificate that was deleted"}
	if err == nil {
		view.Name, view.Reason = nameOf(c), v.view(c).Encrypt.Sentence
	}
	return view, nil
}

// pinTarget makes a certificate the one for an address or a domain. The form stands on the page of rules and on that of
// a certificate, to which it leads back.
func pinTarget(v *visit) error {
	p := rulesPage{Target: v.field("target"), Fingerprint: strings.ReplaceAll(v.field("fingerprint"), " ", "")}
	err := v.Gateway.PinCertificate(v.r.Context(), v.actor(), p.Target, p.Fingerprint)
	if isNotFound(err) {
		p.Sentence = "No certificate in the keyring has this fingerprint; copy it from the certificate's page."
		return v.showRules(p)
	}
	if p.Sentence = sentenceOf(err); p.Sentence != "" {
		return v.showRules(p)
	}
	if err != nil {
		return err
	}
	return v.to(v.rulesOrCertificate(), "Saved: mail to "+p.Target+" is encrypted to this certificate from now on.")
}

func unpinTarget(v *visit) error {
	target := v.field("target")
	if err := v.Gateway.UnpinCertificate(v.r.Context(), v.actor(), target); err != nil && !isNotFound(err) {
		return err
	}
	return v.to(v.rulesOrCertificate(), "Removed: the certificate for "+target+" is found by its user IDs again.")
}

// rulesOrCertificate is the page that the form stood on.
func (v *visit) rulesOrCertificate() string {
	if fingerprint := v.field("back"); fingerprint != "" {
		return "/keyring/" + fingerprint
	}
	return "/keyring/rules"
}

func setTags(v *visit) error {
	domain, ignore := v.field("domain"), v.field("ignore") != ""
	err := v.Gateway.IgnoreTags(v.r.Context(), v.actor(), domain, ignore)
	if words := sentenceOf(err); words != "" {
		return v.showRules(rulesPage{Sentence: words, Domain: domain})
	}
	if err != nil {
		return err
	}
	where := "of " + domain
	if domain == "*" {
		where = "of every domain"
	}
	if ignore {
		return v.to("/keyring/rules", "Saved: addresses "+where+" are looked up without their +tag when they have no certificate of their own.")
	}
	return v.to("/keyring/rules", "Saved: addresses "+where+" count as they are written.")
}
