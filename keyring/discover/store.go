package discover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sealgate/sealgate/keyring"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// Kind is what a lookup is about.
type Kind string

// The kinds.
const (
	ForAddress Kind = "address" // certificates of an address that has none
	ForRefresh Kind = "refresh" // newer signatures of a known certificate
	ForSigner  Kind = "signer"  // who signed a message with a key that is not known
)

// Times of lookups.
const (
	askAgain    = 24 * time.Hour // after an answer, "there is none" among them
	remembered  = 30 * 24 * time.Hour
	firstRetry  = 15 * time.Minute // after the first failure; doubles with each
	maxAttempts = 5
	lease       = 5 * time.Minute // for one process to finish a lookup
	maxWaiting  = 10_000          // lookups; more are not queued
)

// States of a lookup.
const (
	waiting = "waiting"
	done    = "done"
)

// Lookup is one thing to ask, and what came of it.
type Lookup struct {
	Kind     Kind
	Subject  string // folded address, fingerprint, or SignerSubject
	GroupID  string // whose mail asked first; "" for none
	Waiting  bool
	Attempts int
	Due      time.Time
	Asked    time.Time // zero: not yet
	Asks     []Ask     // of the last time
}

// Store keeps lookups, what Autocrypt knows, and which sources a group approves. It is safe for concurrent use, by several
// processes too.
type Store struct{ db *gorm.DB }

// NewStore returns the store in db.
func NewStore(db *gorm.DB) *Store { return &Store{db: db} }

// Enqueue has an address or a signer looked up in the background, unless it waits already or was asked within a day. Beyond
// 10,000 of them nothing is queued; the refreshes of known certificates do not count, so that no stranger's mail keeps a
// revocation out.
func (s *Store) Enqueue(ctx context.Context, kind Kind, subject, groupID string, at time.Time) error {
	var n int64
	err := s.db.WithContext(ctx).Model(&lookupRow{}).Where("state = ? AND kind <> ?", waiting, string(ForRefresh)).Count(&n).Error
	if err != nil || n >= maxWaiting {
		return wrap("queue lookup", err)
	}
	_, err = s.queue(ctx, lookupRow{Kind: string(kind), Subject: subject, GroupID: groupID, DueMS: at.UnixMilli()}, at)
	return err
}

// EnqueueRefresh has a known certificate asked for when it is due, unless it waits already or was asked within a day. It
// tells whether it was queued.
func (s *Store) EnqueueRefresh(ctx context.Context, fingerprint string, at, due time.Time) (bool, error) {
	return s.queue(ctx, lookupRow{Kind: string(ForRefresh), Subject: fingerprint, DueMS: due.UnixMilli()}, at)
}

// queue makes a row wait, if it is new or was asked for a day ago.
func (s *Store) queue(ctx context.Context, row lookupRow, at time.Time) (bool, error) {
	db := s.db.WithContext(ctx)
	row.State = waiting
	created := db.Clauses(clause.OnConflict{DoNothing: true}).Create(&row)
	if created.Error != nil || created.RowsAffected > 0 {
		return created.Error == nil, wrap("queue lookup", created.Error)
	}
	again := db.Model(&lookupRow{}).
		Where("kind = ? AND subject = ? AND state = ? AND asked_ms <= ?", row.Kind, row.Subject, done, at.Add(-askAgain).UnixMilli()).
		Updates(map[string]any{"state": waiting, "attempts": 0, "due_ms": row.DueMS, "group_id": row.GroupID})
	return again.RowsAffected > 0, wrap("queue lookup", again.Error)
}

// Claim takes the lookup of some kinds, or of any when none is named, that is due longest, for five minutes; false when
// none is. Several processes never hold the same.
func (s *Store) Claim(ctx context.Context, at time.Time, kinds ...Kind) (Lookup, bool, error) {
	db := s.db.WithContext(ctx)
	for {
		var row lookupRow
		due := db.Where("state = ? AND due_ms <= ?", waiting, at.UnixMilli())
		if len(kinds) > 0 {
			due = due.Where("kind IN ?", kinds)
		}
		err := due.Order("due_ms, kind, subject").Take(&row).Error
		if errors.Is(err, gorm.ErrRecordNotFound) {
			return Lookup{}, false, nil
		}
		if err != nil {
			return Lookup{}, false, wrap("claim lookup", err)
		}
		result := db.Model(&lookupRow{}).
			Where("kind = ? AND subject = ? AND state = ? AND due_ms = ?", row.Kind, row.Subject, waiting, row.DueMS).
			Updates(map[string]any{"due_ms": at.Add(lease).UnixMilli(), "attempts": row.Attempts + 1})
		if result.Error != nil {
			return Lookup{}, false, wrap("claim lookup", result.Error)
		}
		if result.RowsAffected == 1 {
			row.Attempts++
			return row.lookup(), true, nil
		}
	}
}

// Finish writes down what came of a lookup. When servers could not be asked it waits, longer each time, at most five times.
func (s *Store) Finish(ctx context.Context, l Lookup, r Report, at time.Time) error {
	text, err := json.Marshal(r.Asks)
	if err != nil {
		return wrap("finish lookup", err)
	}
	changes := map[string]any{"report": string(text), "asked_ms": at.UnixMilli(), "state": done}
	if r.Postponed() && l.Attempts < maxAttempts {
		changes["state"], changes["due_ms"] = waiting, at.Add(firstRetry<<(max(l.Attempts, 1)-1)).UnixMilli()
	}
	err = s.db.WithContext(ctx).Model(&lookupRow{}).Where("kind = ? AND subject = ?", string(l.Kind), l.Subject).Updates(changes).Error
	return wrap("finish lookup", err)
}

