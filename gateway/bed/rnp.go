package bed

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"strings"
	"testing"
)

// RNP is rnp, the library of Thunderbird, through its command-line programs.
type RNP struct {
	program
	keys program
	ids  map[[sha256.Size]byte]string // by armored key
}

// NewRNP finds it. It calls Need.
func NewRNP(t testing.TB) *RNP {
	t.Helper()
	r := &RNP{
		program: newProgram(t, "rnp", "--notty", "--password", "", "--overwrite", "--output", "-"),
		keys:    newProgram(t, "rnpkeys", "--notty", "--password", ""),
		ids:     map[[sha256.Size]byte]string{},
	}
	r.keys.dir = r.dir
	return r
}

// Version is that of rnp.
func (r *RNP) Version() (string, error) {
	out, err := r.output(nil, "--version")
	line, _, _ := strings.Cut(string(out), "\n")
	_, version, _ := strings.Cut(line, " ")
	return version, err
}

// Generate makes a key; kind is rsa (the default), eddsa or p256.
func (r *RNP) Generate(userID, kind string) ([]byte, error) {
	home, err := r.home()
	if err != nil {
		return nil, err
	}
	// rnpkeys --expert reads its answers from stdin, and at the end of stdin asks for ever.
	answers, known := map[string]string{"": "", "rsa": "", "eddsa": "22\n", "p256": "19\n1\n"}[kind]
	if !known {
		return nil, fmt.Errorf("rnp: unknown kind of key %q", kind)
	}
	args := []string{"--homedir", home, "--userid", userID, "--generate-key"}
	if answers != "" {
		args = append(args, "--expert")
	}
	if _, err := r.keys.output([]byte(answers), args...); err != nil {
		return nil, err
	}
	return r.keys.output(nil, "--homedir", home, "--export-key", "--secret", userID)
}

// Certificate extracts it.
func (r *RNP) Certificate(key []byte) ([]byte, error) {
	id, err := r.keyID(key)
	if err != nil {
		return nil, err
	}
	home, err := r.home(key)
	if err != nil {
		return nil, err
	}
	return r.keys.output(nil, "--homedir", home, "--export-key", id)
}

// Encrypt encrypts, and signs inside.
func (r *RNP) Encrypt(plain, signer []byte, certificates ...[]byte) ([]byte, error) {
	return r.encrypt(plain, signer, certificates)
}

// EncryptAEAD encrypts with the packet of GnuPG and LibrePGP (number 20); mode is OCB or EAX. Encrypt never uses it.
func (r *RNP) EncryptAEAD(mode string, plain, signer []byte, certificates ...[]byte) ([]byte, error) {
	return r.encrypt(plain, signer, certificates, "--aead="+mode)
}

func (r *RNP) encrypt(plain, signer []byte, certificates [][]byte, options ...string) ([]byte, error) {
	args := append([]string{"--encrypt", "--armor", "-z", "0"}, options...)
	for _, certificate := range certificates {
		id, err := r.keyID(certificate)
		if err != nil {
			return nil, err
		}
		args = append(args, "--recipient", id)
	}
	if signer != nil {
		id, err := r.keyID(signer)
		if err != nil {
			return nil, err
		}
		args = append(args, "--sign", "--userid", id)
	}
	out, _, err := r.with(append([][]byte{signer}, certificates...), plain, args...)
	return out, err
}

// Decrypt decrypts. rnp's exit code tells of bad signatures, its words of good ones.
func (r *RNP) Decrypt(message, key, signer []byte) ([]byte, error) {
	plain, words, err := r.with([][]byte{key, signer}, message, "--decrypt")
	if err == nil && signer != nil && !bytes.Contains(words, []byte("Good signature")) {
		err = ErrNotSigned
	}
	return plain, err
}

// Sign makes a detached signature.
func (r *RNP) Sign(plain, key []byte) ([]byte, error) {
	id, err := r.keyID(key)
	if err != nil {
		return nil, err
	}
	out, _, err := r.with([][]byte{key}, plain, "--sign", "--detach", "--armor", "--userid", id)
	return out, err
}

// Verify checks one.
func (r *RNP) Verify(plain, signature, signer []byte) error {
	data, err := r.file(plain)
	if err != nil {
		return err
	}
	_, _, err = r.with([][]byte{signer}, signature, "--verify", "--source", data)
	return err
}

// Clearsign signs a text.
func (r *RNP) Clearsign(text, key []byte) ([]byte, error) {
	id, err := r.keyID(key)
	if err != nil {
		return nil, err
	}
	message, _, err := r.with([][]byte{key}, text, "--clearsign", "--userid", id)
	return message, err
}

// ReadClearsigned verifies one.
func (r *RNP) ReadClearsigned(message, signer []byte) ([]byte, error) {
	text, words, err := r.with([][]byte{signer}, message, "--decrypt")
	if err == nil && !bytes.Contains(words, []byte("Good signature")) {
		err = ErrNotSigned
	}
	return text, err
}

// with runs rnp with a home that holds keys.
func (r *RNP) with(keys [][]byte, stdin []byte, args ...string) (stdout, words []byte, err error) {
	home, err := r.home(keys...)
	if err != nil {
		return nil, nil, err
	}
	return r.run(stdin, append([]string{"--homedir", home}, args...)...)
}

// home makes a folder with the keys in it, of which nil ones do not count.
func (r *RNP) home(keys ...[]byte) (string, error) {
	home, err := os.MkdirTemp(r.dir, "home")
	if err != nil {
		return "", err
	}
	for _, key := range keys {
		if key == nil {
			continue
		}
		path, err := r.file(key)
		if err != nil {
			return "", err
		}
		if _, err := r.keys.output(nil, "--homedir", home, "--import-keys", path); err != nil {
			return "", err
		}
	}
	return home, nil
}

// keyID is how rnp names the primary key.
func (r *RNP) keyID(key []byte) (string, error) {
	sum := sha256.Sum256(key)
	if id := r.ids[sum]; id != "" {
		return id, nil
	}
	home, err := r.home(key)
	if err != nil {
		return "", err
	}
	listed, err := r.keys.output(nil, "--homedir", home, "--list-keys")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(listed)) {
		if f := strings.Fields(line); len(f) > 2 && f[0] == "pub" {
			r.ids[sum] = f[2]
			return f[2], nil
		}
	}
	return "", fmt.Errorf("rnp lists no key:\n%s", listed)
}
