package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
)

// PlanRequest asks what would happen to a message. It is the question that the composer asks on each change, and
// that Submit asks for each real message.
type PlanRequest struct {
	GroupID       string   // "" to find it by From
	From          string   // one sender address
	Visible       []string // To and Cc
	Hidden        []string // Bcc: in the envelope only
	References    []string // Message-IDs of the thread, without angle brackets
	Automatic     bool
	ToggleSign    groups.Toggle
	ToggleEncrypt groups.Toggle

	// What the group's content rules look at: of the message itself.
	Subject     string
	Files       []string // names of attachments
	Sensitivity string
}

// PlannedRecipient is what the plan says about one recipient.
type PlannedRecipient struct {
	Address     string
	Hidden      bool
	Fingerprint string    // of the certificate that would be used
	Expires     time.Time // of that certificate; zero means never
	Problem     string    // why there is none, in words
	Match       keyring.Match
	Rejected    []RejectedCertificate // what else was there, and why it is not used
}

// Plan is what would happen. Decision.Refusals empty means that it may leave.
type Plan struct {
	Group      groups.Group
	Decision   groups.Decision
	Recipients []PlannedRecipient
	Signer     string // fingerprint of the certificate that would sign

	readers map[string]*keyring.Certificate // by recipient address
	own     *keyring.Certificate            // the group's own, always a reader
	inputs  Record                          // what was looked at
}

// Plan decides what happens to a message, and changes nothing.
func (g *Gateway) Plan(ctx context.Context, a Actor, r PlanRequest) (Plan, error) {
	group, err := g.groupFor(ctx, a, r)
	if err != nil {
		return Plan{}, err
	}
	return g.planFor(ctx, a, group, r)
}

// groupFor finds the group that writes, and checks that the actor may write for it with this sender address.
func (g *Gateway) groupFor(ctx context.Context, a Actor, r PlanRequest) (groups.Group, error) {
	var group groups.Group
	var err error
	if r.GroupID != "" {
		group, err = g.Groups.Group(ctx, r.GroupID)
	} else {
		group, err = g.Groups.GroupBySender(ctx, r.From)
	}
	if errors.Is(err, groups.ErrNotFound) {
		return groups.Group{}, &Problem{Sentence: fmt.Sprintf("No group writes as %s; add the address to a group first.", r.From), Cause: err}
	}
	if err != nil {
		return groups.Group{}, fmt.Errorf("find group: %w", err)
	}
	if !a.mayUse(group.ID) {
		return groups.Group{}, ErrForbidden
	}
	if !writesAs(group, r.From) {
		return groups.Group{}, &Problem{Sentence: fmt.Sprintf("Group %s does not write as %s; choose one of its own addresses.", group.Name, r.From)}
	}
	return group, nil
}

func writesAs(group groups.Group, address string) bool {
	for _, own := range group.Addresses {
		if keyring.Fold(own) == keyring.Fold(address) {
			return true
		}
	}
	return false
}

// planFor judges every certificate at one instant and decides.
func (g *Gateway) planFor(ctx context.Context, a Actor, group groups.Group, r PlanRequest) (Plan, error) {
	now := g.Now()
	recipients := unique(r.Visible, r.Hidden)
	own, err := g.Keyring.ByAddress(ctx, []string{r.From}, now)
	if err != nil {
		return Plan{}, fmt.Errorf("look up own certificates: %w", err)
	}
	choices, err := g.Keyring.Choices(ctx, recipients, now)
	if err != nil {
		return Plan{}, fmt.Errorf("look up certificates: %w", err)
	}
	thread, err := g.Archive.CameEncrypted(ctx, group.ID, r.References)
	if err != nil {
		return Plan{}, fmt.Errorf("look up thread: %w", err)
	}
	p := Plan{Group: group, readers: map[string]*keyring.Certificate{}}
	request := groups.Request{
		Sign: group.Sign, Encrypt: group.Encrypt, Rules: group.DomainRules, Mixed: group.Mixed,
		ThreadEncrypted: thread, ToggleSign: r.ToggleSign, ToggleEncrypt: r.ToggleEncrypt,
		ByAdmin: a.Role == groups.Admin, Shadow: group.Shadow,
		HouseSign: g.Policy.Sign, HouseEncrypt: g.Policy.Encrypt,
		Content: group.Content.Meets(r.Subject, r.Files, r.Sensitivity),
	}
	if r.Automatic {
		request.Sign, request.Encrypt = group.AutoSign, group.AutoEncrypt
	}
	p.inputs = inputsOf(request, r.Automatic, now)
	p.Signer, request.SignProblem = signerAmong(own[r.From], r.From, now)
	request.CanSign = p.Signer != ""
	p.own, _ = keyring.Choose(own[r.From], now)
	for _, address := range recipients {
		planned := p.recipient(address, choices[address], now)
		planned.Hidden = !contains(r.Visible, address)
		p.Recipients = append(p.Recipients, planned)
		request.Recipients = append(request.Recipients, groups.Recipient{
			Address: address, Encrypted: planned.Fingerprint != "", Problem: planned.Problem,
		})
	}
	p.Decision = groups.Decide(request)
	return p, nil
}

func inputsOf(r groups.Request, automatic bool, at time.Time) Record {
	return Record{
		At: at, SignLevel: r.Sign, EncryptLevel: r.Encrypt, AskedSign: r.ToggleSign, AskedEncrypt: r.ToggleEncrypt,
		Automatic: automatic, Thread: r.ThreadEncrypted, Content: r.Content, Mixed: r.Mixed,
	}
}

// recipient takes the certificate chosen for one address, or says why there is none.
func (p *Plan) recipient(address string, choice keyring.Choice, now time.Time) PlannedRecipient {
	planned := PlannedRecipient{Address: address, Match: choice.Match, Rejected: rejectedOf(choice.Rejected, now)}
	if choice.Best == nil {
		planned.Problem = problemOf(choice.Rejected, now)
		return planned
	}
	p.readers[address] = choice.Best
	planned.Fingerprint, planned.Expires = choice.Best.Fingerprint, choice.Best.Expires
	return planned
}

// problemOf says in words why none of the candidates can be used; the newest one speaks for all.
func problemOf(rejected []keyring.Rejected, now time.Time) string {
	if len(rejected) == 0 {
		return string(keyring.NoCertificate)
	}
	return rejected[0].Certificate.Judge(keyring.ToEncrypt, now).Brief
}

// signerAmong returns the newest certificate that may sign as an address now, or in words why there is none.
func signerAmong(candidates []*keyring.Certificate, from string, now time.Time) (fingerprint, problem string) {
	var newest *keyring.Certificate
	reason := string(keyring.NoSecretKey)
	for _, c := range candidates {
		if j := c.Judge(keyring.ToSign, now); j.Reason != keyring.Usable {
			reason = j.Brief
			continue
		}
		if newest == nil || c.Created.After(newest.Created) {
			newest = c
		}
	}
	if newest != nil {
		return newest.Fingerprint, ""
	}
	return "", fmt.Sprintf("%s for %s", reason, from)
}

// unique joins lists of addresses in order, each address once.
func unique(lists ...[]string) []string {
	var all []string
	for _, list := range lists {
		for _, address := range list {
			if !contains(all, address) {
				all = append(all, address)
			}
		}
	}
	return all
}

func contains(list []string, address string) bool {
	for _, a := range list {
		if strings.EqualFold(a, address) {
			return true
		}
	}
	return false
}
