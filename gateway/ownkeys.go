package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/activity"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
	"gorm.io/gorm"
)

// NewKey is a key that is to be made for one of our sender addresses.
type NewKey struct {
	Kind      keyring.Kind // "" is the default
	Name      string
	Address   string
	Until     time.Time // zero: three years from now, unless Never
	Never     bool
	Confirmed bool // make it although KeyConcerns has something to say
}

// ownKeyLifetime is long enough not to surprise, short enough that a forgotten key ends.
const ownKeyLifetime = 3 * 365 * 24 * time.Hour

// KeyConcerns says in words what speaks against a new key for an address; nil when nothing does.
func (g *Gateway) KeyConcerns(ctx context.Context, _ Actor, address string) ([]string, error) {
	var words []string
	if _, err := g.Groups.GroupBySender(ctx, address); errors.Is(err, groups.ErrNotFound) {
		words = append(words, fmt.Sprintf("no group writes as %s, so nothing will be signed with this key", address))
	} else if err != nil {
		return nil, fmt.Errorf("find group: %w", err)
	}
	now := g.Now()
	held, err := g.Keyring.ByAddress(ctx, []string{address}, now)
	if err != nil {
		return nil, fmt.Errorf("look up certificates: %w", err)
	}
	for _, c := range held[address] {
		if c.ForSigning(now) == keyring.Usable {
			words = append(words, fmt.Sprintf("%s has the usable key %s already, and the new one takes its place for new mail", address, c.Fingerprint))
		}
	}
	return words, nil
}

// GenerateKey makes a key and, sealed beside it, a certificate that revokes it. Admins only.
func (g *Gateway) GenerateKey(ctx context.Context, a Actor, k NewKey) (*keyring.Certificate, error) {
	if err := a.allow(groups.Admin); err != nil {
		return nil, err
	}
	now := g.Now()
	lifetime, err := k.lifetime(now)
	if err != nil {
		return nil, err
	}
	concerns, err := g.KeyConcerns(ctx, a, k.Address)
	if err != nil {
		return nil, err
	}
	if len(concerns) > 0 && !k.Confirmed {
		return nil, &Problem{Sentence: capital(strings.Join(concerns, "; ")) + ". Confirm it to make the key all the same."}
	}
	item, err := keyring.Generate(k.Kind, k.Name, k.Address, lifetime, now)
	if err != nil {
		return nil, &Problem{Sentence: err.Error(), Cause: err}
	}
	revocation, err := item.Revocation(now)
	if err != nil {
		return nil, fmt.Errorf("generate key: %w", err)
	}
	if err := g.Keeper.Ready(ctx); err != nil {
		return nil, fmt.Errorf("generate key: %w", err)
	}
	fingerprint := item.Certificate.Fingerprint
	e := activity.Entry{Actor: a.Name, Act: "key.generated", Fingerprint: fingerprint, Detail: map[string]string{"address": k.Address, "algorithm": item.Certificate.Algorithm}}
	err = g.change(ctx, e, func(tx *gorm.DB) error {
		if _, err := g.Keyring.Merge(ctx, tx, item, keyring.Generated, true, now); err != nil {
			return err
		}
		return g.Keyring.SealRevocation(ctx, tx, fingerprint, revocation)
	})
	if err != nil {
		return nil, fmt.Errorf("generate key: %w", err)
	}
	return g.Certificate(ctx, a, fingerprint)
}

func (k NewKey) lifetime(now time.Time) (time.Duration, error) {
	switch {
	case k.Never:
		return 0, nil
	case k.Until.IsZero():
		return ownKeyLifetime, nil
	case !k.Until.After(now):
		return 0, &Problem{Sentence: "A key cannot end in the past; choose a later day."}
	}
	return k.Until.Sub(now), nil
}

// ExtendKey lets a key of ours end at until; the zero time means never. Admins only.
func (g *Gateway) ExtendKey(ctx context.Context, a Actor, fingerprint string, until time.Time) (keyring.Change, error) {
	detail := map[string]string{"until": "never"}
	if !until.IsZero() {
		detail["until"] = until.UTC().Format(time.DateOnly)
	}
	return g.changeKey(ctx, a, "key.extended", fingerprint, detail, func(secret *openpgp.Entity) (*keyring.Item, error) {
		return keyring.Extend(secret, until, g.Now())
	})
}