// Lookups returns lookups about addresses and signers, at most limit: what waits, the next first, then what was asked last.
func (s *Store) Lookups(ctx context.Context, limit int) ([]Lookup, error) {
	var all []Lookup
	for _, half := range []struct{ state, order string }{{waiting, "due_ms, subject"}, {done, "asked_ms DESC, subject"}} {
		var rows []lookupRow
		err := s.db.WithContext(ctx).Where("state = ? AND kind <> ?", half.state, string(ForRefresh)).
			Order(half.order).Limit(limit - len(all)).Find(&rows).Error
		if err != nil {
			return nil, wrap("list lookups", err)
		}
		for _, r := range rows {
			all = append(all, r.lookup())
		}
	}
	return all, nil
}

// Forget deletes what was asked before an instant and is not asked for again: an address that nobody writes to any more.
func (s *Store) Forget(ctx context.Context, before time.Time) error {
	err := s.db.WithContext(ctx).Where("state = ? AND asked_ms < ?", done, before.UnixMilli()).Delete(&lookupRow{}).Error
	return wrap("forget lookups", err)
}

func (r lookupRow) lookup() Lookup {
	l := Lookup{
		Kind: Kind(r.Kind), Subject: r.Subject, GroupID: r.GroupID, Waiting: r.State == waiting, Attempts: r.Attempts,
		Due: instant(r.DueMS), Asked: instant(r.AskedMS),
	}
	if json.Unmarshal([]byte(r.Report), &l.Asks) != nil {
		l.Asks = nil // not asked yet
	}
	return l
}

// Peer returns what Autocrypt knows of an address; the zero Peer with the address when nothing.
func (s *Store) Peer(ctx context.Context, address string) (Peer, error) {
	var row peerRow
	err := s.db.WithContext(ctx).Where("address = ?", keyring.Fold(address)).Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return Peer{Address: keyring.Fold(address)}, nil
	}
	return row.peer(), wrap("read Autocrypt state", err)
}

// Peers returns what Autocrypt knows of these addresses, of each that it knows, in one query.
func (s *Store) Peers(ctx context.Context, addresses []string) ([]Peer, error) {
	folded := make([]string, len(addresses))
	for i, a := range addresses {
		folded[i] = keyring.Fold(a)
	}
	var rows []peerRow
	err := s.db.WithContext(ctx).Where("address IN ?", folded).Order("address").Find(&rows).Error
	all := make([]Peer, len(rows))
	for i, r := range rows {
		all[i] = r.peer()
	}
	return all, wrap("read Autocrypt state", err)
}

// SavePeer writes what Autocrypt knows of an address.
func (s *Store) SavePeer(ctx context.Context, tx *gorm.DB, p Peer) error {
	row := rowOf(p)
	return wrap("write Autocrypt state", tx.WithContext(ctx).Clauses(clause.OnConflict{UpdateAll: true}).Create(&row).Error)
}

// CanApprove tells whether a group may approve a source by itself. Gossip is hearsay and never can be.
func CanApprove(source keyring.Source) bool {
	switch source {
	case keyring.WKD, keyring.Keyserver, keyring.Autocrypt, keyring.Attachment:
		return true
	}
	return false
}

// Approvals returns the sources that a group approves by itself, in order.
func (s *Store) Approvals(ctx context.Context, groupID string) ([]keyring.Source, error) {
	var rows []approvalRow
	err := s.db.WithContext(ctx).Where("group_id = ?", groupID).Order("source").Find(&rows).Error
	var all []keyring.Source
	for _, r := range rows {
		all = append(all, keyring.Source(r.Source))
	}
	return all, wrap("read approvals", err)
}

// AllApprovals returns the sources that groups approve by themselves, by group, each in order. One query.
func (s *Store) AllApprovals(ctx context.Context) (map[string][]keyring.Source, error) {
	var rows []approvalRow
	err := s.db.WithContext(ctx).Order("group_id, source").Find(&rows).Error
	all := map[string][]keyring.Source{}
	for _, r := range rows {
		all[r.GroupID] = append(all[r.GroupID], keyring.Source(r.Source))
	}
	return all, wrap("read approvals", err)
}

// SetApprovals replaces the sources that a group approves by itself.
func (s *Store) SetApprovals(ctx context.Context, tx *gorm.DB, groupID string, sources []keyring.Source) error {
	tx = tx.WithContext(ctx)
	if err := tx.Where("group_id = ?", groupID).Delete(&approvalRow{}).Error; err != nil {
		return wrap("write approvals", err)
	}
	for _, source := range sources {
		if !CanApprove(source) {
			return fmt.Errorf("%q cannot be approved by itself; choose among wkd, keyserver, autocrypt, attachment", source)
		}
		row := approvalRow{GroupID: groupID, Source: string(source)}
		if err := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&row).Error; err != nil {
			return wrap("write approvals", err)
		}
	}
	return nil
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("discover: %s: %w", what, err)
}
