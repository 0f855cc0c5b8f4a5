package kms

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/sealgate/sealgate/keyring/seal"
	"gorm.io/gorm"
)

// segmentSize is the most sealed bytes in one row.
const segmentSize = 256 << 10

// Seal stores plaintext as ref inside tx. A ref is written once; a second Seal of it is an error.
func (k *Keeper) Seal(ctx context.Context, tx *gorm.DB, ref Ref, plaintext []byte) error {
	return k.SealAll(ctx, tx, Sealing{ref, plaintext})
}

// Sealing is one object to seal.
type Sealing struct {
	Ref       Ref
	Plaintext []byte
}

// SealAll is Seal for several objects, with as few statements as they need.
func (k *Keeper) SealAll(ctx context.Context, tx *gorm.DB, all ...Sealing) error {
	rows := make([]objectRow, 0, len(all))
	segments := &segmentWriter{tx: tx.WithContext(ctx)}
	for _, s := range all {
		segments.begin(s.Ref)
		row, err := k.sealTo(segments, s.Ref, bytes.NewReader(s.Plaintext))
		if err != nil {
			return fmt.Errorf("seal %s %s: %w", s.Ref.Kind, s.Ref.ID, err)
		}
		rows = append(rows, row)
	}
	if err := segments.flush(); err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	if err := tx.WithContext(ctx).Create(&rows).Error; err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	return nil
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
	segments := &segmentWriter{tx: tx.WithContext(ctx)}
	segments.begin(ref)
	row, err := k.sealTo(segments, ref, r)
	if err != nil {
		return 0, err
	}
	if err := segments.flush(); err != nil {
		return 0, err
	}
	return row.Size, tx.WithContext(ctx).Create(&row).Error
}

// sealTo writes the sealed stream of one object and returns the row of its key.
func (k *Keeper) sealTo(segments *segmentWriter, ref Ref, r io.Reader) (objectRow, error) {
	sealed := time.UnixMilli(k.now().UnixMilli())
	ec := k.context(ref, sealed)
	dek, err := seal.NewKey(rand.Reader)
	if err != nil {
		return objectRow{}, err
	}
	defer dek.Wipe()
	lease, wrapped, err := k.wrapDEK(dek, ec)
	if err != nil {
		return objectRow{}, err
	}
	size, err := writeSegments(segments, dek, ec, r)
	if err != nil {
		return objectRow{}, err
	}
	k.sealedBytes(lease, size)
	return objectRow{
		Kind: string(ref.Kind), ObjectID: ref.ID, Version: ref.Version,
		LeaseID: lease.id, WrappedDEK: wrapped, Size: size, SealedMS: sealed.UnixMilli(),
	}, nil
}

func writeSegments(segments *segmentWriter, dek seal.Key, ec seal.EncryptionContext, r io.Reader) (int64, error) {
	w, err := seal.NewWriter(segments, dek, ec, rand.Reader)
	if err != nil {
		return 0, err
	}
	size, err := io.Copy(w, r)
	if err != nil {
		w.Close() // wipes its buffer; nothing of it is flushed to a row
		return 0, err
	}
	if err := w.Close(); err != nil {
		return 0, err
	}
	return size, segments.end()
}

// segmentWriter cuts sealed streams into rows, and inserts several at once where they are small.
type segmentWriter struct {
	tx   *gorm.DB
	ref  Ref
	seq  int
	data []byte

	rows  []segmentRow
	waits int // bytes in rows
}

// begin starts the stream of an object.
func (w *segmentWriter) begin(ref Ref) { w.ref, w.seq, w.data = ref, 0, nil }

// Write implements io.Writer.
func (w *segmentWriter) Write(p []byte) (int, error) {
	w.makeRoom(len(p))
	w.data = append(w.data, p...)
	for len(w.data) >= segmentSize {
		if err := w.add(w.data[:segmentSize:segmentSize]); err != nil {
			return 0, err
		}
		rest := w.data[segmentSize:]
		w.data = nil
		w.makeRoom(len(rest))
		w.data = append(w.data, rest...)
	}
	return len(p), nil
}

// makeRoom gives a small object what it needs, and a large one a whole segment at once.
func (w *segmentWriter) makeRoom(n int) {
	need := len(w.data) + n
	if need <= cap(w.data) {
		return
	}
	if need > segmentSize/4 {
		need = max(need, segmentSize+segmentSize/4)
	}
	w.data = append(make([]byte, 0, need), w.data...)
}

// end finishes the stream of an object.
func (w *segmentWriter) end() error {
	if len(w.data) == 0 {
		return nil
	}
	return w.add(w.data)
}

func (w *segmentWriter) add(data []byte) error {
	w.rows = append(w.rows, segmentRow{Kind: string(w.ref.Kind), ObjectID: w.ref.ID, Version: w.ref.Version, Seq: w.seq, Data: data})
	w.seq++
	if w.waits += len(data); w.waits < segmentSize {
		return nil
	}
	return w.flush()
}

// flush inserts what waits.
func (w *segmentWriter) flush() error {
	if len(w.rows) == 0 {
		return nil
	}
	err := w.tx.Create(&w.rows).Error
	w.rows, w.waits = nil, 0
	return err
}

// Open returns the plaintext of ref. The error wraps one of package seal; seal.ErrGone means there is none.
func (k *Keeper) Open(ctx context.Context, db *gorm.DB, ref Ref) ([]byte, error) {
	r, size, err := k.openReader(ctx, db, ref)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	// The size in the row is no promise: it saves growing, and and what is wrong with the object shows when it is read.
	plaintext := bytes.NewBuffer(make([]byte, 0, min(max(size, 0), largestGuess)+bytes.MinRead))
	if _, err := plaintext.ReadFrom(r); err != nil {
		return nil, fmt.Errorf("open %s %s: %w", ref.Kind, ref.ID, err)
	}
	return plaintext.Bytes(), nil
}

