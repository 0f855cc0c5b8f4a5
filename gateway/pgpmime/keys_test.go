package pgpmime_test

import (
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// configAt makes keys at an instant, which list AES-256 as the keys of all current programs do.
func configAt(at time.Time) *packet.Config {
	return &packet.Config{Time: func() time.Time { return at }, Algorithm: packet.PubKeyAlgoEdDSA, DefaultCipher: packet.CipherAES256}
}

func configExpiring(at time.Time, seconds uint32) *packet.Config {
	c := configAt(at)
	c.KeyLifetimeSecs = seconds
	return c
}
