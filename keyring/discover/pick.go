package discover

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/sealgate/sealgate/keyring"
)

// Packet types (RFC 9580, section 5).
const (
	tagSecretKey     = 5
	tagPublicKey     = 6
	tagSecretSubkey  = 7
	tagUserID        = 13
	tagPublicSubkey  = 14
	tagUserAttribute = 17
)

// maxPackets bounds the packets that are looked at in one answer.
const maxPackets = 20_000

// only reads certificates, armored or binary, and keeps of each only the user IDs that keep accepts. Certificates that
// lose their last user ID that way stay without one: they bring revocations and subkeys to a known certificate and are
// never taken alone. Secret keys are refused.
func only(input []byte, at time.Time, keep func(address string) bool) ([]*keyring.Item, error) {
	packets, err := readPackets(input)
	if err != nil {
		return nil, err
	}
	var kept bytes.Buffer
	dropping := false
	for _, p := range packets {
		switch p.Tag {
		case tagSecretKey, tagSecretSubkey:
			return nil, fmt.Errorf("a secret key, which must never be sent: %w", ErrUnusable)
		case tagUserID:
			dropping = !keep(keyring.UserIDAddress(string(p.Contents)))
		case tagUserAttribute:
			dropping = true
		case tagPublicKey, tagPublicSubkey:
			dropping = false
		}
		if dropping {
			continue
		}
		if err := p.Serialize(&kept); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnusable, err)
		}
	}
	return parse(kept.Bytes(), at)
}

func parse(binary []byte, at time.Time) ([]*keyring.Item, error) {
	items, err := keyring.Parse(binary, at)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	var taken []*keyring.Item
	var why []error
	for _, item := range items {
		if item.Err == nil {
			taken = append(taken, item)
		} else {
			why = append(why, item.Err)
		}
	}
	if len(taken) == 0 {
		return nil, fmt.Errorf("%w: %w", ErrUnusable, errors.Join(why...))
	}
	return taken, nil
}

// readPackets splits armored or binary input. One armor block is read; several certificates may stand in it.
func readPackets(input []byte) (all []*packet.OpaquePacket, err error) {
	defer func() { // a server's answer must never stop the process
		if recover() != nil {
			all, err = nil, ErrUnusable
		}
	}()
	if len(input) > maxAnswer {
		return nil, ErrUnusable
	}
	r := io.Reader(bytes.NewReader(input))
	if bytes.Contains(input, []byte("-----BEGIN PGP PUBLIC KEY BLOCK-----")) {
		block, err := armor.Decode(r)
		if err != nil {
			return nil, fmt.Errorf("%w: the armor is damaged", ErrUnusable)
		}
		r = block.Body
	}
	reader := packet.NewOpaqueReader(io.LimitReader(r, maxAnswer))
	for len(all) < maxPackets {
		p, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil || len(all) == 0 && p.Tag != tagPublicKey && p.Tag != tagSecretKey {
			return nil, fmt.Errorf("%w: it is not OpenPGP, or cut off", ErrUnusable)
		}
		all = append(all, p)
	}
	return nil, fmt.Errorf("%w: more than %d packets", ErrUnusable, maxPackets)
}

// isAddress accepts one address.
func isAddress(address string) func(string) bool {
	return func(other string) bool { return other != "" && keyring.Fold(other) == keyring.Fold(address) }
}

// forAddress keeps the certificates that hold a user ID with an address; the best first: usable for encryption, then the
// newest. A revoked one is kept: it brings its revocation.
func forAddress(input []byte, address string, at time.Time) ([]*keyring.Item, error) {
	items, err := only(input, at, isAddress(address))
	if err != nil {
		return nil, err
	}
	items = slices.DeleteFunc(items, func(i *keyring.Item) bool { return len(i.Certificate.UserIDs) == 0 })
	if len(items) == 0 {
		return nil, fmt.Errorf("no user ID of it is %s: %w", strings.ToValidUTF8(address, "?"), ErrUnusable)
	}
	slices.SortStableFunc(items, func(a, b *keyring.Item) int {
		ua, ub := a.Certificate.ForEncryption(at) == keyring.Usable, b.Certificate.ForEncryption(at) == keyring.Usable
		if ua != ub {
			if ua {
				return -1
			}
			return 1
		}
		return b.Certificate.Created.Compare(a.Certificate.Created)
	})
	return items[:bestOf(items, at)], nil
}

// bestOf counts what is taken of sorted certificates: the newest usable one, else all that may bring a revocation.
func bestOf(items []*keyring.Item, at time.Time) int {
	if items[0].Certificate.ForEncryption(at) == keyring.Usable {
		return 1
	}
	return min(len(items), 3)
}

// withFingerprint keeps the certificate with a fingerprint.
func withFingerprint(items []*keyring.Item, fingerprint string) ([]*keyring.Item, error) {
	items = slices.DeleteFunc(items, func(i *keyring.Item) bool { return i.Certificate.Fingerprint != fingerprint })
	if len(items) == 0 {
		return nil, fmt.Errorf("it is another certificate than the one that was asked for: %w", ErrUnusable)
	}
	return items, nil
}