// AddSubkey gives a key of ours another subkey; lifetime 0 means that it ends with the certificate. Admins only.
func (g *Gateway) AddSubkey(ctx context.Context, a Actor, fingerprint string, use keyring.Use, lifetime time.Duration) (keyring.Change, error) {
	return g.changeKey(ctx, a, "key.subkey-added", fingerprint, map[string]string{"use": string(use)}, func(secret *openpgp.Entity) (*keyring.Item, error) {
		return keyring.AddSubkey(secret, use, lifetime, g.Now())
	})
}

// RetireSubkey revokes one subkey, named by fingerprint or key id, and keeps its secret to open old mail. Admins only.
func (g *Gateway) RetireSubkey(ctx context.Context, a Actor, fingerprint, subkey string) (keyring.Change, error) {
	return g.changeKey(ctx, a, "key.subkey-retired", fingerprint, map[string]string{"subkey": subkey}, func(secret *openpgp.Entity) (*keyring.Item, error) {
		return keyring.RetireSubkey(secret, subkey, g.Now())
	})
}

// RevokeKey ends a key of ours for good; its certificate is kept and published. Where the secret primary key is not held,
// the revocation made in advance is used, whose reason is fixed. Admins only.
func (g *Gateway) RevokeKey(ctx context.Context, a Actor, fingerprint string, reason keyring.RevocationReason, text string) (keyring.Change, error) {
	change, err := g.changeKey(ctx, a, "key.revoked", fingerprint, map[string]string{"reason": string(reason)}, func(secret *openpgp.Entity) (*keyring.Item, error) {
		return keyring.Revoke(secret, reason, text, g.Now())
	})
	if !errors.Is(err, keyring.ErrPrimaryElsewhere) && !errors.Is(err, keyring.ErrNoSecret) {
		return change, err
	}
	made, kept := g.Keyring.Revocation(ctx, fingerprint)
	if errors.Is(kept, keyring.ErrNoRevocation) {
		return change, err
	}
	if kept != nil {
		return change, kept
	}
	items, err := keyring.Parse(made, g.Now())
	if err != nil {
		return change, fmt.Errorf("read the revocation made in advance: %w", err)
	}
	return g.mergeKeyChange(ctx, a, "key.revoked", fingerprint, map[string]string{"reason": "made in advance"}, items[0])
}

// changeKey opens a secret key, lets do change it, and merges the result.
func (g *Gateway) changeKey(ctx context.Context, a Actor, act, fingerprint string, detail map[string]string, do func(*openpgp.Entity) (*keyring.Item, error)) (keyring.Change, error) {
	if err := a.allow(groups.Admin); err != nil {
		return keyring.Change{}, err
	}
	if err := g.Keeper.Ready(ctx); err != nil {
		return keyring.Change{}, fmt.Errorf("change key: %w", err)
	}
	secret, err := g.Keyring.Secret(ctx, fingerprint)
	if errors.Is(err, keyring.ErrNoSecret) {
		return keyring.Change{}, &Problem{Sentence: "No secret key is held for this certificate; only its owner can change it.", Cause: err}
	}
	if err != nil {
		return keyring.Change{}, notFound(err)
	}
	item, err := do(secret)
	if err != nil {
		return keyring.Change{}, &Problem{Sentence: capital(err.Error()) + ".", Cause: err}
	}
	return g.mergeKeyChange(ctx, a, act, fingerprint, detail, item)
}

