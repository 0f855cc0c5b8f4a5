package keyring

import (
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"
)

// Conflict is an address that a certificate claims while another approved and usable certificate answers to it.
type Conflict struct {
	Address     string // canonical, folded
	Fingerprint string // of the certificate that is used for the address
}

// conflicts lists what a merge would take from other certificates, in the order of addresses. An approved certificate is
// asked about what it claims anew only: the rest was accepted before.
func conflicts(tx *gorm.DB, before, now *Certificate, at time.Time) ([]Conflict, error) {
	var addresses []string
	for _, r := range addressRows(now) {
		if before == nil || before.State != Approved || !slices.Contains(addressRows(before), r) {
			addresses = append(addresses, r.Address)
		}
	}
	if len(addresses) == 0 {
		return nil, nil
	}
	var rows []certificateRow
	err := tx.Where("state = ? AND fingerprint <> ?", string(Approved), now.Fingerprint).
		Where("fingerprint IN (SELECT fingerprint FROM certificate_addresses WHERE address IN ?)", addresses).
		Order("fingerprint").Find(&rows).Error
	if err != nil {
		return nil, err
	}
	others, err := certificates(nil, rows, at)
	if err != nil {
		return nil, err
	}
	slices.Sort(addresses)
	var found []Conflict
	for _, address := range addresses {
		for _, c := range others {
			if c.ForEncryption(at) == Usable && c.answersTo(address) {
				found = append(found, Conflict{address, c.Fingerprint})
			}
		}
	}
	return found, nil
}

// vouched tells whether an approval stands although another certificate is in use for an address: we hold the secret key,
// so the certificate is our own and follows on the one before.
func vouched(item *Item, source Source) bool { return item.HasSecret || source == Generated }

// conflictInWords says why a certificate waits.
func conflictInWords(found []Conflict) []string {
	var words []string
	for _, c := range found {
		words = append(words, "another certificate is in use for "+c.Address+": "+c.Fingerprint+
			"; compare fingerprints with the owner, then approve this one or block it")
	}
	return slices.Compact(words)
}

// Alert is one sentence about the conflicts of a change, or "" when there is none.
func (c Change) Alert() string { return strings.Join(conflictInWords(c.Conflicts), ". ") }
