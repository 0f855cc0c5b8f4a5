package local

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
	"github.com/sealgate/sealgate/keyring/seal"
	"golang.org/x/crypto/argon2"
)

// keyFile is the file's content as JSON. Key is the key itself, or the key wrapped under the passphrase.
type keyFile struct {
	Format  int         `json:"sealgate_key_file"`
	ID      string      `json:"id"`
	Key     []byte      `json:"key"`
	Argon2  *argon2Cost `json:"argon2id,omitempty"`
	Created time.Time   `json:"created"`
}

// argon2Cost is what turns the passphrase into a key (RFC 9106). The file names it, so that it can be raised later.
type argon2Cost struct {
	Salt      []byte `json:"salt"`
	Time      uint32 `json:"time"`
	MemoryKiB uint32 `json:"memory_kib"`
	Threads   uint8  `json:"threads"`
}

// The cost of new files (RFC 9106, second recommended option), and the most that a file may ask for.
const (
	argon2Time      = 3
	argon2MemoryKiB = 64 << 10
	argon2Threads   = 4
	maxMemoryKiB    = 1 << 20
	maxTime         = 20
	maxFileSize     = 64 << 10
	saltSize        = 16
	keySize         = 32
	wrappedSize     = 12 + keySize + 16 // nonce, key, tag: see docs/sealed-format.md
)

// Create makes a new key file at path (mode 0600, folder 0700, written to disk before it returns) and opens it.
// It never overwrites. An empty passphrase stores the key unprotected. passphrase is wiped by the caller.
func Create(path string, passphrase []byte) (*Provider, error) {
	key, err := seal.NewKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	p := &Provider{id: uuid.NewString(), key: key, protected: len(passphrase) > 0}
	f := keyFile{Format: 1, ID: p.id, Created: time.Now().UTC().Truncate(time.Second)}
	if f.Key, f.Argon2, err = protect(key, p.id, passphrase); err != nil {
		return nil, fmt.Errorf("create key file: %w", err)
	}
	defer clear(f.Key)
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("create key file: %w", err)
	}
	defer clear(text)
	if err := writeNew(path, append(text, '\n')); err != nil {
		return nil, fmt.Errorf("create key file %s: %w", path, err)
	}
	return p, nil
}

// protect returns what the file stores for key.
func protect(key seal.Key, id string, passphrase []byte) ([]byte, *argon2Cost, error) {
	if len(passphrase) == 0 {
		return key.Export(), nil, nil
	}
	cost := &argon2Cost{Salt: make([]byte, saltSize), Time: argon2Time, MemoryKiB: argon2MemoryKiB, Threads: argon2Threads}
	if _, err := rand.Read(cost.Salt); err != nil {
		return nil, nil, err
	}
	guard, err := cost.key(passphrase)
	if err != nil {
		return nil, nil, err
	}
	defer guard.Wipe()
	wrapped, err := guard.Wrap(key, fileContext(id), rand.Reader)
	return wrapped, cost, err
}

func (c *argon2Cost) key(passphrase []byte) (seal.Key, error) {
	return seal.KeyFromBytes(argon2.IDKey(passphrase, c.Salt, c.Time, c.MemoryKiB, c.Threads, keySize))
}

// fileContext binds a wrapped key to the id in its file.
func fileContext(id string) seal.EncryptionContext {
	return seal.EncryptionContext{Type: "key-file", ID: id, Time: time.UnixMilli(0)}
}

// writeNew makes a file with this content, and returns when it and its name are on disk. It fails with fs.ErrExist when
// there is one. The file gets its name when it is whole, so a crash leaves none that would be taken for a damaged one.
func writeNew(path string, content []byte) error {
	folder := filepath.Dir(path)
	_, err := os.Stat(folder)
	newFolder := errors.Is(err, fs.ErrNotExist)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(folder, filepath.Base(path)+".new-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Link(f.Name(), path) // unlike a rename it never overwrites
	}
	if err := errors.Join(err, os.Remove(f.Name())); err != nil {
		return err
	}
	if newFolder {
		if err := syncFolder(filepath.Dir(folder)); err != nil {
			return err
		}
	}
	return syncFolder(folder)
}

func syncFolder(folder string) error {
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Open reads the key file at path: ErrMissing, ErrPassphrase, or a sentence about wrong permissions or damage.
func Open(path string, passphrase []byte) (*Provider, error) {
	text, err := readGuarded(path)
	if err != nil {
		return nil, err
	}
	defer clear(text)
	f, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s is no key file of this sealgate, or it is damaged; restore it from its backup (%w)", path, err)
	}
	defer clear(f.Key)
	key, err := f.open(passphrase)
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	return &Provider{id: f.ID, key: key, protected: f.Argon2 != nil}, nil
}

// readGuarded reads a file that only its owner can read.
func readGuarded(path string) ([]byte, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", path, ErrMissing)
	}
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("key file: %w", err)
	case !info.Mode().IsRegular() || info.Size() > maxFileSize:
		return nil, fmt.Errorf("%s is no key file; name the right one, or restore it from its backup", path)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("others may read the key file %s (mode %o); run: chmod 600 %s", path, info.Mode().Perm(), path)
	}
	return io.ReadAll(io.LimitReader(file, maxFileSize))
}

// parse reads a key file's text and checks that what it asks for is within bounds.
func parse(text []byte) (keyFile, error) {
	var f keyFile
	if err := json.Unmarshal(text, &f); err != nil {
		return keyFile{}, errors.New("it is not JSON of this form") // the cause would repeat what it read
	}
	plain, c := f.Argon2 == nil, f.Argon2
	switch {
	case f.Format != 1:
		return keyFile{}, fmt.Errorf("its format is %d, not 1", f.Format)
	case f.ID == "" || plain && len(f.Key) != keySize || !plain && len(f.Key) != wrappedSize:
		return keyFile{}, errors.New("the id or the key is not whole")
	case !plain && (c.Time == 0 || c.Time > maxTime || c.MemoryKiB > maxMemoryKiB || c.Threads == 0 || len(c.Salt) < saltSize):
		return keyFile{}, errors.New("its passphrase cost is out of bounds")
	}
	return f, nil
}

func (f *keyFile) open(passphrase []byte) (seal.Key, error) {
	if f.Argon2 == nil {
		key, err := seal.KeyFromBytes(f.Key)
		if err != nil {
			return seal.Key{}, fmt.Errorf("it holds no key; restore it from its backup (%w)", err)
		}
		return key, nil
	}
	if len(passphrase) == 0 {
		return seal.Key{}, fmt.Errorf("it is protected and no passphrase was given; set kms.passphrase_file: %w", ErrPassphrase)
	}
	guard, err := f.Argon2.key(passphrase)
	if err != nil {
		return seal.Key{}, err
	}
	defer guard.Wipe()
	key, err := guard.Unwrap(f.Key, fileContext(f.ID))
	if err != nil {
		return seal.Key{}, ErrPassphrase
	}
	return key, nil
}
