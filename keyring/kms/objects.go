package kms

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sealgate/sealgate/keyring/seal"
	"gorm.io/gorm"
)

// segmentSize is the most sealed bytes in one row.
const segmentSize = 256 << 10

// Seal stores plaintext as ref inside tx. A ref is written once; a second Seal of it is an error.
func (k *Keeper) Seal(ctx context.Context, tx *gorm.DB, ref Ref, plaintext []byte) error {
	_, err := k.SealFrom(ctx, tx, ref, bytes.NewReader(plaintext))
	return err
}

// SealFrom is Seal for a stream of unknown length, at constant memory; it returns the plaintext's length.
func (k *Keeper) SealFrom(ctx context.Context, tx *gorm.DB, ref Ref, r io.Reader) (int64, error) {
	size, err := k.sealFrom(ctx, tx, ref, r)
	if err != nil {
		return 0, fmt.Errorf("seal %s %s: %w", ref.Kind, ref.ID, err)
	}
	return size, nil
}

func (k *Keeper) sealFrom(ctx context.Context, tx *gorm.DB, ref Ref, r io.Reader) (int64, error) {
	l, err := k.sealing()
	if err != nil {
		return 0, err
	}
	sealed := time.UnixMilli(k.now().UnixMilli())
	ec := k.context(ref, sealed)
	dek, err := seal.NewKey(rand.Reader)
	if err != nil {
		return 0, err
	}
	defer dek.Wipe()
	row := objectRow{Kind: string(ref.Kind), ObjectID: ref.ID, Version: ref.Version, LeaseID: l.id, SealedMS: sealed.UnixMilli()}
	if row.WrappedDEK, err = l.key.Wrap(dek, ec, rand.Reader); err != nil {
		return 0, err
	}
	if row.Size, err = writeSegments(ctx, tx, ref, dek, ec, r); err != nil {
		return 0, err
	}
	k.sealedBytes(l, row.Size)
	return row.Size, tx.WithContext(ctx).Create(&row).Error
}

func writeSegments(ctx context.Context, tx *gorm.DB, ref Ref, dek seal.Key, ec seal.EncryptionContext, r io.Reader) (int64, error) {
	rows := &segmentWriter{tx: tx.WithContext(ctx), ref: ref}
	w, err := seal.NewWriter(rows, dek, ec, rand.Reader)
	if err != nil {
		return 0, err
	}
	size, err := io.Copy(w, r)
	if err := errors.Join(err, w.Close()); err != nil {
		return 0, err
	}
	return size, rows.flush()
}

// segmentWriter cuts a sealed stream into rows.
type segmentWriter struct {
	tx   *gorm.DB
	ref  Ref
	seq  int
	data []byte
}

// Write implements io.Writer.
func (w *segmentWriter) Write(p []byte) (int, error) {
	w.data = append(w.data, p...)
	for len(w.data) >= segmentSize {
		if err := w.insert(w.data[:segmentSize]); err != nil {
			return 0, err
		}
		w.data = append(w.data[:0], w.data[segmentSize:]...)
	}
	return len(p), nil
}

func (w *segmentWriter) flush() error {
	if len(w.data) == 0 {
		return nil
	}
	return w.insert(w.data)
}

func (w *segmentWriter) insert(data []byte) error {
	row := segmentRow{Kind: string(w.ref.Kind), ObjectID: w.ref.ID, Version: w.ref.Version, Seq: w.seq, Data: data}
	w.seq++
	return w.tx.Create(&row).Error
}

// Open returns the plaintext of ref. The error wraps one of package seal; seal.ErrGone means there is none.
func (k *Keeper) Open(ctx context.Context, db *gorm.DB, ref Ref) ([]byte, error) {
	r, err := k.OpenReader(ctx, db, ref)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	plaintext, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("open %s %s: %w", ref.Kind, ref.ID, err)
	}
	return plaintext, nil
}

// OpenReader streams the plaintext of ref at constant memory. It reads row by row and holds no transaction open.
func (k *Keeper) OpenReader(ctx context.Context, db *gorm.DB, ref Ref) (io.ReadCloser, error) {
	var row objectRow
	err := db.WithContext(ctx).Where("kind = ? AND object_id = ? AND version = ?", string(ref.Kind), ref.ID, ref.Version).Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		err = seal.ErrGone
	}
	if err != nil {
		return nil, fmt.Errorf("open %s %s: %w", ref.Kind, ref.ID, err)
	}
	r, err := k.open(ctx, row, ref, &segmentReader{db: db.WithContext(ctx), ref: ref})
	if err != nil {
		return nil, fmt.Errorf("open %s %s: %w", ref.Kind, ref.ID, err)
	}
	return r, nil
}

