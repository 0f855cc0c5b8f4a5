package sop

import (
	"crypto"
	"fmt"
	"slices"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// profile is one way of doing what a subcommand does.
type profile struct {
	name    string
	meaning string
	aliases []string
	key     packet.Config // for generate-key
}

// profiles are those of a subcommand, the default first; nil when it has none. The default key is the one that the
// gateway makes itself, which every GnuPG reads (package keyring).
func profiles(subcommand string) []profile {
	switch subcommand {
	case "generate-key":
		return []profile{
			{
				name: "draft-koch-eddsa-for-openpgp-00", aliases: []string{"default", "compatibility"},
				meaning: "version 4, EdDSA and ECDH over Curve25519 with their first algorithm ids",
				key:     packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Curve: packet.Curve25519},
			},
			{
				name: "rfc4880", meaning: "version 4, RSA with 3072 bits",
				key: packet.Config{Algorithm: packet.PubKeyAlgoRSA, RSABits: 3072},
			},
			{
				name: "rfc9580", aliases: []string{"security", "performance"}, meaning: "version 6, Ed25519 and X25519",
				key: packet.Config{Algorithm: packet.PubKeyAlgoEd25519, V6Keys: true, AEADConfig: &packet.AEADConfig{}},
			},
		}
	case "encrypt":
		return []profile{{
			name: "rfc9580", aliases: []string{"default", "security", "performance", "compatibility"},
			meaning: "SEIPDv2 where every certificate advertises it, else SEIPDv1",
		}}
	}
	return nil
}

func profileOf(subcommand, name string) (profile, error) {
	for _, p := range profiles(subcommand) {
		if p.name == name || slices.Contains(p.aliases, name) {
			return p, nil
		}
	}
	return profile{}, fail(UnsupportedProfile, "%s has no profile %q: sealgate sop list-profiles %s", subcommand, name, subcommand)
}

// config completes what the library needs to make a key.
func (p profile) config(i *invocation) *packet.Config {
	c := p.key
	c.Rand, c.Time = i.Random, i.clock()
	c.DefaultCipher, c.DefaultHash = packet.CipherAES256, crypto.SHA512 // the library adds AES-128 and SHA-256
	return &c
}

// runListProfiles lists them, the default first.
func runListProfiles(i *invocation) error {
	known := profiles(i.arguments[0])
	if known == nil {
		return fail(UnsupportedProfile, "%s has no profiles", i.arguments[0])
	}
	for _, p := range known {
		fmt.Fprintf(&i.out, "%s: %s", p.name, p.meaning)
		if p.aliases != nil {
			fmt.Fprintf(&i.out, " (aliases: %s)", strings.Join(p.aliases, ", "))
		}
		i.out.WriteByte('\n')
	}
	return nil
}
