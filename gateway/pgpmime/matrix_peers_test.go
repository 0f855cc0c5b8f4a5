package pgpmime_test

import (
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/sealgate/sealgate/gateway/bed"
)

// peer is one column of the matrix. A start that returns nil is Sealgate itself.
type peer struct {
	name  string
	start func(testing.TB) (program bed.OpenPGP, version string)
	kinds []peerKind // the first one meets all kinds of our keys
}

// peerKind is a kind of key that a peer makes, and how it is told to.
type peerKind struct{ name, argument string }

func peers() []peer {
	started := func(start func(testing.TB) bed.OpenPGP) func(testing.TB) (bed.OpenPGP, string) {
		return func(t testing.TB) (bed.OpenPGP, string) {
			program := start(t)
			version, err := program.Version()
			if err != nil {
				t.Fatal(err)
			}
			return program, version
		}
	}
	sop := func(name string) func(testing.TB) (bed.OpenPGP, string) {
		return started(func(t testing.TB) bed.OpenPGP { return bed.NewSOP(t, name) })
	}
	const curve25519 = "Ed25519, Cv25519"
	return []peer{
		{"Sealgate", func(testing.TB) (bed.OpenPGP, string) { return nil, "" }, []peerKind{{curve25519, ""}}},
		{"gpg", started(func(t testing.TB) bed.OpenPGP { return bed.NewGPGWithKeys(t) }), []peerKind{
			{curve25519, ""},
			{"RSA-3072", "rsa3072+rsa3072"},
			{"NIST P-256", "nistp256+nistp256"},
			{"Brainpool P-256", "brainpoolP256r1+brainpoolP256r1"},
		}},
		{"sq", started(func(t testing.TB) bed.OpenPGP { return bed.NewSQ(t) }), []peerKind{
			{curve25519, "cv25519"}, {"RSA-3072", "rsa3k"},
		}},
		{"sqop", sop("sqop"), []peerKind{{curve25519, ""}}},
		{"rnp", started(func(t testing.TB) bed.OpenPGP { return bed.NewRNP(t) }), []peerKind{
			{curve25519, "eddsa"}, {"RSA-2048", "rsa"}, {"NIST P-256", "p256"},
		}},
		{"PGPainless", sop("pgpainless-cli"), []peerKind{{curve25519, ""}}},
		{"gosop", sop("gosop"), []peerKind{{curve25519, ""}}},
		{"OpenPGP.js", started(func(t testing.TB) bed.OpenPGP { return bed.NewOpenPGPJS(t) }), []peerKind{
			{curve25519, ""},
			{"RSA-3072", "rsa3072"},
			{"NIST P-256", "p256"},
			{"Ed25519, X25519 (ids 27, 25)", "v4-25519"},
			{"Ed25519, Cv25519, SEIPDv2 bit", "aead"},
			{"v6 Ed25519, X25519", "v6-25519"},
			{"v6 Ed448, X448", "v6-448"},
		}},
	}
}

// ourKind is a kind of key that we make.
type ourKind struct {
	name      string
	configure func(*packet.Config)
}

// ourKinds are the rows of the matrix. The first is the one that meets all kinds of the peers' keys.
var ourKinds = []ourKind{
	{v4Legacy, func(*packet.Config) {}},
	{v4RSA, func(c *packet.Config) { c.Algorithm, c.RSABits = packet.PubKeyAlgoRSA, 3072 }},
	{v4P256, func(c *packet.Config) { c.Algorithm, c.Curve = packet.PubKeyAlgoECDSA, packet.CurveNistP256 }},
	{v4New, func(c *packet.Config) { c.Algorithm = packet.PubKeyAlgoEd25519 }},
	{v4AEAD, func(c *packet.Config) { c.AEADConfig = &packet.AEADConfig{} }},
	{v6, func(c *packet.Config) { modern(c, packet.PubKeyAlgoEd25519) }},
	{v6Long, func(c *packet.Config) { modern(c, packet.PubKeyAlgoEd448) }},
	{v6Quantum, func(c *packet.Config) { modern(c, packet.PubKeyAlgoMldsa65Ed25519) }},
}

// The names of our kinds of keys.
const (
	v4Legacy  = "v4 Ed25519, Cv25519 (ids 22, 18)"
	v4RSA     = "v4 RSA-3072"
	v4P256    = "v4 NIST P-256"
	v4New     = "v4 Ed25519, X25519 (ids 27, 25)"
	v4AEAD    = "v4 Ed25519, Cv25519, SEIPDv2 bit"
	v6        = "v6 Ed25519, X25519"
	v6Long    = "v6 Ed448, X448"
	v6Quantum = "v6 ML-DSA-65, ML-KEM-768"
)

// modern makes keys of version 6, which read SEIPDv2.
func modern(c *packet.Config, algorithm packet.PublicKeyAlgorithm) {
	c.V6Keys, c.Algorithm, c.AEADConfig = true, algorithm, &packet.AEADConfig{}
}
