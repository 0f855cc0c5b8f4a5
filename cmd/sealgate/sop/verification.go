package sop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/pgpmime/pgp"
)

// verifier judges signatures by the certificates that the caller named.
type verifier struct {
	certificates []*loaded
	period       period
}

// ring is what the engine looks signers up in.
func (v verifier) ring() openpgp.EntityList {
	var all openpgp.EntityList
	for _, c := range v.certificates {
		all = append(all, c.Entity)
	}
	return all
}

// verifications are the draft's lines for the signatures that count, nil when none does.
func (v verifier) verifications(found []pgp.Signature) []byte {
	var b bytes.Buffer
	for _, s := range found {
		if s.State != pgp.Verified || !v.period.contains(s.At) {
			continue
		}
		if names := v.names(s.Signer); names != nil {
			b.Write(line(s, names))
		}
	}
	return b.Bytes()
}

// names are the inputs that hold a signer's certificate: a key that only decrypts vouches for nobody.
func (v verifier) names(signer *openpgp.Entity) (names []string) {
	for _, c := range v.certificates {
		if c.Fingerprint == fingerprint(signer.PrimaryKey) && !slices.Contains(names, c.from) {
			names = append(names, c.from)
		}
	}
	return names
}

// line is one line of VERIFICATIONS: time, fingerprints of signing and primary key, mode, and JSON.
func line(s pgp.Signature, signers []string) []byte {
	mode := "binary"
	if s.Text {
		mode = "text"
	}
	extra, err := json.Marshal(struct {
		Signers []string `json:"signers"`
	}{signers})
	if err != nil {
		extra = nil // strings always marshal
	}
	return fmt.Appendf(nil, "%s %s %s mode:%s %s\n", s.At.UTC().Format(time.RFC3339),
		fingerprint(s.Key.PublicKey), fingerprint(s.Signer.PrimaryKey), mode, extra)
}

// reasons says for people why no signature counts.
func (v verifier) reasons(found []pgp.Signature) error {
	text := ""
	for _, s := range found {
		switch {
		case s.State == pgp.Verified:
			text += fmt.Sprintf("; one by %s was not made in the period that was asked for", s.KeyID())
		case s.Reason != "":
			text += fmt.Sprintf("; one by %s: %s: %s", s.KeyID(), s.State, s.Reason)
		default:
			text += fmt.Sprintf("; one by %s: %s", s.KeyID(), s.State)
		}
	}
	return fail(NoSignature, "no signature counts%s", text)
}
