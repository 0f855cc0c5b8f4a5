package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sealgate/sealgate/gateway/activity"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
	"gorm.io/gorm"
)

// ImportRequest is the input of one certificate import.
type ImportRequest struct {
	Input      []byte // armored or binary, one or many; at most 1 MiB
	Passphrase []byte // for secret keys; wiped before ImportCertificates returns
}

// ImportReport says what became of each block of the input.
type ImportReport struct {
	Changes  []keyring.Change
	Reopened int // articles that waited for these keys and were opened again
}

// ImportCertificates parses, judges, unlocks, merges and seals, then reopens articles that waited. Admins only.
// The error is a *Problem when nothing in the input could be read at all.
func (g *Gateway) ImportCertificates(ctx context.Context, a Actor, r ImportRequest) (ImportReport, error) {
	defer clear(r.Passphrase)
	if err := a.allow(groups.Admin); err != nil {
		return ImportReport{}, err
	}
	now := g.Now()
	items, err := g.Keyring.Limits.Parse(r.Input, now)
	if err != nil {
		return ImportReport{}, &Problem{Sentence: err.Error(), Cause: err}
	}
	for _, item := range items {
		if item.Err == nil {
			item.Err = item.Unlock(r.Passphrase)
		}
	}
	report, err := g.mergeItems(ctx, a, items, keyring.Imported)
	if err != nil {
		return ImportReport{}, err
	}
	report.Reopened = g.reopenFor(ctx, a, keyIDsOf(items))
	return report, nil
}

// mergeItems merges what could be read and unlocked in one transaction; the rest is reported as refused.
func (g *Gateway) mergeItems(ctx context.Context, a Actor, items []*keyring.Item, source keyring.Source) (ImportReport, error) {
	if err := g.Keeper.Ready(ctx); err != nil {
		return ImportReport{}, fmt.Errorf("import certificates: %w", err)
	}
	var report ImportReport
	err := g.DB.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		report = ImportReport{}
		for _, item := range items {
			change, err := g.mergeItem(ctx, tx, item, source)
			if err != nil {
				return err
			}
			report.Changes = append(report.Changes, change)
		}
		return g.record(ctx, tx, importEntry(a, report.Changes))
	})
	if err != nil {
		return ImportReport{}, fmt.Errorf("import certificates: %w", err)
	}
	return report, nil
}

func (g *Gateway) mergeItem(ctx context.Context, tx *gorm.DB, item *keyring.Item, source keyring.Source) (keyring.Change, error) {
	if item.Err != nil && !item.IsRevocation() {
		return refusedChange(item), nil
	}
	return g.Keyring.Merge(ctx, tx, item, source, true, g.Now())
}

func refusedChange(item *keyring.Item) keyring.Change {
	c := keyring.Change{Index: item.Index, Outcome: keyring.Refused, Sentence: sentenceFor(item.Err)}
	if item.Certificate != nil {
		c.Fingerprint = item.Certificate.Fingerprint
		for _, id := range item.Certificate.UserIDs {
			c.UserIDs = append(c.UserIDs, id.Text)
		}
	}
	return c
}

// sentenceFor says what to do about a secret key that does not open.
func sentenceFor(err error) string {
	switch {
	case errors.Is(err, keyring.ErrNeedsPassphrase):
		return "This secret key is protected by a passphrase; enter it and import the file again."
	case errors.Is(err, keyring.ErrPassphrase):
		return "The passphrase does not unlock this secret key; check it and import the file again."
	}
	return err.Error()
}

func importEntry(a Actor, changes []keyring.Change) activity.Entry {
	e := activity.Entry{Actor: a.Name, Act: "certificate.imported", Detail: map[string]string{}}
	refused := 0
	for _, c := range changes {
		if c.Outcome == keyring.Refused {
			refused++
			continue
		}
		e.Detail[c.Fingerprint] = strings.TrimSpace(string(c.Outcome) + " " + strings.Join(c.Details, ", "))
		alertOf(e.Detail, c)
	}
	if len(changes) == 1 {
		e.Fingerprint = changes[0].Fingerprint
	}
	if refused > 0 {
		e.Detail["refused"] = fmt.Sprint(refused)
	}
	if refused == len(changes) {
		e.Outcome = activity.Refused
	}
	return e
}

