package bed

import (
	"strings"
	"testing"
)

// SQ is Sequoia's sq, up to version 0.29: it keeps no state, and its command line changed after that.
type SQ struct{ program }

// NewSQ finds it. It calls Need.
func NewSQ(t testing.TB) *SQ {
	t.Helper()
	return &SQ{program: newProgram(t, "sq", "--force")}
}

// Version is that of sq, without that of its library.
func (s *SQ) Version() (string, error) {
	out, err := s.output(nil, "--version")
	_, version, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	version, _, _ = strings.Cut(version, " ")
	return version, err
}

// Generate makes a key; kind is a cipher suite: cv25519, rsa3k, rsa4k.
func (s *SQ) Generate(userID, kind string) ([]byte, error) {
	args := []string{"key", "generate", "--userid", userID, "--export", "-", "--rev-cert", s.dir + "/revocation"}
	if kind != "" {
		args = append(args, "--cipher-suite", kind)
	}
	return s.output(nil, args...)
}

// Certificate extracts it.
func (s *SQ) Certificate(key []byte) ([]byte, error) { return s.output(key, "key", "extract-cert") }

// Encrypt encrypts, and signs inside.
func (s *SQ) Encrypt(plain, signer []byte, certificates ...[]byte) ([]byte, error) {
	args := []string{"encrypt"}
	paths, err := s.files(certificates...)
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		args = append(args, "--recipient-cert", path)
	}
	if signer != nil {
		path, err := s.file(signer)
		if err != nil {
			return nil, err
		}
		args = append(args, "--signer-key", path)
	}
	return s.output(plain, args...)
}

// Decrypt decrypts; with a signer's certificate sq itself insists on its good signature.
func (s *SQ) Decrypt(message, key, signer []byte) ([]byte, error) {
	paths, err := s.files(key, signer)
	if err != nil {
		return nil, err
	}
	args := []string{"decrypt", "--recipient-key", paths[0]}
	if signer != nil {
		args = append(args, "--signer-cert", paths[1])
	}
	return s.output(message, args...)
}

// Sign makes a detached signature.
func (s *SQ) Sign(plain, key []byte) ([]byte, error) {
	path, err := s.file(key)
	if err != nil {
		return nil, err
	}
	return s.output(plain, "sign", "--detached", "--signer-key", path)
}

// Verify checks one.
func (s *SQ) Verify(plain, signature, signer []byte) error {
	paths, err := s.files(signature, signer)
	if err != nil {
		return err
	}
	_, err = s.output(plain, "verify", "--detached", paths[0], "--signer-cert", paths[1])
	return err
}

// Clearsign signs a text.
func (s *SQ) Clearsign(text, key []byte) ([]byte, error) {
	path, err := s.file(key)
	if err != nil {
		return nil, err
	}
	return s.output(text, "sign", "--cleartext-signature", "--signer-key", path)
}

// ReadClearsigned verifies one.
func (s *SQ) ReadClearsigned(message, signer []byte) ([]byte, error) {
	path, err := s.file(signer)
	if err != nil {
		return nil, err
	}
	return s.output(message, "verify", "--signer-cert", path)
}
