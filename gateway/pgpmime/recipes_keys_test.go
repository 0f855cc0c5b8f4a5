package pgpmime_test

import (
	"bytes"
	"crypto"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/bed"
)

// keysMade is when all keys of the cases were made, by their own word.
var keysMade = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// TestWriteKeys makes the keys of people.txt that are missing, when it is asked to.
func TestWriteKeys(t *testing.T) {
	if os.Getenv("SEALGATE_WRITE_CASES") == "" {
		t.Skip("SEALGATE_WRITE_CASES is not set")
	}
	made := caseKeys{}
	for _, p := range readPeople(t) {
		if secret, err := os.ReadFile(p.secretFile()); err == nil {
			made[p.name] = p.with(t, secret, nil)
			continue
		}
		secret := p.make(t)
		held := readCertificate(t, secret)
		for _, event := range p.events {
			p.happens(t, held, event, made)
		}
		certificate := armoredText(t, openpgp.PublicKeyType, func(b *bytes.Buffer) error { return held.Serialize(b) })
		made[p.name] = p.with(t, secret, certificate)
		writeFile(t, p.secretFile(), secret)
		writeFile(t, p.certificateFile(), certificate)
	}
}

func writeFile(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(name, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// make makes the secret key of a person.
func (p person) make(t *testing.T) []byte {
	t.Helper()
	program, kind, _ := strings.Cut(p.maker, " ")
	switch program {
	case "gpg":
		return p.makeByGPG(t, kind)
	case "gpg-sha1":
		return p.makeByGPG(t, kind, "--cert-digest-algo", "SHA1")
	case "go":
		return p.makeByGo(t, kind)
	}
	t.Fatalf("%s: nobody knows the program %q", p.name, program)
	return nil
}

func (p person) makeByGPG(t *testing.T, kind string, options ...string) []byte {
	t.Helper()
	g := bed.NewGPG(t)
	primary, subkey, _ := strings.Cut(kind, "+")
	options = append(append(options, "--allow-freeform-uid", "--allow-weak-key-signatures"), bed.At(keysMade)...)
	g.Run(t, nil, append(options, "--quick-gen-key", p.userID, primary, "sign,cert", "never")...)
	listed, _ := g.Run(t, nil, "--with-colons", "--list-keys")
	_, fingerprint, _ := strings.Cut(string(listed), "\nfpr:::::::::")
	fingerprint, _, _ = strings.Cut(fingerprint, ":")
	g.Run(t, nil, append(options, "--quick-add-key", fingerprint, subkey, "encr", "never")...)
	return g.ExportSecret(t, fingerprint)
}

func (p person) makeByGo(t *testing.T, kind string) []byte {
	t.Helper()
	config := configAt(keysMade)
	switch kind {
	case "v4":
	case "v4-aead":
		config.AEADConfig = &packet.AEADConfig{}
	case "v4-new":
		config.Algorithm = packet.PubKeyAlgoEd25519
	case "v6":
		modern(config, packet.PubKeyAlgoEd25519)
	case "v6-448":
		modern(config, packet.PubKeyAlgoEd448)
	case "v6-pqc":
		modern(config, packet.PubKeyAlgoMldsa65Ed25519)
	default:
		t.Fatalf("%s: nobody knows the kind %q", p.name, kind)
	}
	name, address, _ := strings.Cut(strings.TrimSuffix(p.userID, ">"), " <")
	e, err := openpgp.NewEntity(name, "", address, config)
	if err != nil {
		t.Fatal(err)
	}
	for _, event := range p.events { // what the key's owner has too
		switch word, rest, _ := strings.Cut(event, " "); word {
		case "signing-subkey":
			err = e.AddSigningSubkey(config)
		case "also":
			name, address, _ := strings.Cut(strings.TrimSuffix(rest, ">"), " <")
			err = e.AddUserId(name, "", address, config)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return armoredText(t, openpgp.PrivateKeyType, func(b *bytes.Buffer) error { return e.SerializePrivateWithoutSigning(b, nil) })
}

// happens changes the certificate that we hold.
func (p person) happens(t *testing.T, held *openpgp.Entity, event string, made caseKeys) {
	t.Helper()
	words := strings.Fields(event)
	last := words[len(words)-1]
	day, _ := time.Parse(time.DateOnly, last)
	reasons := map[string]packet.ReasonForRevocation{
		"superseded": packet.KeySuperseded, "compromised": packet.KeyCompromised, "without-reason": packet.NoReason,
	}
	var err error
	switch words[0] {
	case "signing-subkey", "also": // are in the secret key
	case "expires":
		err = onlySelfSignature(held, p, configExpiring(keysMade, uint32(day.Sub(keysMade)/time.Second)))
	case "renewed":
		err = onlySelfSignature(held, p, configAt(day))
	case "revoked":
		err = held.Revoke(reasons[words[1]], "", configAt(day))
	case "subkey-revoked":
		err = held.Subkeys[len(held.Subkeys)-1].Revoke(reasons[words[1]], "", configAt(day))
	case "user-id-revoked":
		err = revokeUserID(held, p.userID, day)
	case "subkey-unbacked":
		err = withoutBackSignature(&held.Subkeys[len(held.Subkeys)-1])
	case "grafted":
		graft(held, made[last].entity)
	case "forged-binding":
		err = forgeBinding(held, made[last].entity)
	default:
		t.Fatalf("%s: nobody knows what %q is", p.name, event)
	}
	if err != nil {
		t.Fatalf("%s: %s: %v", p.name, event, err)
	}
}

// onlySelfSignature replaces the self-signature.
func onlySelfSignature(e *openpgp.Entity, p person, config *packet.Config) error {
	e.Identities = map[string]*openpgp.Identity{}
	name, address, _ := strings.Cut(strings.TrimSuffix(p.userID, ">"), " <")
	return e.AddUserId(name, "", address, config)
}

// selfSigned is a signature packet of a key, to be signed.
func selfSigned(e *openpgp.Entity, kind packet.SignatureType, at time.Time) *packet.Signature {
	return &packet.Signature{
		Version: e.PrimaryKey.Version, SigType: kind, PubKeyAlgo: e.PrimaryKey.PubKeyAlgo, Hash: crypto.SHA256,
		CreationTime: at, IssuerKeyId: &e.PrimaryKey.KeyId, IssuerFingerprint: e.PrimaryKey.Fingerprint,
	}
}

func revokeUserID(e *openpgp.Entity, userID string, at time.Time) error {
	s := selfSigned(e, packet.SigTypeCertificationRevocation, at)
	reason := packet.UserIDNotValid
	s.RevocationReason = &reason
	id := e.Identities[userID]
	id.Revocations = append(id.Revocations, packet.NewVerifiableSig(s))
	return s.SignUserId(userID, e.PrimaryKey, e.PrivateKey, configAt(at))
}

// withoutBackSignature leaves out the subkey's own word that it belongs to the certificate.
func withoutBackSignature(s *openpgp.Subkey) error {
	binding := s.Bindings[0].Packet
	binding.EmbeddedSignature = nil
	return binding.SignKey(s.PublicKey, s.Primary.PrivateKey, configAt(keysMade))
}

// graft adds the primary key of another as a subkey, with the binding signature of our own subkey.
func graft(e, other *openpgp.Entity) {
	key := *other.PrimaryKey
	key.IsSubkey = true
	e.Subkeys = append(e.Subkeys, openpgp.Subkey{PublicKey: &key, Primary: e, Bindings: e.Subkeys[0].Bindings})
}

// forgeBinding binds the primary key of another as a signing subkey. Its own word is missing, so ours stands there.
func forgeBinding(e, other *openpgp.Entity) error {
	key := *other.PrimaryKey
	key.IsSubkey = true
	binding := selfSigned(e, packet.SigTypeSubkeyBinding, keysMade)
	binding.FlagsValid, binding.FlagSign = true, true
	binding.EmbeddedSignature = selfSigned(e, packet.SigTypePrimaryKeyBinding, keysMade)
	if err := binding.EmbeddedSignature.CrossSignKey(&key, e.PrimaryKey, e.PrivateKey, configAt(keysMade)); err != nil {
		return err
	}
	if err := binding.SignKey(&key, e.PrivateKey, configAt(keysMade)); err != nil {
		return err
	}
	e.Subkeys = append(e.Subkeys, openpgp.Subkey{PublicKey: &key, Primary: e, Bindings: []*packet.VerifiableSignature{packet.NewVerifiableSig(binding)}})
	return nil
}

// names are the names of keys by fingerprint and by key id, subkeys too.
func (k caseKeys) names() map[string]string {
	names := map[string]string{}
	for name, p := range k {
		if name == "thief" || name == "forger" { // they claim keys of others
			continue
		}
		keys := []*packet.PublicKey{p.entity.PrimaryKey}
		for _, s := range p.entity.Subkeys {
			keys = append(keys, s.PublicKey)
		}
		for _, key := range keys {
			names[fmt.Sprintf("%X", key.Fingerprint)] = name
			names[fmt.Sprintf("%016X", key.KeyId)] = name
		}
	}
	return names
}