// alertOf writes down that a certificate waits because others are in use for its addresses.
func alertOf(detail map[string]string, c keyring.Change) {
	for _, conflict := range c.Conflicts {
		detail["alert: "+conflict.Address] = fmt.Sprintf("%s waits for approval, %s stays in use", c.Fingerprint, conflict.Fingerprint)
	}
}

// anonymous is the key id of a reader who is not named (RFC 9580, section 5.1.8): any new secret key may be the one.
const anonymous = "0000000000000000"

func keyIDsOf(items []*keyring.Item) []string {
	var ids []string
	for _, item := range items {
		if item.Err != nil {
			continue
		}
		if item.HasSecret {
			ids = append(ids, anonymous)
		}
		ids = append(ids, keyIDsOfCertificate(item.Certificate)...)
	}
	return ids
}

// Certificates lists the keyring. Everyone who is logged in may read it.
func (g *Gateway) Certificates(ctx context.Context, _ Actor, f keyring.Filter) ([]*keyring.Certificate, int64, error) {
	return g.Keyring.List(ctx, f, g.Now())
}

// Certificate returns one certificate.
func (g *Gateway) Certificate(ctx context.Context, _ Actor, fingerprint string) (*keyring.Certificate, error) {
	c, err := g.Keyring.Get(ctx, fingerprint, g.Now())
	return c, notFound(err)
}

// SetCertificateState approves, proposes or blocks. Articles that waited for a certificate are opened again when it is
// approved. Admins only.
func (g *Gateway) SetCertificateState(ctx context.Context, a Actor, fingerprint string, s keyring.State) error {
	if err := a.allow(groups.Admin); err != nil {
		return err
	}
	e := activity.Entry{Actor: a.Name, Act: "certificate." + string(s), Fingerprint: fingerprint}
	err := g.change(ctx, e, func(tx *gorm.DB) error {
		return g.Keyring.SetState(ctx, tx, fingerprint, s, g.Now())
	})
	if err != nil {
		return notFound(err)
	}
	if s == keyring.Approved {
		c, err := g.Keyring.Get(ctx, fingerprint, g.Now())
		if err != nil {
			return notFound(err)
		}
		ids := keyIDsOfCertificate(c)
		if c.HasSecret {
			ids = append(ids, anonymous)
		}
		g.reopenFor(ctx, a, ids)
	}
	return nil
}

// File is something to download.
type File struct {
	Name        string
	ContentType string
	Content     []byte
}

// ExportForm says how a public certificate leaves. A minimal one leaves out what is of no use now; see keyring's Minimal.
type ExportForm struct {
	Binary  bool
	Minimal bool
}

// ExportCertificate returns the public certificate.
func (g *Gateway) ExportCertificate(ctx context.Context, a Actor, fingerprint string, form ExportForm) (File, error) {
	c, err := g.Certificate(ctx, a, fingerprint)
	if err != nil {
		return File{}, err
	}
	if form.Minimal {
		c = c.Minimal("", g.Now())
	}
	f := File{Name: c.Fingerprint + ".pub.asc", ContentType: "application/pgp-keys"}
	if form.Binary {
		f = File{Name: c.Fingerprint + ".pgp", ContentType: "application/octet-stream"}
		f.Content, err = c.Binary()
		return f, err
	}
	f.Content, err = c.Armored()
	return f, err
}

// notFound gives every package's "no such thing" one name.
func notFound(err error) error {
	if errors.Is(err, keyring.ErrNotFound) || errors.Is(err, groups.ErrNotFound) {
		return ErrNotFound
	}
	return err
}
