package web

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/keyring"
)

// certificateView is a certificate with what the page says about it now.
type certificateView struct {
	*keyring.Certificate
	Name    string
	Expiry  badge
	Encrypt keyring.Judgement // why no mail can be encrypted to it
	Sign    keyring.Judgement
	Verify  keyring.Judgement // of a signature made now
}

func (v *visit) view(c *keyring.Certificate) certificateView {
	now := v.Gateway.Now()
	return certificateView{
		Certificate: c, Name: nameOf(c), Expiry: expiryBadge(c, now),
		Encrypt: c.Judge(keyring.ToEncrypt, now), Sign: c.Judge(keyring.ToSign, now), Verify: c.Judge(keyring.ToVerify, now),
	}
}

// nameOf is what people call a certificate: its first valid user ID.
func nameOf(c *keyring.Certificate) string {
	for _, id := range c.UserIDs {
		if id.Valid {
			return id.Text
		}
	}
	if len(c.UserIDs) > 0 {
		return c.UserIDs[0].Text
	}
	return "key " + c.KeyID
}

func urlQuery(s string) string { return url.QueryEscape(s) }

// counted is a number with the word for one or for many.
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

type keyringPage struct {
	Query      string
	SecretOnly bool
	Waiting    bool  // only what waits for approval is listed
	Proposed   int64 // how many wait
	Total      int64
	Found      []certificateView
	From, To   int
	Earlier    string // query string of the page before; "" when this is the first
	Later      string
}

// perPage is how many certificates one page lists.
const perPage = 50

func keyringList(v *visit) error {
	q := v.r.URL.Query()
	offset, err := strconv.Atoi(q.Get("from"))
	if err != nil || offset < 0 {
		offset = 0
	}
	p := keyringPage{Query: q.Get("q"), SecretOnly: q.Get("own") != "", Waiting: q.Get("waiting") != ""}
	filter := keyring.Filter{Query: p.Query, SecretOnly: p.SecretOnly, Limit: perPage, Offset: offset}
	if p.Waiting {
		filter.State = keyring.Proposed
	}
	found, total, err := v.Gateway.Certificates(v.r.Context(), v.actor(), filter)
	if err != nil {
		return err
	}
	_, p.Proposed, err = v.Gateway.Certificates(v.r.Context(), v.actor(), keyring.Filter{State: keyring.Proposed, Limit: 1})
	if err != nil {
		return err
	}
	for _, c := range found {
		p.Found = append(p.Found, v.view(c))
	}
	p.Total, p.From, p.To = total, offset+1, offset+len(found)
	if offset > 0 {
		p.Earlier = withValue(q, "from", strconv.Itoa(max(0, offset-perPage)))
	}
	if int64(p.To) < total && len(found) > 0 {
		p.Later = withValue(q, "from", strconv.Itoa(p.To))
	}
	return v.show("keyring", "Keyring", p)
}

// withValue is a query string with one value replaced.
func withValue(q url.Values, name, value string) string {
	changed := url.Values{}
	for k, values := range q {
		changed[k] = values
	}
	changed.Set(name, value)
	return "?" + changed.Encode()
}

type certificatePage struct {
	Certificate certificateView
	Sentence    string
	Rivals      []rivalView // in use for its addresses, while it waits
	Unseen      []string    // what to think of it, when mail has not shown it for long
	Rules       []keyring.Rule
	Back        string // where a decision leads
	Public      []publicView
}

func certificate(v *visit) error { return v.showCertificate("") }

// showCertificate shows one certificate, with a sentence when something about it was refused.
func (v *visit) showCertificate(words string) error {
	c, err := v.Gateway.Certificate(v.r.Context(), v.actor(), v.r.PathValue("fingerprint"))
	if err != nil {
		return err
	}
	status := http.StatusOK
	if words != "" {
		status = http.StatusUnprocessableEntity
	}
	p := certificatePage{Certificate: v.view(c), Sentence: words, Back: "/keyring/" + c.Fingerprint}
	if p.Rules, err = v.Gateway.CertificateRules(v.r.Context(), v.actor(), c.Fingerprint); err != nil {
		return err
	}
	if c.HasSecret {
		if p.Public, err = v.publicPages(shows(c)); err != nil {
			return err
		}
	}
	seen, err := v.Gateway.Sightings(v.r.Context(), v.actor(), []*keyring.Certificate{c})
	if err != nil {
		return err
	}
	p.Unseen = gateway.Unseen(seen[c.Fingerprint])
	if c.State == keyring.Proposed {
		beside, err := v.besideRivals([]*keyring.Certificate{c})
		if err != nil {
			return err
		}
		p.Rivals = beside[0].Rivals
	}
	return v.render(status, "certificate", p.Certificate.Name, p)
}

func setCertificateState(v *visit) error {
	fingerprint := v.r.PathValue("fingerprint")
	said := map[keyring.State]string{
		keyring.Approved: "The certificate is approved: mail is encrypted to it, and its signatures count.",
		keyring.Blocked:  "The certificate is blocked: nothing is encrypted to it, and its signatures do not count.",
		keyring.Proposed: "The certificate waits for approval again.",
	}
	state := keyring.State(v.field("state"))
	if said[state] == "" {
		return v.showCertificate("A certificate can be approved, blocked or proposed; choose one of these.")
	}
	if err := v.Gateway.SetCertificateState(v.r.Context(), v.actor(), fingerprint, state); err != nil {
		return err
	}
	if v.field("back") == "/keyring/waiting" {
		return v.to("/keyring/waiting", said[state])
	}
	return v.to("/keyring/"+fingerprint, said[state])
}
