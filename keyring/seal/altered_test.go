package seal

import (
	"bytes"
	"crypto/rand"
	"errors"
	"testing"
)

// chunksOf cuts a sealed stream into its header and its sealed chunks.
func chunksOf(sealed []byte) (header []byte, chunks [][]byte) {
	header, rest := sealed[:headerSize], sealed[headerSize:]
	for len(rest) > chunkSize+16 {
		chunks, rest = append(chunks, rest[:chunkSize+16]), rest[chunkSize+16:]
	}
	return header, append(chunks, rest)
}

// TestAlteredStreamsDoNotOpen: whatever is done to the chunks, what is released is a true prefix at most, and the end
// is an error.
func TestAlteredStreamsDoNotOpen(t *testing.T) {
	plaintext := make([]byte, 3*chunkSize+100)
	rand.Read(plaintext)
	key := newTestKey(t)
	sealed := sealBytes(t, key, testContext(), plaintext)
	header, c := chunksOf(sealed)
	join := func(parts ...[]byte) []byte { return bytes.Join(append([][]byte{header}, parts...), nil) }
	for name, altered := range map[string][]byte{
		"header only":       header,
		"last chunk gone":   join(c[0], c[1], c[2]),
		"middle chunk gone": join(c[0], c[2], c[3]),
		"reordered":         join(c[1], c[0], c[2], c[3]),
		"duplicated":        join(c[0], c[0], c[1], c[2], c[3]),
		"last duplicated":   join(c[0], c[1], c[2], c[3], c[3]),
		"extended":          append(bytes.Clone(sealed), 0),
		"last made middle":  join(c[0], c[1], c[3]),
	} {
		opened, err := openBytes(key, testContext(), altered)
		if !errors.Is(err, ErrTampered) {
			t.Errorf("%s: error %v, want tampered", name, err)
		}
		if !bytes.HasPrefix(plaintext, opened) {
			t.Errorf("%s: bytes were released that were never sealed", name)
		}
	}
}

// TestTruncatedStreamsDoNotOpen: cut before, at and after every boundary, and at every byte of a short stream.
func TestTruncatedStreamsDoNotOpen(t *testing.T) {
	key := newTestKey(t)
	long := make([]byte, 2*chunkSize+100)
	rand.Read(long)
	sealed := sealBytes(t, key, testContext(), long)
	for chunk := range 3 {
		for _, off := range []int{-1, 0, 1, tagSize, 90} {
			refuse(t, key, sealed[:headerSize+chunk*(chunkSize+tagSize)+off], long)
		}
	}
	short := []byte("words")
	sealed = sealBytes(t, key, testContext(), short)
	for end := range sealed {
		refuse(t, key, sealed[:end], short)
	}
}

// refuse opens what was altered: the end must be ErrTampered, and no byte may come out that was not sealed.
func refuse(t *testing.T, key Key, altered, plaintext []byte) {
	t.Helper()
	opened, err := openBytes(key, testContext(), altered)
	if !errors.Is(err, ErrTampered) || !bytes.HasPrefix(plaintext, opened) {
		t.Errorf("%d bytes: %v, want tampered; %d bytes came out", len(altered), err, len(opened))
	}
}

// TestEveryByteCounts: a flipped bit in any byte refuses to open, and the header says which way.
func TestEveryByteCounts(t *testing.T) {
	key := newTestKey(t)
	sealed := sealBytes(t, key, testContext(), []byte("words"))
	for i := range sealed {
		altered := bytes.Clone(sealed)
		altered[i] ^= 1
		want := ErrTampered
		switch {
		case i < immutableSize-32-saltSize: // magic, version, suite, flags, chunk size
			want = ErrUnsupported
		case i >= immutableSize-32 && i < immutableSize: // the context's hash
			want = ErrContext
		}
		if opened, err := openBytes(key, testContext(), altered); !errors.Is(err, want) || len(opened) > 0 {
			t.Errorf("byte %d: %q, %v, want %v", i, opened, err, want)
		}
	}
}

// TestSwappedObjectsDoNotOpen: one object's stream in another's place, with its own key or with the other's.
func TestSwappedObjectsDoNotOpen(t *testing.T) {
	firstKey, secondKey := newTestKey(t), newTestKey(t)
	second := testContext()
	second.ID = "43"
	sealed := sealBytes(t, secondKey, second, []byte("second"))
	for name, key := range map[string]Key{"its own key": secondKey, "the other's key": firstKey} {
		if opened, err := openBytes(key, testContext(), sealed); !errors.Is(err, ErrContext) || len(opened) > 0 {
			t.Errorf("with %s: %q, %v", name, opened, err)
		}
	}
}

// TestChunksOfAnotherStreamDoNotOpen: the same key and context, another salt, and yet no chunk can be moved over.
func TestChunksOfAnotherStreamDoNotOpen(t *testing.T) {
	key := newTestKey(t)
	header, _ := chunksOf(sealBytes(t, key, testContext(), []byte("first")))
	_, chunks := chunksOf(sealBytes(t, key, testContext(), []byte("other")))
	refuse(t, key, append(bytes.Clone(header), chunks[0]...), nil)
}

// TestEmptyChunkAfterOthersIsRefused: each plaintext has one sealed form, so that nothing hides in how it is cut.
func TestEmptyChunkAfterOthersIsRefused(t *testing.T) {
	key, plaintext := newTestKey(t), make([]byte, chunkSize)
	var sealed bytes.Buffer
	w, err := NewWriter(&sealed, key, testContext(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plaintext); err != nil {
		t.Fatal(err)
	}
	w.(*writer).flush(false)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	refuse(t, key, sealed.Bytes(), plaintext)
}
