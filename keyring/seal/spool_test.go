package seal

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestSpoolHoldsNoPlaintext(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "spool")
	spool, err := NewSpool(folder)
	if err != nil {
		t.Fatal(err)
	}
	f, err := spool.Create()
	if err != nil {
		t.Fatal(err)
	}
	plaintext := bytes.Repeat([]byte("canary-spool "), 20_000)
	if _, err := f.Write(plaintext); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		r, err := f.Reader()
		if err != nil {
			t.Fatal(err)
		}
		if read, err := io.ReadAll(r); err != nil || !bytes.Equal(read, plaintext) || f.Size() != int64(len(plaintext)) {
			t.Fatalf("read back: %v, size %d", err, f.Size())
		}
	}
	raw := make([]byte, len(plaintext))
	if n, _ := f.file.ReadAt(raw, 0); bytes.Contains(raw[:n], []byte("canary")) {
		t.Error("the file holds plaintext")
	}
	if left, _ := os.ReadDir(folder); len(left) != 0 {
		t.Errorf("the folder shows %v", left)
	}
	if info, err := f.file.Stat(); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the file %v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(folder); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode of the folder %v, %v", info.Mode(), err)
	}
	if err := errors.Join(f.Remove(), f.Remove()); err != nil {
		t.Error(err)
	}
	if _, err := f.Reader(); err == nil {
		t.Error("a removed file can be read")
	}
}

func TestSpoolSweepsLeftovers(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "[data]") // not a pattern
	left := filepath.Join(folder, "spool-123")
	mine := filepath.Join(folder, "unrelated")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{left, mine} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := NewSpool(folder); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Error("the leftover is still there")
	}
	if _, err := os.Stat(mine); err != nil {
		t.Error("another file was swept")
	}
}

// TestFullDiskIsSaid: every write to /dev/full fails as on a full disk, at once or when the last chunk is written.
func TestFullDiskIsSaid(t *testing.T) {
	for name, size := range map[string]int{"while writing": 2 * chunkSize, "at the end": 10} {
		t.Run(name, func(t *testing.T) {
			f := spoolFileOnFullDisk(t)
			_, writeErr := f.Write(make([]byte, size))
			_, readErr := f.Reader()
			if !errors.Is(readErr, syscall.ENOSPC) || (size > chunkSize) != errors.Is(writeErr, syscall.ENOSPC) {
				t.Errorf("write: %v, read: %v", writeErr, readErr)
			}
			if _, err := f.Reader(); !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("read again: %v", err)
			}
		})
	}
}

// spoolFileOnFullDisk returns a spool file whose disk is full from now on.
func spoolFileOnFullDisk(t *testing.T) *SpoolFile {
	t.Helper()
	spool, err := NewSpool(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	f, err := spool.Create()
	if err != nil {
		t.Fatal(err)
	}
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Skip("this system has no /dev/full")
	}
	f.file.Close()
	f.file = full
	f.sealing.(*writer).dst = full
	t.Cleanup(func() { f.Remove() })
	return f
}

func TestUnusableSpoolFolderIsSaid(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewSpool(file); err == nil {
		t.Error("a file served as a folder")
	}
	spool, err := NewSpool(filepath.Join(t.TempDir(), "spool"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(spool.folder); err != nil {
		t.Fatal(err)
	}
	if _, err := spool.Create(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is gone: %v", err)
	}
}
