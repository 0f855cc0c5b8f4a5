package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/sealgate/sealgate/gateway/activity"
	"github.com/sealgate/sealgate/gateway/dkim"
	"github.com/sealgate/sealgate/gateway/dkim/keystore"
	"gorm.io/gorm"
)

// CheckDKIMKey looks whether the DNS has the record of a key, and remembers what it saw. Admins only.
func (g *Gateway) CheckDKIMKey(ctx context.Context, a Actor, domain, selector string) (DKIMKey, error) {
	k, err := g.DKIMKey(ctx, a, domain, selector)
	if err != nil {
		return DKIMKey{}, err
	}
	if g.Resolver == nil {
		return DKIMKey{}, &Problem{Sentence: "This Sealgate asks no name server, so it cannot look; name one in the configuration under dns.servers."}
	}
	looking, cancel := context.WithTimeout(ctx, dkimCheckWithin)
	defer cancel()
	finding, at := string(dkim.Check(looking, k.Record, g.Resolver)), g.Now().Truncate(time.Millisecond)
	err = g.changeDKIMKey(ctx, a, "dkim.checked", k, map[string]string{"finding": finding}, func(tx *gorm.DB) error {
		return g.dkimStore().SetFinding(ctx, tx, k.Key, finding, at)
	})
	k.Finding, k.Checked = finding, at
	return k, err
}

// dkimCheckWithin bounds what a person waits for.
const dkimCheckWithin = 15 * time.Second

// dkimSeenLately is how long the sight of a record counts.
const dkimSeenLately = 24 * time.Hour

// ActivateDKIMKey has a key sign from now on. The last look at the DNS must have seen its record, or the admin must say
// that it is there all the same (unseen): others take mail with a signature that they cannot check for forged. Admins only.
func (g *Gateway) ActivateDKIMKey(ctx context.Context, a Actor, domain, selector string, unseen bool) (DKIMKey, error) {
	k, err := g.DKIMKey(ctx, a, domain, selector)
	if err != nil {
		return DKIMKey{}, err
	}
	switch {
	case unseen:
	case !dkim.Finding(k.Finding).Seen():
		return DKIMKey{}, &Problem{Sentence: "This key is not switched on, because its record was not seen in the DNS: " + k.Sentence() + " Then check it here."}
	case g.Now().Sub(k.Checked) > dkimSeenLately:
		return DKIMKey{}, &Problem{Sentence: "This key is not switched on, because its record was last looked for more than a day ago. Check it again."}
	}
	detail := map[string]string{}
	if unseen {
		detail["record"] = "not looked for"
	}
	return g.switchDKIMKey(ctx, a, "dkim.activated", k, detail, true)
}

// DeactivateDKIMKey has a key sign no more. Its record should stay in the DNS until what it signed has arrived. Admins only.
func (g *Gateway) DeactivateDKIMKey(ctx context.Context, a Actor, domain, selector string) (DKIMKey, error) {
	k, err := g.DKIMKey(ctx, a, domain, selector)
	if err != nil {
		return DKIMKey{}, err
	}
	return g.switchDKIMKey(ctx, a, "dkim.deactivated", k, map[string]string{}, false)
}

func (g *Gateway) switchDKIMKey(ctx context.Context, a Actor, act string, k DKIMKey, detail map[string]string, active bool) (DKIMKey, error) {
	err := g.changeDKIMKey(ctx, a, act, k, detail, func(tx *gorm.DB) error { return g.dkimStore().SetActive(ctx, tx, k.Key, active) })
	k.Active = active
	return k, err
}

// DeleteDKIMKey removes an inactive key and its secret for good. Admins only.
func (g *Gateway) DeleteDKIMKey(ctx context.Context, a Actor, domain, selector string) error {
	k, err := g.DKIMKey(ctx, a, domain, selector)
	if err != nil {
		return err
	}
	err = g.changeDKIMKey(ctx, a, "dkim.deleted", k, map[string]string{}, func(tx *gorm.DB) error {
		return g.dkimStore().Delete(ctx, tx, k.Key)
	})
	if errors.Is(err, keystore.ErrActive) {
		return &Problem{Sentence: "This key signs mail; deactivate it first, and leave its record in the DNS for some days.", Cause: err}
	}
	return err
}

func (g *Gateway) changeDKIMKey(ctx context.Context, a Actor, act string, k DKIMKey, detail map[string]string, write func(tx *gorm.DB) error) error {
	detail["domain"], detail["selector"] = k.Domain, k.Selector
	err := g.change(ctx, activity.Entry{Actor: a.Name, Act: act, Detail: detail}, write)
	if errors.Is(err, keystore.ErrNotFound) {
		return ErrNotFound // somebody deleted it meanwhile
	}
	return err
}

// DKIMProblems looks whether the keys that sign can be opened, and whether the DNS still has their records, where there is
// one to ask. It returns how many sign, and a sentence for each that would do harm. Nothing is written. Admins only.
func (g *Gateway) DKIMProblems(ctx context.Context, a Actor) (active int, problems []string, err error) {
	keys, err := g.DKIMKeys(ctx, a)
	if err != nil {
		return 0, nil, err
	}
	for _, k := range keys {
		if !k.Active {
			continue
		}
		active++
		if words := g.dkimProblem(ctx, k); words != "" {
			problems = append(problems, k.Selector+" of "+k.Domain+": "+words)
		}
	}
	return active, problems, nil
}

func (g *Gateway) dkimProblem(ctx context.Context, k DKIMKey) string {
	secret, err := g.dkimStore().Secret(ctx, k.Key)
	clear(secret)
	if err != nil {
		return "Its secret cannot be opened, so mail of the domain waits. Switch the key off, or restore the database and the key of the KMS."
	}
	if g.Resolver == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, dkimCheckWithin)
	defer cancel()
	finding := dkim.Check(ctx, k.Record, g.Resolver)
	if finding.Seen() || finding == dkim.Unreachable { // a DNS that is silent says nothing about the key
		return ""
	}
	return finding.Sentence()
}
