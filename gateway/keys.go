package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/keyring"
)

// groupKeys answers pgpmime.Open for one message of one group.
//
// Any secret key that the message names may open it, except one that belongs to other groups only: else an agent of one
// group could read another's mail by having its ciphertext sent to an own address.
type groupKeys struct {
	ctx     context.Context
	gateway *Gateway
	groupID string
	now     time.Time
}

// maxAnonymousTrials bounds the secret keys tried for a message that does not name its recipients.
const maxAnonymousTrials = 200

// Secrets implements pgpmime.Keys.
func (k *groupKeys) Secrets(keyIDs []string) (openpgp.EntityList, error) {
	certificates, err := k.holders(keyIDs)
	if err != nil {
		return nil, fmt.Errorf("look up secret keys: %w", err)
	}
	owners, err := k.gateway.addressOwners(k.ctx)
	if err != nil {
		return nil, fmt.Errorf("look up secret keys: %w", err)
	}
	var secrets openpgp.EntityList
	for _, c := range certificates {
		if !c.HasSecret || c.State == keyring.Blocked || !entitled(c, owners, k.groupID) {
			continue
		}
		secret, err := k.gateway.Keyring.Secret(k.ctx, c.Fingerprint)
		if errors.Is(err, keyring.ErrNoSecret) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("open secret key %s: %w", c.Fingerprint, err)
		}
		secrets = append(secrets, secret)
	}
	return secrets, nil
}

func (k *groupKeys) holders(keyIDs []string) ([]*keyring.Certificate, error) {
	if len(keyIDs) > 0 {
		return k.gateway.Keyring.ByKeyID(k.ctx, keyIDs, k.now)
	}
	all, _, err := k.gateway.Keyring.List(k.ctx, keyring.Filter{SecretOnly: true, Limit: maxAnonymousTrials}, k.now)
	return all, err
}

// addressOwners maps each sender address, folded, to the id of its group.
func (g *Gateway) addressOwners(ctx context.Context) (map[string]string, error) {
	all, err := g.Groups.Groups(ctx)
	if err != nil {
		return nil, err
	}
	owners := map[string]string{}
	for _, group := range all {
		for _, address := range group.Addresses {
			owners[keyring.Fold(address)] = group.ID
		}
	}
	return owners, nil
}

// entitled tells whether a group may use a secret key: it is the group's own, or nobody's in particular.
func entitled(c *keyring.Certificate, owners map[string]string, groupID string) bool {
	owned := false
	for _, id := range c.UserIDs {
		owner, ok := owners[keyring.Fold(id.Address)]
		if ok && owner == groupID {
			return true
		}
		owned = owned || ok
	}
	return !owned
}

// Signers implements pgpmime.Keys.
func (k *groupKeys) Signers(keyIDs []string) ([]pgpmime.Signer, error) {
	certificates, err := k.gateway.Keyring.ByKeyID(k.ctx, keyIDs, k.now)
	if err != nil {
		return nil, fmt.Errorf("look up signers: %w", err)
	}
	var signers []pgpmime.Signer
	for _, c := range certificates {
		signers = append(signers, pgpmime.Signer{Entity: c.Entity, Approved: c.State == keyring.Approved})
	}
	return signers, nil
}