// largestGuess bounds the memory that is taken before anything was read.
const largestGuess = 128 << 20

// OpenReader streams the plaintext of ref at constant memory. It reads row by row and holds no transaction open. Bytes
// read are of no use before io.EOF came; its errors wrap those of package seal.
func (k *Keeper) OpenReader(ctx context.Context, db *gorm.DB, ref Ref) (io.ReadCloser, error) {
	r, _, err := k.openReader(ctx, db, ref)
	return r, err
}

func (k *Keeper) openReader(ctx context.Context, db *gorm.DB, ref Ref) (r io.ReadCloser, size int64, err error) {
	row, err := beginning(db.WithContext(ctx), ref)
	if err != nil {
		return nil, 0, fmt.Errorf("open %s %s: %w", ref.Kind, ref.ID, err)
	}
	r, err = k.open(ctx, db, row.Object, &segmentReader{db: db.WithContext(ctx), ref: ref, seq: 1, data: row.Data, last: len(row.Data) < segmentSize})
	if err != nil {
		return nil, 0, fmt.Errorf("open %s %s: %w", ref.Kind, ref.ID, err)
	}
	return r, row.Object.Size, nil
}

// beginning reads an object with its first segment, which is all there is of most.
func beginning(db *gorm.DB, ref Ref) (row beginningRow, err error) {
	err = db.Table("sealed_objects AS o").Select("o.*, s.data").
		Joins("JOIN sealed_segments AS s ON s.kind = o.kind AND s.object_id = o.object_id AND s.version = o.version AND s.seq = 0").
		Where("o.kind = ? AND o.object_id = ? AND o.version = ?", string(ref.Kind), ref.ID, ref.Version).Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		err = seal.ErrGone
	}
	return row, err
}

// open unwraps the object's key and starts reading its sealed stream. The row was found by what the caller says the
// object is, so its kind, id and version are the caller's.
func (k *Keeper) open(ctx context.Context, db *gorm.DB, row objectRow, sealed io.Reader) (*opened, error) {
	if err := k.loadLease(ctx, db, row.LeaseID); err != nil {
		return nil, err
	}
	ec := k.context(Ref{Kind: Kind(row.Kind), ID: row.ObjectID, Version: row.Version}, time.UnixMilli(row.SealedMS))
	dek, err := k.unwrapDEK(row, ec)
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

// loadLease makes the lease of an object resident. It reads through the caller's connection: inside a transaction all
// others may be waiting for this one to end.
func (k *Keeper) loadLease(ctx context.Context, db *gorm.DB, id string) error {
	if k.resident(id) {
		return nil
	}
	row, err := leaseByID(ctx, db, id)
	if err != nil {
		return err
	}
	return k.load(ctx, row)
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
	seq  int // of the next
	data []byte
	last bool // data is the end: only the last segment is shorter than the others
}

// Read implements io.Reader.
func (r *segmentReader) Read(p []byte) (int, error) {
	for len(r.data) == 0 {
		if r.last {
			return 0, io.EOF
		}
		var row segmentRow
		err := r.db.Where("kind = ? AND object_id = ? AND version = ? AND seq = ?", string(r.ref.Kind), r.ref.ID, r.ref.Version, r.seq).Take(&row).Error
		if errors.Is(err, gorm.ErrRecordNotFound) {
			return 0, io.EOF
		}
		if err != nil {
			return 0, err
		}
		r.seq++
		r.data, r.last = row.Data, len(row.Data) < segmentSize
	}
	n := copy(p, r.data)
	r.data = r.data[n:]
	return n, nil
}

// manyAtOnce is how many ids one query names.
const manyAtOnce = 500

// OpenMany opens version 1 of many small objects of one kind with two queries for every 500. Missing ids are absent
// from the map. Objects that were altered do not keep the others from opening: the map then holds the others, and
// the error names those and wraps their reason. Any other error leaves the map nil.
func (k *Keeper) OpenMany(ctx context.Context, db *gorm.DB, kind Kind, ids []string) (map[string][]byte, error) {
	all := make(map[string][]byte, len(ids))
	var altered []error
	for some := range slices.Chunk(ids, manyAtOnce) {
		err := k.openSome(ctx, db.WithContext(ctx), kind, some, all)
		if err != nil && !Altered(err) {
			return nil, fmt.Errorf("open %s objects: %w", kind, err)
		}
		altered = append(altered, err)
	}
	if err := errors.Join(altered...); err != nil {
		return all, fmt.Errorf("open %s objects: %w", kind, err)
	}
	return all, nil
}

// Altered tells whether err is about one object's sealed bytes, and not about the key or the KMS.
func Altered(err error) bool {
	return errors.Is(err, seal.ErrTampered) || errors.Is(err, seal.ErrContext) || errors.Is(err, seal.ErrUnsupported)
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
	var altered []error
	for _, o := range objects {
		stream, ok := streams[o.ObjectID]
		if !ok {
			continue // shredded between the two queries
		}
		plaintext, err := k.openAll(ctx, db, o, stream)
		if err != nil && !Altered(err) {
			return fmt.Errorf("%s: %w", o.ObjectID, err)
		}
		if err != nil {
			altered = append(altered, fmt.Errorf("%s: %w", o.ObjectID, err))
			continue
		}
		all[o.ObjectID] = plaintext
	}
	return errors.Join(altered...)
}

func (k *Keeper) openAll(ctx context.Context, db *gorm.DB, row objectRow, stream []byte) ([]byte, error) {
	r, err := k.open(ctx, db, row, bytes.NewReader(stream))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
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
