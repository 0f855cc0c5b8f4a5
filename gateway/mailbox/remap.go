package mailbox

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/sealgate/sealgate/keyring/seal"
	"gorm.io/gorm"
)

// remap finds the messages that a folder had under an earlier upstream UIDVALIDITY. Their digests are computed from
// the archive when they are needed: a digest at rest would tell whoever has the message that we have it too.
type remap struct {
	mirror  *Mirror
	folder  folderRow
	waiting map[[sha256.Size]byte][]orphan
}

// orphan is a message or a pending change whose upstream UID belongs to an earlier UIDVALIDITY.
type orphan struct {
	validity, uid uint32
	articleID     string
}

// takeUIDValidity notes the UIDVALIDITY under which upstream's UIDs are meant from now on.
func (m *Mirror) takeUIDValidity(ctx context.Context, f folderRow, validity uint32) (folderRow, error) {
	if f.UpstreamUIDValidity == validity {
		return f, nil
	}
	err := m.db.WithContext(ctx).Model(&folderRow{}).Where("id = ?", f.ID).Update("upstream_uidvalidity", validity).Error
	if err != nil {
		return f, fmt.Errorf("note UIDVALIDITY: %w", err)
	}
	f.UpstreamUIDValidity = validity
	return f, nil
}

// newRemap reads the orphans of a folder. Without arrivals nothing can claim one, and no digest is computed; nor is
// one once every message of the folder was compared. An orphan that nobody claims stays: should the earlier
// UIDVALIDITY come back (a mail store that was not mounted), it is the same message again.
func (s *Syncer) newRemap(ctx context.Context, f folderRow, arrivals bool) (*remap, error) {
	r := &remap{mirror: s.Mirror, folder: f, waiting: map[[sha256.Size]byte][]orphan{}}
	if !arrivals || s.compared[f.ID] == f.UpstreamUIDValidity {
		return r, nil
	}
	orphans, err := s.Mirror.orphans(ctx, f)
	if err != nil {
		return nil, err
	}
	for _, o := range orphans {
		digest, err := s.Mirror.digest(ctx, o.articleID)
		if err != nil {
			// It cannot be recognised: upstream's copy arrives as a new message.
			s.Log.WarnContext(ctx, "original cannot be read", "article", o.articleID, "error", err)
			continue
		}
		r.waiting[digest] = append(r.waiting[digest], o)
	}
	return r, nil
}

func (m *Mirror) orphans(ctx context.Context, f folderRow) ([]orphan, error) {
	const old = "folder_id = ? AND upstream_uid <> 0 AND upstream_uidvalidity <> ?"
	var rows []messageRow
	if err := m.db.WithContext(ctx).Where(old, f.ID, f.UpstreamUIDValidity).Order("uid").Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read orphans: %w", err)
	}
	var changes []changeRow
	if err := m.db.WithContext(ctx).Where(old, f.ID, f.UpstreamUIDValidity).Order("id").Find(&changes).Error; err != nil {
		return nil, fmt.Errorf("read orphans: %w", err)
	}
	var found []orphan
	seen := map[orphan]bool{}
	add := func(o orphan) {
		if !seen[o] {
			seen[o] = true
			found = append(found, o)
		}
	}
	for _, row := range rows {
		add(orphan{row.UpstreamUIDValidity, row.UpstreamUID, row.ArticleID})
	}
	for _, c := range changes {
		add(orphan{c.UpstreamUIDValidity, c.UpstreamUID, c.ArticleID})
	}
	return found, nil
}

// digest is that of the message as it arrived.
func (m *Mirror) digest(ctx context.Context, articleID string) (sum [sha256.Size]byte, err error) {
	r, err := m.archive.Original(ctx, articleID)
	if errors.Is(err, seal.ErrGone) { // nothing was changed at arrival
		r, err = m.archive.Message(ctx, articleID)
	}
	if err != nil {
		return sum, err
	}
	defer r.Close()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return sum, err
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}

// claim gives an orphan with the same bytes its new upstream UID, one orphan per arrival, and tells whether there was
// one.
func (r *remap) claim(ctx context.Context, a Arrival) (bool, error) {
	if len(r.waiting) == 0 {
		return false, nil
	}
	digest := sha256.Sum256(a.Message)
	same := r.waiting[digest]
	if len(same) == 0 {
		return false, nil
	}
	o := same[0]
	err := r.mirror.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		if _, err := lockFolder(tx, r.folder.ID); err != nil {
			return err
		}
		for _, table := range []any{&messageRow{}, &changeRow{}} {
			err := tx.Model(table).
				Where("folder_id = ? AND upstream_uidvalidity = ? AND upstream_uid = ?", r.folder.ID, o.validity, o.uid).
				Updates(map[string]any{"upstream_uidvalidity": a.Origin.UIDValidity, "upstream_uid": a.Origin.UID}).Error
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("map message to its new UID: %w", err)
	}
	r.waiting[digest] = same[1:]
	return true, nil
}
