package keyring

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"gorm.io/gorm"
)

const (
	defaultListLimit = 100
	maxListLimit     = 500
)

// Get returns the certificate with this fingerprint, judged at an instant, or ErrNotFound.
func (s *Store) Get(ctx context.Context, fingerprint string, at time.Time) (*Certificate, error) {
	row, err := s.row(ctx, fingerprint)
	if err != nil {
		return nil, err
	}
	return row.certificate(nil, at)
}

func (s *Store) row(ctx context.Context, fingerprint string) (row certificateRow, err error) {
	err = s.db.WithContext(ctx).Where("fingerprint = ?", normalFingerprint(fingerprint)).Take(&row).Error
	switch {
	case errors.Is(err, gorm.ErrRecordNotFound):
		return row, ErrNotFound
	case err != nil:
		return row, fmt.Errorf("keyring: get: %w", err)
	}
	return row, nil
}

// Filter selects certificates for a list. Query matches a part of an address, or of the fingerprint of a primary key
// or subkey, which may be written with spaces.
type Filter struct {
	Query      string
	SecretOnly bool
	State      State // "" for all
	Limit      int   // at most 500; 0 means 100
	Offset     int
}

// List returns certificates, newest change first, and the total number that match. Two queries.
func (s *Store) List(ctx context.Context, f Filter, at time.Time) ([]*Certificate, int64, error) {
	query := f.apply(s.db.WithContext(ctx).Model(&certificateRow{}))
	var total int64
	if err := query.Count(&total).Error; err != nil {
		return nil, 0, fmt.Errorf("keyring: list: %w", err)
	}
	limit := min(f.Limit, maxListLimit)
	if limit <= 0 {
		limit = defaultListLimit
	}
	var rows []certificateRow
	err := f.apply(s.db.WithContext(ctx)).Order("updated_ms DESC, fingerprint").
		Limit(limit).Offset(max(f.Offset, 0)).Find(&rows).Error
	if err != nil {
		return nil, 0, fmt.Errorf("keyring: list: %w", err)
	}
	certificates, err := certificates(nil, rows, at)
	return certificates, total, err
}

func (f Filter) apply(db *gorm.DB) *gorm.DB {
	if f.SecretOnly {
		db = db.Where("secret_version > 0")
	}
	if f.State != "" {
		db = db.Where("state = ?", string(f.State))
	}
	text := strings.TrimSpace(f.Query)
	if text == "" {
		return db
	}
	return db.Where(`fingerprint IN (SELECT fingerprint FROM certificate_addresses WHERE address LIKE ? ESCAPE '!')
		OR fingerprint IN (SELECT fingerprint FROM certificate_keys WHERE key_fingerprint LIKE ? ESCAPE '!')`,
		partOf(Fold(text)), partOf(normalFingerprint(text)))
}

// partOf is a LIKE pattern for anything that holds text, taken literally.
func partOf(text string) string {
	return "%" + strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(text) + "%"
}

func certificates(m *memo, rows []certificateRow, at time.Time) ([]*Certificate, error) {
	out := make([]*Certificate, 0, len(rows))
	for i := range rows {
		c, err := rows[i].certificate(m, at)
		if err != nil {
			return nil, fmt.Errorf("keyring: %w", err)
		}
		out = append(out, c)
	}
	return out, nil
}

// ByAddress returns all certificates that have a user ID with one of these addresses, keyed by the address as given,
// newest first. The user ID must be valid at the instant; only where a certificate has none that is, its others count,
// unless revoked, so that Choose can say why it is of no use. One query for any number of addresses.
func (s *Store) ByAddress(ctx context.Context, addresses []string, at time.Time) (map[string][]*Certificate, error) {
	keys := make(map[string]string, len(addresses))
	for _, a := range addresses {
		if key := lookupKey(a); key != "" {
			keys[a] = key
		}
	}
	found := make(map[string][]*Certificate, len(keys))
	if len(keys) == 0 {
		return found, nil
	}
	var rows []certificateRow
	err := s.db.WithContext(ctx).
		Where("fingerprint IN (SELECT fingerprint FROM certificate_addresses WHERE address IN ?)", sortedValues(keys)).
		Order("created_ms DESC, fingerprint").Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("keyring: by address: %w", err)
	}
	all, err := certificates(&s.memo, rows, at)
	if err != nil {
		return nil, err
	}
	for given, key := range keys {
		for _, c := range all {
			if c.answersTo(key) {
				found[given] = append(found[given], c)
			}
		}
	}
	return found, nil
}

