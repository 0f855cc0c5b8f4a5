package gateway_test

import (
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/keyring"
)

// TestNoiseIsRefusedAtTheDoor: 50 MB of nothing comes as a dump. Its sentence says what to do, nothing is stored, and what
// is said of its blocks is bounded however many they are.
func TestNoiseIsRefusedAtTheDoor(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for name, c := range map[string]struct {
		fill func([]byte)
		want string
	}{
		"random octets": {func(b []byte) {
			for i := range b {
				b[i] = byte(random.Uint32()) & 0x7f
			}
		}, "not OpenPGP data"},
		"text":            {func(b []byte) { copyAround(b, "lorem ipsum dolor\n") }, "not OpenPGP data"},
		"BEGIN lines":     {func(b []byte) { copyAround(b, "-----BEGIN PGP PUBLIC KEY BLOCK-----\n") }, "1000 blocks in a row"},
		"heads of keys":   {func(b []byte) { copyAround(b, "\x98\x01\x04") }, "1000 blocks in a row"},
		"binary as text":  {func(b []byte) { copyAround(b, "\ufffd\ufffdP\ufffd") }, "upload the file"},
		"one single line": {func(b []byte) { copyAround(b, "x") }, "not OpenPGP data"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			_, before, err := h.Keyring.List(h.ctx(), keyring.Filter{}, h.Now())
			if err != nil {
				t.Fatal(err)
			}
			refused := 0
			err = h.ImportDump(h.ctx(), h.admin, &endless{50 << 20, c.fill}, nil, func(r gateway.ImportReport) error {
				for _, change := range r.Changes {
					if refused++; change.Outcome != keyring.Refused || change.Sentence == "" {
						t.Fatalf("%+v", change)
					}
				}
				return nil
			})
			var problem *gateway.Problem
			if !errors.As(err, &problem) || !strings.Contains(problem.Sentence, c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if refused > 1000 {
				t.Errorf("%d blocks were reported", refused)
			}
			if _, after, err := h.Keyring.List(h.ctx(), keyring.Filter{}, h.Now()); err != nil || after != before {
				t.Errorf("%d certificates before, %d after, %v", before, after, err)
			}
		})
	}
}

// endless is so many octets that were never in memory.
type endless struct {
	left int
	fill func([]byte)
}

func (e *endless) Read(b []byte) (int, error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	n := min(len(b), e.left)
	e.fill(b[:n])
	e.left -= n
	return n, nil
}

func copyAround(b []byte, text string) {
	for n := 0; n < len(b); n += copy(b[n:], text) {
	}
}

// TestRefusedImportsSayWhatToDo: a wrong passphrase and a bomb are refused with the rest of the input taken.
func TestRefusedImportsSayWhatToDo(t *testing.T) {
	h := newHouse(t)
	h.Keyring.Limits = keyring.Limits{S2KWork: 1}
	locked, err := h.ExportSecretKey(h.ctx(), h.admin, h.own.Fingerprint, []byte("correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	neighbour := public(t, newKey(t, "neighbour@example.org", 0))
	report, err := h.ImportCertificates(h.ctx(), h.admin, gateway.ImportRequest{Input: slices.Concat(locked.Content, neighbour), Passphrase: []byte("x")})
	if err != nil || len(report.Changes) != 2 {
		t.Fatal(report, err)
	}
	if c := report.Changes; c[0].Outcome != keyring.Refused || !strings.Contains(c[0].Sentence, "too long") || c[1].Outcome != keyring.Added {
		t.Errorf("%+v", c)
	}
	h.Keyring.Limits = keyring.Limits{}
	report, err = h.ImportCertificates(h.ctx(), h.admin, gateway.ImportRequest{Input: locked.Content, Passphrase: []byte("x")})
	if err != nil || len(report.Changes) != 1 || !strings.Contains(report.Changes[0].Sentence, "check it and import the file again") {
		t.Errorf("%+v, %v", report, err)
	}
}
