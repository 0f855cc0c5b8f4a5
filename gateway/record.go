package gateway

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/sealgate/sealgate/gateway/archive"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
)

// Record tells how one message was decided about: what was looked at, which rule won, and for each recipient which
// certificates were there. It holds nothing of the message. It is kept with the article.
type Record struct {
	groups.Decision
	At            time.Time
	Group         string       // name
	SignLevel     groups.Level // of the group, for this kind of mail
	EncryptLevel  groups.Level
	AskedSign     groups.Toggle
	AskedEncrypt  groups.Toggle
	Automatic     bool
	Thread        bool   // the thread came encrypted
	Content       string // the content rule that the message meets, in words
	Mixed         groups.Mixed
	Signer        string // fingerprint of the certificate that signs, or would
	Recipients    []RecipientRecord
	SignOrigin    groups.Origin
	EncryptOrigin groups.Origin
}

// RecipientRecord is what was found for one recipient.
type RecipientRecord struct {
	Address     string
	Hidden      bool
	Fingerprint string        // of the certificate that was chosen; "" when there is none
	Match       keyring.Match // how it was found
	Outcome     string        // what happens to this recipient's copy, in words
	Rejected    []RejectedCertificate
}

// RejectedCertificate is one that was there and could not be used.
type RejectedCertificate struct {
	Fingerprint string
	Problem     string
}

// Record returns the record of a plan.
func (p Plan) Record() Record {
	r := p.inputs
	r.Decision, r.Group, r.Signer = p.Decision, p.Group.Name, p.Signer
	r.SignOrigin, r.EncryptOrigin = p.Decision.Sign.Rule.Origin(), p.Decision.Encrypt.Rule.Origin()
	for _, to := range p.Recipients {
		r.Recipients = append(r.Recipients, RecipientRecord{
			Address: to.Address, Hidden: to.Hidden, Fingerprint: to.Fingerprint, Match: to.Match,
			Outcome: p.outcomeFor(to), Rejected: to.Rejected,
		})
	}
	return r
}

// outcomeFor says what happens to one recipient's copy.
func (p Plan) outcomeFor(to PlannedRecipient) string {
	for _, r := range p.Decision.Refusals {
		if r.Recipient == to.Address {
			return "refused: " + r.Sentence
		}
	}
	if len(p.Decision.Refusals) > 0 {
		return "refused with the whole message"
	}
	return recipientWords(p, to)
}

// rejectedOf lists what else was there for one recipient.
func rejectedOf(rejected []keyring.Rejected, at time.Time) []RejectedCertificate {
	var all []RejectedCertificate
	for _, r := range rejected {
		all = append(all, RejectedCertificate{r.Certificate.Fingerprint, r.Certificate.Judge(keyring.ToEncrypt, at).Brief})
	}
	return all
}

// RecordOf reads the record kept with an outbound article; false for one of which none is kept.
func RecordOf(a archive.Article) (Record, bool) {
	var r Record
	if a.Direction != archive.Out || json.Unmarshal([]byte(a.Verdict), &r) != nil || r.Encrypt.Rule == "" {
		return Record{}, false
	}
	return r, true
}

// Lines tell a record to people, one fact a line.
func (r Record) Lines() []string {
	lines := []string{
		fmt.Sprintf("encrypt: %s, by %s (%s): %s", yesOrNo(r.Encrypt.Do), r.Encrypt.Rule, r.EncryptOrigin, r.Encrypt.Because),
		fmt.Sprintf("sign: %s, by %s (%s): %s", yesOrNo(r.Sign.Do), r.Sign.Rule, r.SignOrigin, r.Sign.Because),
		fmt.Sprintf("levels of group %s: encrypt %s, sign %s%s", r.Group, r.EncryptLevel, r.SignLevel, map[bool]string{true: ", as for automatic mail"}[r.Automatic]),
	}
	if r.AskedEncrypt != groups.Unset || r.AskedSign != groups.Unset {
		lines = append(lines, fmt.Sprintf("asked for with the message: encrypt %s, sign %s", askedWord(r.AskedEncrypt), askedWord(r.AskedSign)))
	}
	if r.Thread {
		lines = append(lines, "the thread came encrypted")
	}
	if r.Content != "" {
		lines = append(lines, "a content rule applies, as "+r.Content)
	}
	for _, to := range r.Recipients {
		lines = append(lines, to.lines()...)
	}
	for _, refusal := range r.Refusals {
		lines = append(lines, "refused: "+refusal.Sentence)
	}
	return append(lines, r.wouldLines()...)
}

func (to RecipientRecord) lines() []string {
	name := "to " + to.Address
	if to.Hidden {
		name = "hidden, to " + to.Address
	}
	lines := []string{name + ": " + to.Outcome}
	if to.Match != "" {
		lines[0] += " (" + string(to.Match) + ")"
	}
	for _, c := range to.Rejected {
		lines = append(lines, "    not used: "+c.Fingerprint+", "+c.Problem)
	}
	return lines
}

// wouldLines say what would happen without shadow mode.
func (r Record) wouldLines() []string {
	if r.Would == nil {
		return nil
	}
	lines := []string{fmt.Sprintf("without shadow mode: encrypt %s, by %s; sign %s, by %s",
		yesOrNo(r.Would.Encrypt.Do), r.Would.Encrypt.Rule, yesOrNo(r.Would.Sign.Do), r.Would.Sign.Rule)}
	for _, refusal := range r.Would.Refusals {
		lines = append(lines, "without shadow mode, refused: "+refusal.Sentence)
	}
	for _, address := range r.Would.Notices {
		lines = append(lines, "without shadow mode, a content-free notice to "+address)
	}
	return lines
}

func yesOrNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func askedWord(t groups.Toggle) string {
	if t == groups.Unset {
		return "nothing"
	}
	return string(t)
}
