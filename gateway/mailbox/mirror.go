package mailbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/sealgate/sealgate/gateway/archive"
	"gorm.io/gorm"
)

// ErrNoFolder says that a folder, or the folder of an article, is not in the mirror.
var ErrNoFolder = errors.New("no such folder in the mirror")

// NewMessage is a frozen message about to appear in the mirror. The zero Origin UID marks one that exists only here
// (a later opening of an earlier message).
type NewMessage struct {
	Origin    Origin
	ArticleID string
	Size      int64 // bytes, of the message as the ticket system sees it
	Internal  time.Time
	Flags     []string
}

// Mirror is the mirrored state in one database. It is safe for concurrent use, by several processes too: whoever
// changes a folder first takes the lock on its row, so that UIDs appear in their order.
type Mirror struct {
	db      *gorm.DB
	archive *archive.Archive
	now     func() time.Time
	wakers  wakers
}

// NewMirror returns the mirror in db over the articles of a.
func NewMirror(db *gorm.DB, a *archive.Archive, now func() time.Time) *Mirror {
	return &Mirror{db: db, archive: a, now: now}
}

// Insert gives a message the folder's next UID, inside tx. Call Wake after the commit.
func (m *Mirror) Insert(ctx context.Context, tx *gorm.DB, n NewMessage) (uid uint32, err error) {
	tx = tx.WithContext(ctx)
	var f folderRow
	// The update takes the row's lock until tx ends: a lower UID can never appear after a higher one.
	found := tx.Raw(`UPDATE mirror_folders SET next_uid = next_uid + 1, version = version + 1, messages = messages + 1
		WHERE id = ? AND mailbox_id = ? RETURNING id, next_uid, version`, n.Origin.FolderID, n.Origin.MailboxID).Scan(&f)
	if found.Error != nil {
		return 0, fmt.Errorf("take the next UID: %w", found.Error)
	}
	if f.ID == "" {
		return 0, fmt.Errorf("insert into folder %s: %w", n.Origin.FolderID, ErrNoFolder)
	}
	if f.NextUID-1 > math.MaxUint32 {
		return 0, fmt.Errorf("insert into folder %s: no UID is left", f.ID)
	}
	row := messageRow{
		FolderID: f.ID, UID: uint32(f.NextUID - 1), ArticleID: n.ArticleID, Size: n.Size, InternalMS: n.Internal.UnixMilli(),
		Flags: string(flagsOfStrings(n.Flags)), UpstreamUID: n.Origin.UID, Version: f.Version,
	}
	if n.Origin.UID != 0 {
		row.UpstreamUIDValidity = n.Origin.UIDValidity
	}
	if err := tx.Create(&row).Error; err != nil {
		return 0, fmt.Errorf("insert message into mirror: %w", err)
	}
	return row.UID, nil
}

// FolderOf returns the folder in which an article stands first, for a reopened one to join it. The error wraps
// ErrNoFolder when it stands in none.
func (m *Mirror) FolderOf(ctx context.Context, articleID string) (Origin, error) {
	var found struct {
		MailboxID           string
		FolderID            string
		UpstreamUIDValidity uint32
		UpstreamUID         uint32
	}
	err := m.db.WithContext(ctx).Raw(`SELECT f.mailbox_id, m.folder_id, m.upstream_uidvalidity AS upstream_uid_validity, m.upstream_uid
		FROM mirror_messages m JOIN mirror_folders f ON f.id = m.folder_id
		WHERE m.article_id = ? ORDER BY m.folder_id, m.uid LIMIT 1`, articleID).Scan(&found).Error
	if err != nil {
		return Origin{}, fmt.Errorf("find the folder of an article: %w", err)
	}
	if found.FolderID == "" {
		return Origin{}, fmt.Errorf("article %s: %w", articleID, ErrNoFolder)
	}
	return Origin{
		MailboxID: found.MailboxID, FolderID: found.FolderID,
		UIDValidity: found.UpstreamUIDValidity, UID: found.UpstreamUID,
	}, nil
}

// Wake tells sessions and syncs of a mailbox in this process that something changed.
func (m *Mirror) Wake(mailboxID string) { m.wakers.wake(mailboxID) }

// message returns the frozen bytes of an article; what does not agree with its mirror row in size is an error.
func (m *Mirror) message(ctx context.Context, articleID string, size int64) ([]byte, error) {
	r, err := m.archive.Message(ctx, articleID)
	if err != nil {
		return nil, fmt.Errorf("open article %s: %w", articleID, err)
	}
	defer r.Close()
	bytes := make([]byte, size)
	if _, err := io.ReadFull(r, bytes); err != nil {
		return nil, fmt.Errorf("read article %s: %w", articleID, err)
	}
	// Only the end of the stream proves that nothing was cut off.
	n, err := io.Copy(io.Discard, r)
	if err != nil {
		return nil, fmt.Errorf("read article %s to its end: %w", articleID, err)
	}
	if n != 0 {
		return nil, fmt.Errorf("read article %s: it is %d bytes longer than the mirror says", articleID, n)
	}
	return bytes, nil
}

// header returns the header of an article with its blank line, without opening the rest of it. A header beyond
// maxHeader is cut.
func (m *Mirror) header(ctx context.Context, articleID string) ([]byte, error) {
	r, err := m.archive.Message(ctx, articleID)
	if err != nil {
		return nil, fmt.Errorf("open article %s: %w", articleID, err)
	}
	defer r.Close()
	var seen []byte
	for piece := make([]byte, 32<<10); ; {
		n, err := r.Read(piece)
		seen = append(seen, piece[:n]...)
		if end, found := headerEnd(seen); found {
			return seen[:end], nil
		}
		if errors.Is(err, io.EOF) || len(seen) > maxHeader {
			return seen, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read article %s: %w", articleID, err)
		}
	}
}

// maxHeader bounds what a search or a list reads of one header.
const maxHeader = 1 << 20
