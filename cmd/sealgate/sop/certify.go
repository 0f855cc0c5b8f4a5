package sop

import (
	"fmt"
	"slices"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/sealgate/sealgate/gateway/pgpmime/armor"
	"github.com/sealgate/sealgate/keyring"
)

// runCertifyUserID vouches for user IDs of the certificates on standard input.
func runCertifyUserID(i *invocation) error {
	if !i.has("--userid") {
		return fail(MissingArg, "--userid=USERID says what to vouch for")
	}
	if err := checkUserIDs(i.options["--userid"]); err != nil {
		return err
	}
	certifiers, err := i.keys(i.arguments, "--with-key-password")
	if err != nil {
		return err
	}
	content, err := i.standardInput()
	if err != nil {
		return err
	}
	found, err := i.loadCertificates(content, "")
	if err != nil {
		return err
	}
	var all []byte
	for _, l := range found {
		for _, userID := range i.options["--userid"] {
			if err := i.certify(l, userID, certifiers); err != nil {
				return err
			}
		}
		all = append(all, l.packets.bytes()...)
	}
	return i.emit(armor.PublicKey, all)
}

// certify adds the certifiers' signatures to one user ID.
func (i *invocation) certify(l *loaded, userID string, certifiers []*loaded) error {
	if !l.claims(userID, i.Now) && !i.has("--no-require-self-sig") {
		return fail(CertUserIDNoMatch, "the certificate %s does not claim %q", l.Fingerprint, userID)
	}
	n := slices.IndexFunc(l.packets, func(c component) bool { return c.isUserID() && string(c.head.Contents) == userID })
	if n < 0 {
		n = len(l.packets)
		head := &packet.OpaquePacket{Tag: tagUserID, Contents: []byte(userID)}
		l.packets = append(l.packets, component{head: head})
	}
	subject := l.packets[0].publicKey()
	for _, certifier := range certifiers {
		secret, reason := certifier.primarySecret(), certifier.cannotCertify(i.Now)
		if reason == "" && secret == nil {
			reason = "its secret primary key is elsewhere"
		}
		if reason != "" {
			return fail(KeyCannotCertify, "the key in %s cannot vouch for others: %s", called(certifier.from), reason)
		}
		s := newSignature(&secret.PublicKey, packet.SigTypeGenericCert, i.Now)
		if err := s.SignUserId(userID, subject, secret, i.signing()); err != nil {
			return fmt.Errorf("certify: %w", err)
		}
		l.packets[n].tail = append(l.packets[n].tail, opaque(s))
	}
	return nil
}

// claims tells whether a certificate binds a user ID itself, at an instant.
func (l *loaded) claims(userID string, at time.Time) bool {
	id := l.Entity.Identities[userID]
	if id == nil {
		return false
	}
	_, err := id.Verify(at, nil)
	return err == nil
}

// cannotCertify says why a key cannot vouch for others at an instant, "" when it can.
func (l *loaded) cannotCertify(at time.Time) string {
	switch {
	case l.Revoked:
		return "it is revoked"
	case !l.Expires.IsZero() && at.After(l.Expires):
		return "it has expired"
	}
	if _, ok := l.Entity.CertificationKey(at, nil); !ok {
		return "it is not made for that"
	}
	return ""
}

// runValidateUserID succeeds when every certificate on standard input is bound to a user ID by an authority.
func runValidateUserID(i *invocation) error {
	at, err := i.date("--validate-at", "now", time.Time{})
	if err != nil {
		return err
	}
	if at.IsZero() {
		return fail(UnsupportedOption, "--validate-at needs a time")
	}
	authorities, err := i.certificates(i.arguments[1:])
	if err != nil {
		return err
	}
	content, err := i.standardInput()
	if err != nil {
		return err
	}
	subjects, err := i.loadCertificates(content, "")
	if err != nil {
		return err
	}
	for _, l := range subjects {
		if !i.validated(l, i.arguments[0], authorities, at) {
			return fail(CertUserIDNoMatch, "no authority vouches that %s is %q", l.Fingerprint, i.arguments[0])
		}
	}
	return nil
}

// validated tells whether the certificate claims the user ID and an authority vouches for the same.
func (i *invocation) validated(l *loaded, wanted string, authorities []*loaded, at time.Time) bool {
	if l.Revoked || !l.Expires.IsZero() && at.After(l.Expires) {
		return false
	}
	for _, c := range l.packets {
		userID := string(c.head.Contents)
		if !c.isUserID() || !l.claims(userID, at) || !i.matches(l, userID, wanted) {
			continue
		}
		for _, authority := range authorities {
			if authority.isSame(l) || authority.vouches(l.packets[0].publicKey(), c, at) {
				return true
			}
		}
	}
	return false
}

// matches compares whole user IDs, or with --addr-spec-only their mail addresses.
func (i *invocation) matches(l *loaded, userID, wanted string) bool {
	if !i.has("--addr-spec-only") {
		return userID == wanted
	}
	address, err := keyring.CanonicalAddress(wanted)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(l.UserIDs, func(u keyring.UserID) bool { return u.Text == userID && u.Address == address })
}

// vouches tells whether the newest word of an authority on a user ID is a certification, and valid at an instant.
func (l *loaded) vouches(subject *packet.PublicKey, userID component, at time.Time) bool {
	if l.cannotCertify(at) != "" {
		return false
	}
	var newest *packet.Signature
	for _, s := range userID.signatures() {
		if !l.says(s, at) || newest != nil && s.CreationTime.Before(newest.CreationTime) {
			continue
		}
		if l.Entity.PrimaryKey.VerifyUserIdSignature(string(userID.head.Contents), subject, s) == nil {
			newest = s
		}
	}
	return newest != nil && newest.SigType != packet.SigTypeCertificationRevocation
}

// says tells whether a signature about a user ID claims to be by this certificate and would count at an instant.
func (l *loaded) says(s *packet.Signature, at time.Time) bool {
	switch s.SigType {
	case packet.SigTypeGenericCert, packet.SigTypePersonaCert, packet.SigTypeCasualCert, packet.SigTypePositiveCert,
		packet.SigTypeCertificationRevocation:
		return s.CheckKeyIdOrFingerprint(l.Entity.PrimaryKey) && !s.SigExpired(at) && !weakHash(s.Hash)
	}
	return false
}
