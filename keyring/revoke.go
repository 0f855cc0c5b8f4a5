package keyring

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/keyring/kms"
	"github.com/sealgate/sealgate/keyring/seal"
	"gorm.io/gorm"
)

// RevocationReason is why a key is revoked (RFC 9580, section 5.2.3.31).
type RevocationReason string

// The reasons. After the soft ones, superseded and retired, signatures from before stay good; the others take back
// everything that the key ever signed.
const (
	Superseded  RevocationReason = "superseded"
	Retired     RevocationReason = "retired"
	Compromised RevocationReason = "compromised"
	NoReason    RevocationReason = "no reason"
)

// maxReasonText bounds the words beside the reason, in bytes.
const maxReasonText = 200

func (r RevocationReason) code() (packet.ReasonForRevocation, bool) {
	switch r {
	case Superseded:
		return packet.KeySuperseded, true
	case Retired:
		return packet.KeyRetired, true
	case Compromised:
		return packet.KeyCompromised, true
	case NoReason:
		return packet.NoReason, true
	}
	return 0, false
}

// Revoke ends a key of our own for good: the certificate is kept and published, so that others learn of it. text is for
// them to read, at most 200 bytes on one line, and may be empty. It cannot be taken back.
func Revoke(secret *openpgp.Entity, reason RevocationReason, text string, at time.Time) (*Item, error) {
	code, ok := reason.code()
	text = strings.TrimSpace(text)
	switch {
	case !ok:
		return nil, problem("say why: superseded, retired, compromised or no reason")
	case len(text) > maxReasonText || !utf8.ValidString(text) || text != "" && !printable(text):
		return nil, problem("the words beside the reason must be one line of at most %d bytes: shorten them", maxReasonText)
	case secret.Revoked(at):
		return nil, problem("this key is revoked already: there is nothing to do")
	}
	if own := primarySignature(secret, time.Time{}); own != nil && own.CreationTime.After(at) {
		at = own.CreationTime // a soft revocation that is older than the newest self-signature would not count
	}
	return changed(secret, at, func() error { return secret.Revoke(code, text, configFor(secret.PrimaryKey, at)) })
}

// RevocationCertificate returns an armored revocation of a key of our own, made in advance for the day on which its
// secret key is lost or stolen. Whoever holds it can end the key, so it is sealed like a secret. It is the bare
// signature, which GnuPG reads.
func RevocationCertificate(secret *openpgp.Entity, at time.Time) ([]byte, error) {
	if secret.PrivateKey == nil || secret.PrivateKey.Dummy() {
		return nil, ErrPrimaryElsewhere
	}
	var armored []byte
	err := guard(func() error {
		copied := &openpgp.Entity{PrimaryKey: secret.PrimaryKey, PrivateKey: secret.PrivateKey}
		if err := copied.Revoke(packet.NoReason, "made in advance, when the key was", configFor(secret.PrimaryKey, at)); err != nil {
			return err
		}
		var out bytes.Buffer
		if err := copied.Revocations[0].Packet.Serialize(&out); err != nil {
			return err
		}
		var err error
		armored, err = encodeArmor(openpgp.PublicKeyType, out.Bytes())
		return err
	})
	return armored, err
}

// Revocation is RevocationCertificate for an item that is unlocked, such as Generate gives.
func (i *Item) Revocation(at time.Time) (armored []byte, err error) {
	secret, err := i.unlocked()
	if err != nil {
		return nil, err
	}
	return RevocationCertificate(secret, at)
}

// unlocked is the library's view of an unlocked item.
func (i *Item) unlocked() (secret *openpgp.Entity, err error) {
	err = guard(func() error {
		clean, entity, err := check(i.material.public(), trusted, nil)
		if err != nil {
			return err
		}
		secret, err = withSecret(clean, entity, i.material)
		return err
	})
	return secret, err
}

// bareRevocation is a key revocation without its certificate, which is known by name only.
type bareRevocation struct {
	signature   []byte
	fingerprint string // "" when the signature names a key id only
	keyID       string
}

