package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/archive"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
)

// draftFields are what the composer's form holds, all of it, so that nothing typed is ever lost.
func draftFields() []string {
	return []string{"sender", "to", "cc", "bcc", "subject", "text", "reply", "encrypt", "sign"}
}

// keepDraft takes the composer's fields out of a form.
func keepDraft(form url.Values) url.Values {
	kept := url.Values{}
	for _, name := range draftFields() {
		kept.Set(name, form.Get(name))
	}
	return kept
}

type composePage struct {
	Draft     url.Values
	Senders   []senderGroup
	Plan      planView
	Sentences []string // why it was not sent
}

// senderGroup is one group with the addresses that it writes as; a choice is "group id, blank, address".
type senderGroup struct {
	Name    string
	Choices []senderChoice
}

type senderChoice struct{ Value, Address string }

// composeForm is an empty composer, or one filled in to answer an article. A link may name recipients and a subject,
// but never the toggles: those are the person's own choice.
func composeForm(v *visit) error {
	q := v.r.URL.Query()
	draft := keepDraft(q)
	draft.Del("encrypt")
	draft.Del("sign")
	if id := q.Get("reply"); id != "" {
		opened, err := v.Gateway.ReadArticle(v.r.Context(), v.actor(), id)
		if err != nil {
			return err
		}
		answer(draft, opened)
		senders, err := v.senders()
		if err != nil {
			return err
		}
		chooseSender(draft, senders, append(opened.Article.To, opened.Article.From))
	}
	return v.showDraft(http.StatusOK, draft)
}

// answer fills in a draft: to the sender, from the address that was written to, with the text quoted.
func answer(draft url.Values, opened gateway.ArticleView) {
	a := opened.Article
	draft.Set("to", a.From)
	if a.Direction == archive.Out {
		draft.Set("to", strings.Join(a.To, ", "))
	}
	draft.Set("sender", a.GroupID+" ")
	subject := opened.View.Subject
	if len(subject) < 3 || !strings.EqualFold(subject[:3], "re:") {
		subject = "Re: " + subject
	}
	draft.Set("subject", subject)
	if text := strings.TrimSpace(opened.View.Text); text != "" {
		quoted := "> " + strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\n> ")
		draft.Set("text", "\n\n"+opened.View.From+" wrote:\n"+quoted)
	}
}

// showDraft shows the composer with what was typed and with what would happen to it.
func (v *visit) showDraft(status int, draft url.Values, words ...string) error {
	senders, err := v.senders()
	if err != nil {
		return err
	}
	p := composePage{Draft: draft, Senders: senders}
	for _, w := range words {
		if w != "" {
			p.Sentences = append(p.Sentences, w)
		}
	}
	chooseSender(draft, senders, nil)
	if len(senders) > 0 {
		if p.Plan, err = v.planDraft(draft); err != nil {
			return err
		}
	}
	return v.render(status, "compose", "New message", p)
}

// senders are the addresses that the person may write as.
func (v *visit) senders() ([]senderGroup, error) {
	all, err := v.Gateway.ListGroups(v.r.Context(), v.actor())
	if err != nil {
		return nil, err
	}
	var found []senderGroup
	for _, g := range all {
		sg := senderGroup{Name: g.Name}
		for _, address := range g.Addresses {
			sg.Choices = append(sg.Choices, senderChoice{g.ID + " " + address, address})
		}
		if len(sg.Choices) > 0 {
			found = append(found, sg)
		}
	}
	return found, nil
}

// chooseSender settles a draft on a sender that exists: the one chosen, else one of the group that was written to,
// else the first.
func chooseSender(draft url.Values, senders []senderGroup, preferred []string) {
	var first, inGroup string
	for _, sg := range senders {
		for _, c := range sg.Choices {
			if c.Value == draft.Get("sender") {
				return
			}
			if first == "" {
				first = c.Value
			}
			if draft.Get("sender") == "" || !strings.HasPrefix(c.Value, draft.Get("sender")) {
				continue
			}
			if inGroup == "" || slices.ContainsFunc(preferred, func(a string) bool { return strings.EqualFold(a, c.Address) }) {
				inGroup = c.Value
			}
		}
	}
	if inGroup != "" {
		first = inGroup
	}
	draft.Set("sender", first)
}

// compose sends the message, or shows it again with the reason why it was refused. Its Check button only shows it.
func compose(v *visit) error {
	draft := keepDraft(v.r.PostForm)
	if v.r.PostForm.Has("check") {
		return v.showDraft(http.StatusOK, draft)
	}
	d := draftOf(draft)
	if !utf8.ValidString(d.Text) || !utf8.ValidString(d.Subject) {
		return v.showDraft(http.StatusUnprocessableEntity, draft, "The text has bytes that are no characters; type or paste it again.")
	}
	id, err := v.Gateway.Compose(v.r.Context(), v.actor(), d)
	if words := sentenceOf(err); words != "" {
		return v.showDraft(http.StatusUnprocessableEntity, draft, words)
	}
	if err != nil {
		return err
	}
	return v.to("/articles/"+id, "The message is accepted and on its way. The queue shows how its delivery goes.")
}

// draftOf reads the form as the gateway's draft.
func draftOf(form url.Values) gateway.Draft {
	group, from, _ := strings.Cut(form.Get("sender"), " ")
	return gateway.Draft{
		GroupID: group, From: from,
		To: addresses(form.Get("to")), Cc: addresses(form.Get("cc")), Bcc: addresses(form.Get("bcc")),
		Subject: form.Get("subject"), Text: form.Get("text"), ReplyTo: form.Get("reply"),
		ToggleSign: toggle(form.Get("sign")), ToggleEncrypt: toggle(form.Get("encrypt")),
	}
}

func toggle(value string) groups.Toggle {
	switch t := groups.Toggle(value); t {
	case groups.ToggleOn, groups.ToggleOff:
		return t
	}
	return groups.Unset
}

// addresses reads recipients as people type or paste them: separated by commas, semicolons or line ends, with or
// without a name before the address in angle brackets.
func addresses(text string) []string {
	var all []string
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ';' || r == '\n' || r == '\r' }) {
		part = strings.TrimSpace(part)
		if open := strings.LastIndexByte(part, '<'); open >= 0 && strings.HasSuffix(part, ">") {
			part = strings.TrimSpace(part[open+1 : len(part)-1])
		}
		if part != "" {
			all = append(all, part)
		}
	}
	return all
}

// wellFormed divides recipients into addresses and what is none (yet).
func wellFormed(all []string) (good, bad []string) {
	for _, a := range all {
		if _, err := keyring.CanonicalAddress(a); err != nil {
			bad = append(bad, a)
		} else {
			good = append(good, a)
		}
	}
	return good, bad
}
