package sop

import (
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/pgpmime/armor"
)

// clock makes the time of the run the library's clock.
func (i *invocation) clock() func() time.Time { return func() time.Time { return i.Now } }

// runGenerateKey makes a new secret key.
func runGenerateKey(i *invocation) error {
	p, err := profileOf("generate-key", i.value("--profile", "default"))
	if err != nil {
		return err
	}
	if err := checkUserIDs(i.arguments); err != nil {
		return err
	}
	password, err := i.newPassword("--with-key-password")
	if err != nil {
		return err
	}
	key, secrets, err := generate(p.config(i), i.arguments, i.has("--signing-only"))
	if err != nil {
		return err
	}
	if err := i.protect(key, secrets, password); err != nil {
		return err
	}
	return i.emit(armor.PrivateKey, key.bytes())
}

// checkUserIDs: they are UTF-8 text (RFC 9580, section 5.11).
func checkUserIDs(userIDs []string) error {
	for _, userID := range userIDs {
		if !utf8.ValidString(userID) {
			return fail(ExpectedText, "the user ID %q is not UTF-8 text", userID)
		}
	}
	return nil
}

// generate makes a key with any text as user IDs, which the library itself would not take.
func generate(config *packet.Config, userIDs []string, signingOnly bool) (transferable, []*packet.PrivateKey, error) {
	const template = "template" // its self-signature says what the library says about a new key
	e, err := openpgp.NewEntity(template, "", "", config)
	if err != nil {
		return nil, nil, fmt.Errorf("generate key: %w", err)
	}
	key := transferable{{head: opaque(e.PrivateKey)}}
	secrets := []*packet.PrivateKey{e.PrivateKey}
	for _, s := range e.DirectSignatures {
		key[0].tail = append(key[0].tail, opaque(s.Packet))
	}
	about := e.Identities[template].SelfCertifications[0].Packet
	if len(userIDs) == 0 && e.PrimaryKey.Version < 6 {
		s := *about
		s.SigType, s.IsPrimaryId = packet.SigTypeDirectSignature, nil
		if err := s.SignDirectKeyBinding(e.PrimaryKey, e.PrivateKey, config); err != nil {
			return nil, nil, fmt.Errorf("generate key: %w", err)
		}
		key[0].tail = append(key[0].tail, opaque(&s))
	}
	for n, userID := range userIDs {
		c, err := boundUserID(e, about, userID, n == 0, config)
		if err != nil {
			return nil, nil, fmt.Errorf("generate key: %w", err)
		}
		key, secrets = append(key, c), append(secrets, nil)
	}
	if !signingOnly {
		sub := e.Subkeys[0]
		tail := []*packet.OpaquePacket{opaque(sub.Bindings[0].Packet)}
		key, secrets = append(key, component{opaque(sub.PrivateKey), tail}), append(secrets, sub.PrivateKey)
	}
	return key, secrets, nil
}

// boundUserID is a user ID with its self-signature. That of a version 4 key tells about the key too; version 6 keys
// have a direct-key signature for that.
func boundUserID(e *openpgp.Entity, about *packet.Signature, text string, primary bool, config *packet.Config) (component, error) {
	s := newSignature(e.PrimaryKey, packet.SigTypePositiveCert, config.Now())
	if e.PrimaryKey.Version < 6 {
		s = new(packet.Signature)
		*s = *about
	}
	s.IsPrimaryId = &primary
	if err := s.SignUserId(text, e.PrimaryKey, e.PrivateKey, config); err != nil {
		return component{}, err
	}
	head := &packet.OpaquePacket{Tag: tagUserID, Contents: []byte(text)}
	return component{head, []*packet.OpaquePacket{opaque(s)}}, nil
}