func sortedValues(m map[string]string) []string {
	var values []string
	for _, v := range m {
		values = append(values, v)
	}
	slices.Sort(values)
	return slices.Compact(values)
}

func (c *Certificate) answersTo(key string) bool {
	anyValid := slices.ContainsFunc(c.UserIDs, func(u UserID) bool { return u.Valid })
	return slices.ContainsFunc(c.UserIDs, func(u UserID) bool {
		return Fold(u.Address) == key && (u.Valid || !anyValid && !u.Revoked)
	})
}

// ByKeyID returns all certificates that hold a key with one of these ids (16 upper-case hex digits), in the order of
// their fingerprints. One query.
func (s *Store) ByKeyID(ctx context.Context, keyIDs []string, at time.Time) ([]*Certificate, error) {
	if len(keyIDs) == 0 {
		return nil, nil
	}
	var rows []certificateRow
	err := s.db.WithContext(ctx).
		Where("fingerprint IN (SELECT fingerprint FROM certificate_keys WHERE key_id IN ?)", keyIDs).
		Order("fingerprint").Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("keyring: by key id: %w", err)
	}
	return certificates(&s.memo, rows, at)
}

// Secret opens the sealed secret key of a certificate, merged with its current public packets, unlocked. Keys whose
// secret is not held, the primary key among them, have a nil PrivateKey. The caller drops the entity as soon as it is
// used. ErrNoSecret when none is held; an error of package seal when it cannot be opened.
func (s *Store) Secret(ctx context.Context, fingerprint string) (*openpgp.Entity, error) {
	row, err := s.row(ctx, fingerprint)
	if err != nil {
		return nil, err
	}
	if row.SecretVersion == 0 {
		return nil, ErrNoSecret
	}
	sealed, err := s.openSecret(ctx, s.db.WithContext(ctx), &row)
	if err != nil {
		return nil, fmt.Errorf("keyring: secret key of %s: %w", row.Fingerprint, err)
	}
	defer sealed.wipe()
	var entity *openpgp.Entity
	err = guard(func() error {
		stored, err := row.material()
		if err != nil {
			return err
		}
		clean, checked, err := check(stored, trusted, &s.memo)
		if err != nil {
			return err
		}
		entity, err = withSecret(clean, checked, sealed)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("keyring: secret key of %s: %w", row.Fingerprint, err)
	}
	return entity, nil
}

// withSecret puts the secret keys of sealed into the entity of a checked certificate. A key whose secret is elsewhere has a nil
// PrivateKey: GnuPG's stub in its place would make the library panic when a message is encrypted to that very key.
func withSecret(clean material, entity *openpgp.Entity, sealed material) (_ *openpgp.Entity, err error) {
	if !bytes.Equal(clean.primary.body, sealed.primary.body) {
		return nil, errors.New("the sealed secret key belongs to another certificate")
	}
	if sealed.primary.secret != nil {
		if entity.PrivateKey, err = parseSecret(sealed.primary, tagSecretKey); err != nil {
			return nil, err
		}
	}
	for i, c := range clean.subkeys {
		n := slices.IndexFunc(sealed.subkeys, func(s component) bool { return bytes.Equal(s.body, c.body) })
		if n < 0 || sealed.subkeys[n].secret == nil {
			continue
		}
		if entity.Subkeys[i].PrivateKey, err = parseSecret(sealed.subkeys[n], tagSecretSubkey); err != nil {
			return nil, err
		}
	}
	return entity, nil
}
