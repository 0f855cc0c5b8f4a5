package seal

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"pgregory.net/rapid"
)

// spooled returns a spool file that holds content and is being written still.
func spooled(t testing.TB, content []byte) *SpoolFile {
	t.Helper()
	spool, err := NewSpool(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	f, err := spool.Create()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Remove() })
	if _, err := f.Write(content); err != nil {
		t.Fatal(err)
	}
	return f
}

// numbered is bytes of which no two chunks are alike.
func numbered(size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return b
}

// TestReadAtIsThatOfABuffer: any reads at any places are as those of plain bytes.
func TestReadAtIsThatOfABuffer(t *testing.T) {
	sizes := []int{0, 1, chunkSize - 1, chunkSize, chunkSize + 1, 2 * chunkSize, 3*chunkSize + 17}
	files := map[int]*SpoolFile{}
	for _, size := range sizes {
		files[size] = spooled(t, numbered(size))
	}
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.SampledFrom(sizes).Draw(t, "size")
		f, plain := files[size], bytes.NewReader(numbered(size))
		for range rapid.IntRange(1, 5).Draw(t, "reads") {
			off := rapid.Int64Range(0, int64(size)+10).Draw(t, "off")
			got := make([]byte, rapid.OneOf(rapid.IntRange(0, 100), rapid.IntRange(0, 2*chunkSize+10)).Draw(t, "length"))
			want := bytes.Clone(got)
			n, err := f.ReadAt(got, off)
			wantN, wantErr := plain.ReadAt(want, off)
			if len(want) == 0 {
				wantErr = nil // a buffer may say EOF already
			}
			if n != wantN || !bytes.Equal(got, want) || !errors.Is(err, wantErr) {
				t.Fatalf("%d bytes from %d: %d, %v; want %d, %v", len(got), off, n, err, wantN, wantErr)
			}
		}
	})
}

// TestReadAtEndsWriting: as Reader does, and both see the same.
func TestReadAtEndsWriting(t *testing.T) {
	f := spooled(t, []byte("the answer"))
	answer := make([]byte, 6)
	if n, err := f.ReadAt(answer, 4); n != 6 || err != nil || string(answer) != "answer" {
		t.Fatalf("%q, %v", answer[:n], err)
	}
	if _, err := f.Write([]byte("late")); err == nil || f.Size() != 10 {
		t.Errorf("written after it was read: %v, size %d", err, f.Size())
	}
	r, err := f.Reader()
	if err != nil {
		t.Fatal(err)
	}
	if all, err := io.ReadAll(r); err != nil || string(all) != "the answer" {
		t.Errorf("%q, %v", all, err)
	}
	if _, err := f.ReadAt(answer, -1); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("before the start: %v", err)
	}
}

