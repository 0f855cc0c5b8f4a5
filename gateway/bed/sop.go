package bed

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// SOP is a program with the Stateless OpenPGP command line (draft-dkg-openpgp-stateless-cli).
type SOP struct {
	program
	verifications string // the option that names the file for verifications; it was renamed in the draft's revision 05
}

// NewSOP takes a program (sqop, gosop, pgpainless-cli, or a path) and the arguments that come before the subcommand. It
// calls Need.
func NewSOP(t testing.TB, name string, args ...string) *SOP {
	t.Helper()
	s := &SOP{program: newProgram(t, name, args...), verifications: "--verifications-out="}
	if filepath.Base(name) == "gosop" {
		s.verifications = "--verify-out="
	}
	// A Java program starts in half the time when it does not prepare for a long life.
	s.env = []string{"JAVA_TOOL_OPTIONS=-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}
	return s
}

// Version is the first line that the program prints, without its name.
func (s *SOP) Version() (string, error) {
	out, err := s.output(nil, "version")
	if filepath.Base(s.path) == "gosop" { // Debian's gosop says 0.0.0; what counts is the library behind it
		out, err = s.output(nil, "version", "--backend")
	}
	line, _, _ := strings.Cut(string(out), "\n")
	if _, version, named := strings.Cut(line, " "); named {
		return version, err
	}
	return line, err
}

// Generate makes a key; kind is a profile.
func (s *SOP) Generate(userID, kind string) ([]byte, error) {
	args := []string{"generate-key"}
	if kind != "" {
		args = append(args, "--profile="+kind)
	}
	return s.output(nil, append(args, userID)...)
}

// Certificate extracts it.
func (s *SOP) Certificate(key []byte) ([]byte, error) { return s.output(key, "extract-cert") }

// Encrypt encrypts, and signs inside.
func (s *SOP) Encrypt(plain, signer []byte, certificates ...[]byte) ([]byte, error) {
	args := []string{"encrypt"}
	if signer != nil {
		path, err := s.file(signer)
		if err != nil {
			return nil, err
		}
		args = append(args, "--sign-with="+path)
	}
	paths, err := s.files(certificates...)
	if err != nil {
		return nil, err
	}
	return s.output(plain, append(args, paths...)...)
}

// Decrypt decrypts and verifies. The program's exit code does not tell of signatures, its file of verifications does.
func (s *SOP) Decrypt(message, key, signer []byte) ([]byte, error) {
	paths, err := s.files(key, signer)
	if err != nil {
		return nil, err
	}
	if signer == nil {
		return s.output(message, "decrypt", paths[0])
	}
	verified := paths[1] + ".verified" // the program refuses to overwrite
	plain, err := s.output(message, "decrypt", s.verifications+verified, "--verify-with="+paths[1], paths[0])
	if err != nil {
		return nil, err
	}
	if told, err := os.ReadFile(verified); err != nil || len(bytes.TrimSpace(told)) == 0 {
		return plain, ErrNotSigned
	}
	return plain, nil
}

// Sign makes a detached signature.
func (s *SOP) Sign(plain, key []byte) ([]byte, error) {
	path, err := s.file(key)
	if err != nil {
		return nil, err
	}
	return s.output(plain, "sign", path)
}

// Verify checks one.
func (s *SOP) Verify(plain, signature, signer []byte) error {
	paths, err := s.files(signature, signer)
	if err != nil {
		return err
	}
	_, err = s.output(plain, "verify", paths[0], paths[1])
	return err
}

// InlineSign returns a message with its signature in it; as is binary, text or clearsigned.
func (s *SOP) InlineSign(plain, key []byte, as string) ([]byte, error) {
	path, err := s.file(key)
	if err != nil {
		return nil, err
	}
	return s.output(plain, "inline-sign", "--as="+as, path)
}

// InlineVerify returns what was signed.
func (s *SOP) InlineVerify(message, signer []byte) (plain []byte, err error) {
	path, err := s.file(signer)
	if err != nil {
		return nil, err
	}
	return s.output(message, "inline-verify", path)
}

// Clearsign signs a text.
func (s *SOP) Clearsign(text, key []byte) ([]byte, error) {
	return s.InlineSign(text, key, "clearsigned")
}

// ReadClearsigned verifies one.
func (s *SOP) ReadClearsigned(message, signer []byte) ([]byte, error) {
	return s.InlineVerify(message, signer)
}
