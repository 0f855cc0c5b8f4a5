package mailbox

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/emersion/go-imap/v2"
	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// inbox is the one folder that every mailbox has. RFC 9051, section 5.1: its name is case-insensitive.
const inbox = "INBOX"

func canonicalFolder(name string) string {
	if strings.EqualFold(name, inbox) {
		return inbox
	}
	return name
}

// ensureFolder returns a folder and creates it when it is new, with a UIDVALIDITY that it keeps for ever. Attributes
// and delimiter are brought up to date.
func (m *Mirror) ensureFolder(ctx context.Context, mailboxID, name, attributes, delimiter string) (folderRow, error) {
	f, err := m.folder(ctx, mailboxID, name)
	if err == nil && (delimiter == "" || f.Attributes == attributes && f.Delimiter == delimiter) {
		return f, nil
	}
	id, err := uuid.NewV7()
	if err != nil {
		return folderRow{}, fmt.Errorf("create folder: %w", err)
	}
	validity, err := newUIDValidity()
	if err != nil {
		return folderRow{}, err
	}
	f = folderRow{
		ID: id.String(), MailboxID: mailboxID, Name: name, Attributes: attributes, Delimiter: delimiter,
		UIDValidity: validity, NextUID: 1,
	}
	err = m.db.WithContext(ctx).Clauses(clause.OnConflict{
		Columns:   []clause.Column{{Name: "mailbox_id"}, {Name: "name"}},
		DoUpdates: clause.AssignmentColumns([]string{"attributes", "delimiter"}),
	}).Create(&f).Error
	if err != nil {
		return folderRow{}, fmt.Errorf("create folder: %w", err)
	}
	return m.folder(ctx, mailboxID, name)
}

// newUIDValidity is random, so that a folder made anew is never taken for the one before. It fits 31 bits, because
// some clients keep it signed.
func newUIDValidity() (uint32, error) {
	var b [4]byte
	if _, err := rand.Read(b[:]); err != nil {
		return 0, fmt.Errorf("choose UIDVALIDITY: %w", err)
	}
	return binary.BigEndian.Uint32(b[:])&0x7fffffff | 1, nil
}

// folder returns one folder by name; the error wraps ErrNoFolder.
func (m *Mirror) folder(ctx context.Context, mailboxID, name string) (folderRow, error) {
	return m.oneFolder(ctx, "mailbox_id = ? AND name = ?", mailboxID, canonicalFolder(name))
}

func (m *Mirror) folderByID(ctx context.Context, id string) (folderRow, error) {
	return m.oneFolder(ctx, "id = ?", id)
}

func (m *Mirror) oneFolder(ctx context.Context, condition string, args ...any) (folderRow, error) {
	var found []folderRow
	if err := m.db.WithContext(ctx).Where(condition, args...).Limit(1).Find(&found).Error; err != nil {
		return folderRow{}, fmt.Errorf("read folder: %w", err)
	}
	if len(found) == 0 {
		return folderRow{}, ErrNoFolder
	}
	return found[0], nil
}

// folders returns every folder of a mailbox by name, INBOX first.
func (m *Mirror) folders(ctx context.Context, mailboxID string) ([]folderRow, error) {
	var found []folderRow
	err := m.db.WithContext(ctx).Where("mailbox_id = ?", mailboxID).
		Order("CASE WHEN name = 'INBOX' THEN 0 ELSE 1 END, name").Find(&found).Error
	if err != nil {
		return nil, fmt.Errorf("list folders: %w", err)
	}
	return found, nil
}

// messages returns the messages of a folder that changed after a version, by UID; after -1 that is all of them.
func (m *Mirror) messages(ctx context.Context, folderID string, after int64) ([]messageRow, error) {
	var found []messageRow
	err := m.db.WithContext(ctx).Where("folder_id = ? AND version > ?", folderID, after).Order("uid").Find(&found).Error
	if err != nil {
		return nil, fmt.Errorf("list messages: %w", err)
	}
	return found, nil
}

// uids returns the UIDs of a folder in order.
func (m *Mirror) uids(ctx context.Context, folderID string) ([]uint32, error) {
	var found []uint32
	err := m.db.WithContext(ctx).Model(&messageRow{}).Where("folder_id = ?", folderID).Order("uid").Pluck("uid", &found).Error
	if err != nil {
		return nil, fmt.Errorf("list UIDs: %w", err)
	}
	return found, nil
}

// lockFolder takes the lock on a folder's row until tx ends, and counts one change.
func lockFolder(tx *gorm.DB, folderID string) (version int64, err error) {
	var f folderRow
	err = tx.Raw("UPDATE mirror_folders SET version = version + 1 WHERE id = ? RETURNING id, version", folderID).Scan(&f).Error
	if err != nil {
		return 0, fmt.Errorf("lock folder: %w", err)
	}
	if f.ID == "" {
		return 0, ErrNoFolder
	}
	return f.Version, nil
}

// specialUse keeps the attributes of RFC 6154 that upstream gave a folder.
func specialUse(attributes []imap.MailboxAttr) string {
	var kept []string
	for _, a := range attributes {
		for _, known := range []imap.MailboxAttr{
			imap.MailboxAttrAll, imap.MailboxAttrArchive, imap.MailboxAttrDrafts, imap.MailboxAttrFlagged,
			imap.MailboxAttrJunk, imap.MailboxAttrSent, imap.MailboxAttrTrash,
		} {
			if strings.EqualFold(string(a), string(known)) {
				kept = append(kept, string(known))
			}
		}
	}
	return strings.Join(kept, " ")
}
