package keyring

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// everyDomain stands for all domains among those whose +tags are ignored.
const everyDomain = "*"

var errNoDomain = errors.New("this is no domain: write it like example.org")

type pinRow struct {
	Address     string `gorm:"column:address;primaryKey"`
	Fingerprint string `gorm:"column:fingerprint"`
	PinnedMS    int64  `gorm:"column:pinned_ms"`
}

// TableName implements gorm's Tabler.
func (pinRow) TableName() string { return "certificate_pins" }

type domainRow struct {
	Domain      string `gorm:"column:domain;primaryKey"`
	Fingerprint string `gorm:"column:fingerprint"`
	RuledMS     int64  `gorm:"column:ruled_ms"`
}

// TableName implements gorm's Tabler.
func (domainRow) TableName() string { return "certificate_domains" }

type plusRow struct {
	Domain string `gorm:"column:domain;primaryKey"`
}

// TableName implements gorm's Tabler.
func (plusRow) TableName() string { return "certificate_plus_domains" }

// rules are what people ruled for some addresses.
type rules struct {
	pins    map[string]string // folded address to fingerprint
	domains map[string]string // domain to fingerprint
	plus    map[string]bool   // domains whose +tags are ignored
}

// Rule is a pin, when Target is an address, or a domain rule, when it is a domain.
type Rule struct {
	Target      string
	Fingerprint string
	Since       time.Time
}

func (s *Store) rulesFor(ctx context.Context, addresses []string) (rules, error) {
	r := rules{map[string]string{}, map[string]string{}, map[string]bool{}}
	keys, domains := []string{}, []string{everyDomain}
	for _, a := range addresses {
		if key := lookupKey(a); key != "" {
			keys, domains = append(keys, key), append(domains, domainOf(key))
		}
	}
	// One statement for the three tables: it is asked for every message.
	const all = "SELECT 'pin' AS kind, address AS name, fingerprint FROM certificate_pins WHERE address IN ? " +
		"UNION ALL SELECT 'domain', domain, fingerprint FROM certificate_domains WHERE domain IN ? " +
		"UNION ALL SELECT 'plus', domain, '' FROM certificate_plus_domains WHERE domain IN ?"
	var found []struct{ Kind, Name, Fingerprint string }
	if err := s.db.WithContext(ctx).Raw(all, keys, domains, domains).Scan(&found).Error; err != nil {
		return r, fmt.Errorf("keyring: rules: %w", err)
	}
	for _, f := range found {
		switch f.Kind {
		case "pin":
			r.pins[f.Name] = f.Fingerprint
		case "domain":
			r.domains[f.Name] = f.Fingerprint
		default:
			r.plus[f.Name] = true
		}
	}
	return r, nil
}

func (r rules) fingerprints() []string {
	all := slices.Concat(slices.Collect(maps.Values(r.pins)), slices.Collect(maps.Values(r.domains)))
	slices.Sort(all)
	return slices.Compact(all)
}

// Rules lists the pins and domain rules of one certificate, or of all for "".
func (s *Store) Rules(ctx context.Context, fingerprint string) ([]Rule, error) {
	db := s.db.WithContext(ctx)
	if fingerprint != "" {
		db = db.Where("fingerprint = ?", normalFingerprint(fingerprint))
	}
	db = db.Session(&gorm.Session{})
	var pins []pinRow
	var domains []domainRow
	if err := errors.Join(db.Order("address").Find(&pins).Error, db.Order("domain").Find(&domains).Error); err != nil {
		return nil, fmt.Errorf("keyring: rules: %w", err)
	}
	var all []Rule
	for _, p := range pins {
		all = append(all, Rule{p.Address, p.Fingerprint, time.UnixMilli(p.PinnedMS).UTC()})
	}
	for _, d := range domains {
		all = append(all, Rule{d.Domain, d.Fingerprint, time.UnixMilli(d.RuledMS).UTC()})
	}
	return all, nil
}

// Pin makes a certificate the only one that is used for an address, or, when target holds no @, the one for all addresses
// of a domain that have none of their own. It takes the place of the rule before. ErrNotFound when the certificate is not
// held; another error is a sentence for people.
func (s *Store) Pin(ctx context.Context, tx *gorm.DB, target, fingerprint string, at time.Time) error {
	tx, fingerprint = tx.WithContext(ctx), normalFingerprint(fingerprint)
	key, err := ruleTarget(target)
	if err != nil {
		return err
	}
	var held int64
	if err := tx.Model(&certificateRow{}).Where("fingerprint = ?", fingerprint).Count(&held).Error; err != nil {
		return fmt.Errorf("keyring: pin: %w", err)
	}
	if held == 0 {
		return ErrNotFound
	}
	var row any = &domainRow{key, fingerprint, at.UnixMilli()}
	if strings.Contains(key, "@") {
		row = &pinRow{key, fingerprint, at.UnixMilli()}
	}
	if err := tx.Clauses(clause.OnConflict{UpdateAll: true}).Create(row).Error; err != nil {
		return fmt.Errorf("keyring: pin: %w", err)
	}
	return nil
}

// Unpin takes the rule of an address or a domain back. ErrNotFound when there is none.
func (s *Store) Unpin(ctx context.Context, tx *gorm.DB, target string) error {
	key, err := ruleTarget(target)
	if err != nil {
		return err
	}
	tx = tx.WithContext(ctx)
	if strings.Contains(key, "@") {
		return affected(tx.Where("address = ?", key).Delete(&pinRow{}), "unpin")
	}
	return affected(tx.Where("domain = ?", key).Delete(&domainRow{}), "unpin")
}

// IgnoreTags says whether addresses of a domain, or of all with "*", that have no certificate of their own are looked up
// without +tag.
func (s *Store) IgnoreTags(ctx context.Context, tx *gorm.DB, domain string, ignore bool) error {
	key := everyDomain
	if domain != everyDomain {
		var err error
		if key, err = ruleTarget(domain); err != nil || strings.Contains(key, "@") {
			return errNoDomain
		}
	}
	tx = tx.WithContext(ctx)
	err := tx.Where("domain = ?", key).Delete(&plusRow{}).Error
	if err == nil && ignore {
		err = tx.Create(&plusRow{key}).Error
	}
	if err != nil {
		return fmt.Errorf("keyring: ignore tags: %w", err)
	}
	return nil
}

// TargetProblem is the sentence for people when err says that a rule's address or domain is none, and "" otherwise.
func TargetProblem(err error) string {
	for _, known := range []error{errNoDomain, errNoAddrSpec} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return ""
}

// ruleTarget is the folded address, or the domain in A-labels, that a rule names.
func ruleTarget(target string) (string, error) {
	target = strings.TrimSpace(target)
	if strings.Contains(target, "@") {
		if key := lookupKey(target); key != "" {
			return key, nil
		}
		return "", errNoAddrSpec
	}
	key := lookupKey("any@" + target)
	if key == "" {
		return "", errNoDomain
	}
	return domainOf(key), nil
}
