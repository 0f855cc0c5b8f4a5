package main

import (
	"fmt"

	"github.com/sealgate/sealgate/keyring"
)

// keyringConfig bounds certificates and secret keys that are imported; over one of the limits they are refused with a
// sentence. What is in the keyring already stays. What discovery finds keeps the defaults.
type keyringConfig struct {
	CertificateBytes int   `yaml:"certificate_bytes" env:"CERTIFICATE_BYTES"`
	UserIDs          int   `yaml:"user_ids" env:"USER_IDS"`
	Subkeys          int   `yaml:"subkeys" env:"SUBKEYS"`
	Signatures       int   `yaml:"signatures" env:"SIGNATURES"`       // self-signatures, which are verified
	KeyBits          int   `yaml:"key_bits" env:"KEY_BITS"`           // of RSA, DSA and ElGamal keys
	Argon2Memory     int64 `yaml:"argon2_memory" env:"ARGON2_MEMORY"` // bytes for one passphrase
	Argon2Work       int64 `yaml:"argon2_work" env:"ARGON2_WORK"`     // bytes times passes, for all keys of a secret key
	S2KWork          int64 `yaml:"s2k_work" env:"S2K_WORK"`           // bytes hashed, for all keys of a secret key
}

func defaultKeyring() keyringConfig { return keyringConfig(keyring.DefaultLimits()) }

func (c keyringConfig) limits() keyring.Limits { return keyring.Limits(c) }

// check finds limits that would refuse ordinary keys, or bound nothing.
func (c keyringConfig) check() error {
	for _, r := range []struct {
		key             string
		value, low, top int64
	}{
		{"certificate_bytes", int64(c.CertificateBytes), 16 << 10, 16 << 20},
		{"user_ids", int64(c.UserIDs), 5, 10_000},
		{"subkeys", int64(c.Subkeys), 5, 1000},
		{"signatures", int64(c.Signatures), 50, 10_000},
		{"key_bits", int64(c.KeyBits), 4096, 16_384},
		{"argon2_memory", c.Argon2Memory, 64 << 20, 4 << 30},
		{"argon2_work", c.Argon2Work, 64 << 20, 64 << 30},
		{"s2k_work", c.S2KWork, 64 << 20, 16 << 30},
	} {
		if r.value < r.low || r.value > r.top {
			return fmt.Errorf("configuration: keyring.%s is %d; choose a number from %d to %d", r.key, r.value, r.low, r.top)
		}
	}
	return nil
}
