package bed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// OpenPGP is a program that does OpenPGP with keys that are handed to it at each call, as armored text: secret keys
// without passphrase, or certificates. Messages and signatures are armored, plaintext is bytes. An error holds the
// program's own words. One OpenPGP is not for concurrent use; several of the same program are.
type OpenPGP interface {
	// Version is the program's version.
	Version() (string, error)
	// Generate makes a secret key for a user ID ("Name <address>"). Kinds are the program's own; "" is its default.
	Generate(userID, kind string) (key []byte, err error)
	// Certificate is the public half of a secret key.
	Certificate(key []byte) ([]byte, error)
	// Encrypt encrypts to certificates and, where signer is a secret key, signs inside.
	Encrypt(plain, signer []byte, certificates ...[]byte) (message []byte, err error)
	// Decrypt opens a message with a secret key. Where signer is a certificate, a message without its good signature is
	// an error.
	Decrypt(message, key, signer []byte) (plain []byte, err error)
	// Sign makes a detached signature.
	Sign(plain, key []byte) (signature []byte, err error)
	// Verify checks a detached signature.
	Verify(plain, signature, signer []byte) error
	// Clearsign signs a text so that people can read it (RFC 9580, section 7).
	Clearsign(text, key []byte) (message []byte, err error)
	// ReadClearsigned returns the text that such a signature covers; without the signer's good signature that is an error.
	ReadClearsigned(message, signer []byte) (text []byte, err error)
}

// ErrNotSigned tells that a program opened a message but vouched for no signature.
var ErrNotSigned = errors.New("the program reports no good signature")

// program is a command-line program with a folder of its own, which is its HOME too.
type program struct {
	path string
	args []string // that come first at every call
	env  []string
	dir  string
}

func newProgram(t testing.TB, name string, args ...string) program {
	t.Helper()
	Need(t, name)
	return program{path: find(name), args: args, dir: Dir(t)}
}

// oneCall bounds one call: a program that asks a question nobody answers must not hold the tests up.
const oneCall = time.Minute

// run calls the program and returns what it wrote to stdout and stderr. A non-zero exit is an error with its words.
func (p program) run(stdin []byte, args ...string) (stdout, words []byte, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), oneCall)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.path, append(p.args[:len(p.args):len(p.args)], args...)...)
	var out, told bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &out, &told
	cmd.Env = append(append(os.Environ(), "HOME="+p.dir, "LC_ALL=C", "TZ=UTC"), p.env...)
	if failed := cmd.Run(); failed != nil {
		err = fmt.Errorf("%s: %w: %s", filepath.Base(p.path), failed, bytes.TrimSpace(append(told.Bytes(), out.Bytes()...)))
	}
	return out.Bytes(), told.Bytes(), err
}

// output is run for calls whose stdout is all that counts.
func (p program) output(stdin []byte, args ...string) ([]byte, error) {
	out, _, err := p.run(stdin, args...)
	return out, err
}

// file writes content to a file of its own and returns its path. It goes with the folder when the test ends.
func (p program) file(content []byte) (string, error) {
	f, err := os.CreateTemp(p.dir, "file")
	if err != nil {
		return "", err
	}
	_, err = f.Write(content)
	return f.Name(), errors.Join(err, f.Close())
}

// files writes several.
func (p program) files(contents ...[]byte) ([]string, error) {
	var paths []string
	for _, content := range contents {
		path, err := p.file(content)
		if err != nil {
			return nil, err
		}
		paths = append(paths, path)
	}
	return paths, nil
}
