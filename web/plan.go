package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/groups"
)

// planView is what the composer says about a draft: what would happen, and why.
type planView struct {
	Encrypt    rulingView
	Sign       rulingView
	Recipients []recipientView
	Refusals   []string
	Notices    []string // recipients that would get a notice instead of the message
	Problem    string   // why nothing can be sent at all
}

// rulingView is one toggle: its state, what it would be by itself, and the reason in words.
type rulingView struct {
	Key      string // encrypt or sign
	Toggle   groups.Toggle
	Do       bool
	Possible bool
	Default  bool
	Locked   bool
	Required bool
	Because  string
}

type recipientView struct {
	Address     string
	Hidden      bool
	Fingerprint string
	Expires     time.Time
	Problem     string
	Soon        bool // the certificate expires soon
}

// planDraft asks the gateway what would happen to a draft. Recipients that are still being typed are pointed out and
// left aside, and a message without any can be planned too.
func (v *visit) planDraft(form url.Values) (planView, error) {
	d := draftOf(form)
	var bad, more []string
	d.To, bad = wellFormed(d.To)
	d.Cc, more = wellFormed(d.Cc)
	bad = append(bad, more...)
	d.Bcc, more = wellFormed(d.Bcc)
	bad = append(bad, more...)
	plan, words, err := v.plan(d)
	if err != nil {
		return planView{}, err
	}
	p := v.planView(d, plan)
	p.Problem = words
	for _, address := range bad {
		p.Recipients = append(p.Recipients, recipientView{Address: address, Problem: "not a mail address yet; write it as name@example.org"})
	}
	return p, nil
}

// plan asks for the plan of a draft. When the draft cannot be sent as it is, the words say why, and the plan is the
// one for its recipients alone.
func (v *visit) plan(d gateway.Draft) (plan gateway.Plan, words string, err error) {
	if len(d.To)+len(d.Cc)+len(d.Bcc) > 0 {
		plan, err = v.Gateway.PlanDraft(v.r.Context(), v.actor(), d)
		var problem *gateway.Problem
		if !errors.As(err, &problem) {
			return plan, "", err
		}
		words = sentence(problem.Sentence)
	}
	plan, err = v.Gateway.Plan(v.r.Context(), v.actor(), gateway.PlanRequest{
		GroupID: d.GroupID, From: d.From, Visible: append(append([]string{}, d.To...), d.Cc...), Hidden: d.Bcc,
		ToggleSign: d.ToggleSign, ToggleEncrypt: d.ToggleEncrypt,
	})
	if again := sentenceOf(err); again != "" {
		return gateway.Plan{}, again, nil
	}
	return plan, words, err
}

func (v *visit) planView(d gateway.Draft, plan gateway.Plan) planView {
	p := planView{
		Encrypt: rulingOf("encrypt", d.ToggleEncrypt, plan.Decision.Encrypt),
		Sign:    rulingOf("sign", d.ToggleSign, plan.Decision.Sign),
		Notices: plan.Decision.Notices,
	}
	for _, r := range plan.Recipients {
		p.Recipients = append(p.Recipients, recipientView{
			Address: r.Address, Hidden: r.Hidden, Fingerprint: r.Fingerprint, Expires: r.Expires, Problem: r.Problem,
			Soon: !r.Expires.IsZero() && r.Expires.Sub(v.Gateway.Now()) <= soon,
		})
	}
	if len(plan.Recipients) == 0 {
		return p // that nobody is named yet is no news to who just began
	}
	for _, r := range plan.Decision.Refusals {
		p.Refusals = append(p.Refusals, sentence(r.Sentence))
	}
	return p
}

func rulingOf(key string, t groups.Toggle, r groups.Ruling) rulingView {
	return rulingView{
		Key: key, Toggle: t, Do: r.Do, Possible: r.Possible, Default: r.Default, Locked: r.Locked,
		Required: r.Level == groups.Required, Because: r.Because,
	}
}

// planAnswer is what the composer's script gets: the values, and the same parts of the page that a reload would show.
type planAnswer struct {
	Encrypt rulingAnswer      `json:"encrypt"`
	Sign    rulingAnswer      `json:"sign"`
	Parts   map[string]string `json:"parts"` // HTML by the id of the element that it fills
}

type rulingAnswer struct {
	Do       bool   `json:"do"`
	Possible bool   `json:"possible"`
	Default  bool   `json:"default"`
	Locked   bool   `json:"locked"`
	Because  string `json:"because"`
}

// composePlan answers the script on each change of recipients, sender or toggles.
func composePlan(v *visit) error {
	p, err := v.planDraft(v.r.PostForm)
	if err != nil {
		return err
	}
	a := planAnswer{Encrypt: answerOf(p.Encrypt), Sign: answerOf(p.Sign), Parts: map[string]string{}}
	for id, part := range map[string]struct {
		name string
		data any
	}{
		"encrypt-state": {"ruling", p.Encrypt}, "sign-state": {"ruling", p.Sign},
		"recipients": {"recipients", p}, "refusals": {"refusals", p},
	} {
		var b bytes.Buffer
		if err := v.templates["compose"].ExecuteTemplate(&b, part.name, part.data); err != nil {
			return fmt.Errorf("render %s: %w", part.name, err)
		}
		a.Parts[id] = b.String()
	}
	v.w.Header().Set("Content-Type", "application/json")
	v.w.WriteHeader(http.StatusOK)
	json.NewEncoder(v.w).Encode(a) // a script that has gone needs no answer
	return nil
}

func answerOf(r rulingView) rulingAnswer {
	return rulingAnswer{r.Do, r.Possible, r.Default, r.Locked, r.Because}
}