// open unwraps the object's key under what the caller says it is, and starts reading its sealed stream.
func (k *Keeper) open(ctx context.Context, row objectRow, ref Ref, sealed io.Reader) (*opened, error) {
	lease, err := k.leaseKey(ctx, row.LeaseID)
	if err != nil {
		return nil, err
	}
	ec := k.context(ref, time.UnixMilli(row.SealedMS))
	dek, err := lease.Unwrap(row.WrappedDEK, ec)
	if err != nil {
		return nil, err
	}
	r, err := seal.NewReader(sealed, dek, ec)
	if err != nil {
		dek.Wipe()
		return nil, err
	}
	return &opened{Reader: r, dek: dek}, nil
}

// opened is an object being read.
type opened struct {
	io.Reader
	dek seal.Key
}

// Close wipes the object's key.
func (o *opened) Close() error {
	o.dek.Wipe()
	return nil
}

// segmentReader reads a sealed stream row by row.
type segmentReader struct {
	db   *gorm.DB
	ref  Ref
	seq  int
	data []byte
}

// Read implements io.Reader.
func (r *segmentReader) Read(p []byte) (int, error) {
	for len(r.data) == 0 {
		var row segmentRow
		err := r.db.Where("kind = ? AND object_id = ? AND version = ? AND seq = ?", string(r.ref.Kind), r.ref.ID, r.ref.Version, r.seq).Take(&row).Error
		if errors.Is(err, gorm.ErrRecordNotFound) {
			return 0, io.EOF
		}
		if err != nil {
			return 0, err
		}
		r.seq++
		r.data = row.Data
	}
	n := copy(p, r.data)
	r.data = r.data[n:]
	return n, nil
}

// manyAtOnce is how many ids one query names.
const manyAtOnce = 500

// OpenMany opens version 1 of many small objects of one kind with two queries for every 500. Missing ids are absent
// from the map.
func (k *Keeper) OpenMany(ctx context.Context, db *gorm.DB, kind Kind, ids []string) (map[string][]byte, error) {
	all := make(map[string][]byte, len(ids))
	for len(ids) > 0 {
		n := min(len(ids), manyAtOnce)
		if err := k.openSome(ctx, db.WithContext(ctx), kind, ids[:n], all); err != nil {
			return nil, fmt.Errorf("open %s objects: %w", kind, err)
		}
		ids = ids[n:]
	}
	return all, nil
}

func (k *Keeper) openSome(ctx context.Context, db *gorm.DB, kind Kind, ids []string, all map[string][]byte) error {
	var objects []objectRow
	if err := db.Where("kind = ? AND version = 1 AND object_id IN ?", string(kind), ids).Find(&objects).Error; err != nil {
		return err
	}
	var segments []segmentRow
	if err := db.Where("kind = ? AND version = 1 AND object_id IN ?", string(kind), ids).Order("object_id, seq").Find(&segments).Error; err != nil {
		return err
	}
	streams := map[string][]byte{}
	for _, s := range segments {
		streams[s.ObjectID] = append(streams[s.ObjectID], s.Data...)
	}
	for _, o := range objects {
		r, err := k.open(ctx, o, Ref{Kind: kind, ID: o.ObjectID, Version: 1}, bytes.NewReader(streams[o.ObjectID]))
		if err != nil {
			return fmt.Errorf("%s: %w", o.ObjectID, err)
		}
		plaintext, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", o.ObjectID, err)
		}
		all[o.ObjectID] = plaintext
	}
	return nil
}

// Shred removes every version of an object with its wrapped keys. Removing what is not there is no error.
func (k *Keeper) Shred(ctx context.Context, tx *gorm.DB, kind Kind, id string) error {
	for _, row := range []any{&objectRow{}, &segmentRow{}} {
		if err := tx.WithContext(ctx).Where("kind = ? AND object_id = ?", string(kind), id).Delete(row).Error; err != nil {
			return fmt.Errorf("shred %s %s: %w", kind, id, err)
		}
	}
	return nil
}