func (g *Gateway) mergeKeyChange(ctx context.Context, a Actor, act, fingerprint string, detail map[string]string, item *keyring.Item) (change keyring.Change, err error) {
	err = g.DB.WithContext(ctx).Transaction(func(tx *gorm.DB) (err error) {
		// Who changes a key does not vouch anew for its addresses: its state stays. A change made in the second of the one
		// before counts a second later, and is judged as it will count.
		if change, err = g.Keyring.Merge(ctx, tx, item, keyring.Generated, false, g.Now().Add(time.Second)); err != nil {
			return err
		}
		if change.Outcome == keyring.Refused {
			return &Problem{Sentence: change.Sentence}
		}
		return g.record(ctx, tx, activity.Entry{Actor: a.Name, Act: act, Fingerprint: change.Fingerprint, Detail: detail})
	})
	var problem *Problem
	if err != nil && !errors.As(err, &problem) {
		return change, fmt.Errorf("change key: %w", err)
	}
	return change, err
}

// RevocationCertificate returns the sealed certificate that revokes a key of ours, for safe keeping elsewhere: whoever has
// it can end the key. One is made and sealed when there is none yet. Admins only; the page asks for the admin's password
// again before it calls this.
func (g *Gateway) RevocationCertificate(ctx context.Context, a Actor, fingerprint string) (File, error) {
	if err := a.allow(groups.Admin); err != nil {
		return File{}, err
	}
	made, err := g.Keyring.Revocation(ctx, fingerprint)
	fresh := errors.Is(err, keyring.ErrNoRevocation)
	if fresh {
		made, err = g.makeRevocation(ctx, fingerprint)
	}
	if err != nil {
		return File{}, err
	}
	e := activity.Entry{Actor: a.Name, Act: "key.revocation-exported", Fingerprint: fingerprint}
	err = g.change(ctx, e, func(tx *gorm.DB) error {
		if !fresh {
			return nil
		}
		return g.Keyring.SealRevocation(ctx, tx, fingerprint, made)
	})
	if err != nil {
		return File{}, fmt.Errorf("export revocation certificate: %w", err)
	}
	return File{Name: fingerprint + ".rev.asc", ContentType: "application/pgp-keys", Content: made}, nil
}

func (g *Gateway) makeRevocation(ctx context.Context, fingerprint string) ([]byte, error) {
	if err := g.Keeper.Ready(ctx); err != nil {
		return nil, fmt.Errorf("make revocation certificate: %w", err)
	}
	secret, err := g.Keyring.Secret(ctx, fingerprint)
	if errors.Is(err, keyring.ErrNoSecret) {
		return nil, &Problem{Sentence: "No secret key is held for this certificate; only its owner can make a revocation.", Cause: err}
	}
	if err != nil {
		return nil, notFound(err)
	}
	made, err := keyring.RevocationCertificate(secret, g.Now())
	if err != nil {
		return nil, &Problem{Sentence: capital(err.Error()) + ".", Cause: err}
	}
	return made, nil
}

// ExportSecretKey returns the secret key under a new passphrase, which must not be empty. Admins only; the page asks
// for the admin's password again before it calls this.
func (g *Gateway) ExportSecretKey(ctx context.Context, a Actor, fingerprint string, passphrase []byte) (File, error) {
	if err := a.allow(groups.Admin); err != nil {
		return File{}, err
	}
	if len(passphrase) < minExportPassphrase {
		return File{}, &Problem{Sentence: "Choose a passphrase of at least 12 characters for the exported secret key."}
	}
	secret, err := g.Keyring.Secret(ctx, fingerprint)
	if errors.Is(err, keyring.ErrNoSecret) {
		return File{}, &Problem{Sentence: "No secret key is held for this certificate; only the public certificate can be downloaded.", Cause: err}
	}
	if err != nil {
		return File{}, notFound(err)
	}
	armored, err := keyring.ExportSecret(secret, passphrase)
	if err != nil {
		return File{}, fmt.Errorf("export secret key: %w", err)
	}
	e := activity.Entry{Actor: a.Name, Act: "key.secret-exported", Fingerprint: fingerprint}
	if err := g.change(ctx, e, nil); err != nil {
		return File{}, fmt.Errorf("export secret key: %w", err)
	}
	return File{Name: fingerprint + ".asc", ContentType: "application/pgp-keys", Content: armored}, nil
}

const minExportPassphrase = 12

// capital begins a sentence.
func capital(words string) string {
	if words == "" {
		return ""
	}
	return strings.ToUpper(words[:1]) + words[1:]
}