// TestReadAtOfARemovedFile: nothing can be read, and nothing stays in memory.
func TestReadAtOfARemovedFile(t *testing.T) {
	f := spooled(t, []byte(strings.Repeat("canary", 10)))
	b := make([]byte, 6)
	if _, err := f.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	buffer := f.random.buffer
	if err := f.Remove(); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(buffer, []byte("can")) {
		t.Error("the plaintext is still in memory")
	}
	clear(b)
	if n, err := f.ReadAt(b, 0); n != 0 || !errors.Is(err, os.ErrClosed) || b[0] != 0 {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// TestReadAtOfAFullDisk: what could not be written cannot be read.
func TestReadAtOfAFullDisk(t *testing.T) {
	f := spoolFileOnFullDisk(t)
	if _, err := f.Write([]byte("few")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if n, err := f.ReadAt(make([]byte, 3), 0); n != 0 || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%d bytes, %v", n, err)
		}
	}
}

// TestReadAtOfAnAlteredFile: no altered byte is released; other chunks can be read.
func TestReadAtOfAnAlteredFile(t *testing.T) {
	const sealedChunk = chunkSize + tagSize
	first := int64(headerSize)
	for _, c := range []struct {
		name  string
		alter func(t *testing.T, file *os.File)
		lost  []int // the chunks that do not open
	}{
		{"magic", flip(0), []int{0, 1, 2}},
		{"salt", flip(12), []int{0, 1, 2}},
		{"first byte of a chunk", flip(first + sealedChunk), []int{1}},
		{"tag", flip(first + sealedChunk - 1), []int{0}},
		{"last chunk", flip(first + 2*sealedChunk + 5), []int{2}},
		{"cut short", cut(first + 2*sealedChunk + 50), []int{2}},
		{"last chunk missing", cut(first + 2*sealedChunk), []int{2}},
		{"only a header", cut(first), []int{0, 1, 2}},
		{"empty", cut(0), []int{0, 1, 2}},
		{"two chunks changed places", exchange(first, first+sealedChunk, sealedChunk), []int{0, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			content := numbered(2*chunkSize + 100)
			f := spooled(t, content)
			if _, err := f.Reader(); err != nil { // ends writing
				t.Fatal(err)
			}
			c.alter(t, f.file)
			lost := map[int]bool{}
			for _, n := range c.lost {
				lost[n] = true
			}
			for n := range 3 {
				got := make([]byte, 100)
				read, err := f.ReadAt(got, int64(n*chunkSize))
				switch {
				case lost[n] && (read != 0 || !errors.Is(err, ErrTampered) || !bytes.Equal(got, make([]byte, 100))):
					t.Errorf("chunk %d was altered: %d bytes, %v", n, read, err)
				case !lost[n] && (err != nil || !bytes.Equal(got, content[n*chunkSize:][:100])):
					t.Errorf("chunk %d: %v", n, err)
				}
			}
		})
	}
}

func flip(at int64) func(*testing.T, *os.File) {
	return func(t *testing.T, file *os.File) {
		b := make([]byte, 1)
		if _, err := file.ReadAt(b, at); err != nil {
			t.Fatal(err)
		}
		b[0] ^= 1
		if _, err := file.WriteAt(b, at); err != nil {
			t.Fatal(err)
		}
	}
}

func cut(size int64) func(*testing.T, *os.File) {
	return func(t *testing.T, file *os.File) {
		if err := file.Truncate(size); err != nil {
			t.Fatal(err)
		}
	}
}

func exchange(a, b int64, size int) func(*testing.T, *os.File) {
	return func(t *testing.T, file *os.File) {
		first, second := make([]byte, size), make([]byte, size)
		_, err := file.ReadAt(first, a)
		_, err2 := file.ReadAt(second, b)
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		_, err = file.WriteAt(second, a)
		_, err2 = file.WriteAt(first, b)
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
	}
}

// TestReadAtFromManySides: readers at different places do not disturb each other, nor do Reader and Size.
func TestReadAtFromManySides(t *testing.T) {
	content := numbered(4 * chunkSize)
	f := spooled(t, content)
	var all sync.WaitGroup
	for side := range 4 {
		all.Go(func() {
			got := make([]byte, 20_000)
			for off := side * 10_000; off+len(got) <= len(content) && int64(off) < f.Size(); off += 37_000 {
				if _, err := f.ReadAt(got, int64(off)); err != nil || !bytes.Equal(got, content[off:off+len(got)]) {
					t.Errorf("at %d: %v", off, err)
				}
			}
			r, err := f.Reader()
			if err != nil {
				t.Error(err)
				return
			}
			if whole, err := io.ReadAll(r); err != nil || !bytes.Equal(whole, content) {
				t.Errorf("read %d bytes, %v", len(whole), err)
			}
		})
	}
	all.Wait()
}

// TestSmallReadsOpenAChunkOnce: a reader that goes through the file in small steps costs no more than one in large ones.
func TestSmallReadsOpenAChunkOnce(t *testing.T) {
	f := spooled(t, numbered(2*chunkSize))
	if _, err := f.ReadAt(make([]byte, 10), 0); err != nil {
		t.Fatal(err)
	}
	flip(int64(headerSize)+100)(t, f.file) // of the chunk that is open
	for off := int64(0); off < chunkSize; off += 10 {
		if _, err := f.ReadAt(make([]byte, 6), off); err != nil {
			t.Fatalf("opened again at %d: %v", off, err)
		}
	}
	if _, err := f.ReadAt(make([]byte, 10), chunkSize); err != nil {
		t.Fatal(err)
	}
	if _, err := f.ReadAt(make([]byte, 10), 0); !errors.Is(err, ErrTampered) {
		t.Errorf("the altered chunk was opened: %v", err)
	}
	if size := cap(f.random.buffer); size > chunkSize+tagSize {
		t.Errorf("it holds %d bytes in memory", size)
	}
}

// BenchmarkSpoolReadAt reads a large file in small steps, and the same by Reader.
func BenchmarkSpoolReadAt(b *testing.B) {
	f := spooled(b, make([]byte, 16<<20))
	for name, open := range map[string]func() (io.Reader, error){
		"ReadAt": func() (io.Reader, error) { return io.NewSectionReader(f, 0, f.Size()), nil },
		"Reader": func() (io.Reader, error) { return f.Reader() },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(16 << 20)
			b.ReportAllocs()
			for b.Loop() {
				r, err := open()
				if err != nil {
					b.Fatal(err)
				}
				if n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, r, make([]byte, 4<<10)); n != 16<<20 || err != nil {
					b.Fatal(n, err)
				}
			}
		})
	}
}