// IsRevocation tells whether the item is a revocation without its certificate. Its Err is set, as it is of no use alone;
// Merge finds the certificate that it ends.
func (i *Item) IsRevocation() bool { return i.bare != nil }

// revocationItem reads a bare key revocation, as RevocationCertificate and GnuPG write it; ok is false for anything else.
func revocationItem(packets []rawPacket) (item *Item, ok bool) {
	if len(packets) != 1 || packets[0].tag != tagSignature {
		return nil, false
	}
	sig := parseSignature(packets[0].body)
	if sig == nil || sig.SigType != packet.SigTypeKeyRevocation {
		return nil, false
	}
	bare := &bareRevocation{signature: packets[0].body, fingerprint: strings.ToUpper(hex.EncodeToString(sig.IssuerFingerprint))}
	if sig.IssuerKeyId != nil {
		bare.keyID = fmt.Sprintf("%016X", *sig.IssuerKeyId)
	}
	if bare.fingerprint == "" && bare.keyID == "" {
		return nil, false
	}
	return &Item{bare: bare, Err: problem("this is a revocation, and the certificate that it ends is not known here: import the certificate first")}, true
}

// completeRevocation gives a bare revocation the primary key that it is for. The new item's Err says why there is none.
func completeRevocation(tx *gorm.DB, item *Item, at time.Time) (*Item, error) {
	var rows []certificateRow
	named := item.bare
	query := tx.Where("fingerprint = ?", named.fingerprint)
	if named.fingerprint == "" { // old GnuPG names the key by its id only
		query = tx.Where("fingerprint IN (SELECT fingerprint FROM certificate_keys WHERE key_id = ? AND key_fingerprint = fingerprint)", named.keyID)
	}
	if err := query.Order("fingerprint").Find(&rows).Error; err != nil {
		return nil, err
	}
	for i := range rows {
		stored, err := rows[i].material()
		if err != nil {
			return nil, err
		}
		revoked := material{primary: component{body: stored.primary.body, sigs: [][]byte{named.signature}}}
		clean, entity, err := check(revoked, trusted, nil)
		if err != nil {
			return nil, err
		}
		if len(entity.Revocations) == 1 {
			return &Item{Index: item.Index, Certificate: describe(clean, entity, at), material: clean}, nil
		}
	}
	if len(rows) == 0 {
		return &Item{Index: item.Index, Err: item.Err}, nil
	}
	return &Item{Err: problem("this revocation was not made by the key that it names: it ends nothing")}, nil
}

// SealRevocation keeps a revocation certificate of one of our keys inside tx, sealed; a newer one takes its place.
func (s *Store) SealRevocation(ctx context.Context, tx *gorm.DB, fingerprint string, armored []byte) error {
	fingerprint = normalFingerprint(fingerprint)
	if err := s.keeper.Shred(ctx, tx, kms.Revocation, fingerprint); err != nil {
		return fmt.Errorf("keyring: revocation of %s: %w", fingerprint, err)
	}
	if err := s.keeper.Seal(ctx, tx, kms.Ref{Kind: kms.Revocation, ID: fingerprint, Version: 1}, armored); err != nil {
		return fmt.Errorf("keyring: revocation of %s: %w", fingerprint, err)
	}
	return nil
}

// ErrNoRevocation says that no revocation certificate is kept for a certificate.
var ErrNoRevocation = errors.New("no revocation certificate is kept for this certificate")

// Revocation opens the revocation certificate that is kept for one of our keys, or returns ErrNoRevocation.
func (s *Store) Revocation(ctx context.Context, fingerprint string) ([]byte, error) {
	fingerprint = normalFingerprint(fingerprint)
	armored, err := s.keeper.Open(ctx, s.db.WithContext(ctx), kms.Ref{Kind: kms.Revocation, ID: fingerprint, Version: 1})
	if errors.Is(err, seal.ErrGone) {
		return nil, ErrNoRevocation
	}
	if err != nil {
		return nil, fmt.Errorf("keyring: revocation of %s: %w", fingerprint, err)
	}
	return armored, nil
}
