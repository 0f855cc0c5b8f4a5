package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/activity"
	"github.com/sealgate/sealgate/gateway/archive"
	"github.com/sealgate/sealgate/gateway/batch"
	"github.com/sealgate/sealgate/gateway/mailbox"
	"github.com/sealgate/sealgate/gateway/memory"
	"github.com/sealgate/sealgate/gateway/queue"
	"github.com/sealgate/sealgate/gateway/smarthost/mtasts"
	"github.com/sealgate/sealgate/gateway/smarthost/resolve"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
	"github.com/sealgate/sealgate/keyring/kms"
	"github.com/sealgate/sealgate/keyring/kms/local"
	"github.com/sealgate/sealgate/migrations"
	"gorm.io/gorm"
)

// parts is everything that a command or the server works with, opened. Close releases it.
type parts struct {
	db       *gorm.DB
	provider *local.Provider
	keeper   *kms.Keeper
	gateway  *gateway.Gateway
	memory   *memory.Budget // of messages under way
	log      *slog.Logger
}

// openParts opens database, key and stores, and wires the gateway.
func openParts(ctx context.Context, c config, log *slog.Logger) (*parts, error) {
	p := &parts{log: log, memory: memory.NewBudget(c.Limits.MemoryBytes)}
	if err := p.openStorage(ctx, c); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	resolver, err := c.DNS.resolver()
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	p.gateway = p.wire(c, resolver)
	return p, nil
}

// openStorage opens the database, then the key that opens what is in it.
func (p *parts) openStorage(ctx context.Context, c config) error {
	var err error
	if p.db, err = migrations.Open(ctx, c.Database); err != nil {
		return err
	}
	if p.provider, err = openKeyFile(ctx, p.db, c.KMS); err != nil {
		return err
	}
	p.keeper, err = kms.Open(ctx, p.db, p.provider, time.Now)
	return err
}

// wire makes the gateway over the open storage.
func (p *parts) wire(c config, resolver *resolve.Client) *gateway.Gateway {
	articles := archive.New(p.db, p.keeper)
	certificates := keyring.NewStore(p.db, p.keeper)
	certificates.Limits = c.Keyring.limits()
	g := &gateway.Gateway{
		DB:       p.db,
		Keeper:   p.keeper,
		Keyring:  certificates,
		Groups:   groups.NewStore(p.db, p.keeper),
		Archive:  articles,
		Activity: activity.New(p.db),
		Mirror:   mailbox.NewMirror(p.db, articles, time.Now),
		Writer:   &batch.Writer{DB: p.db},
		Limits:   c.Limits.opening(),
		Policy:   gateway.Policy{Sign: c.Policy.Sign, Encrypt: c.Policy.Encrypt},
		Domain:   c.Domain,
		Now:      time.Now,
		Random:   rand.Reader,
		Log:      p.log,

		Publishing: c.Publish.publishing(),

		Resolver:              resolver,
		Verification:          c.DKIM.verification(),
		AuthenticationResults: c.AuthenticationResults,
	}
	if resolver != nil {
		g.MX.STS = &mtasts.Store{Resolver: resolver, Cache: gateway.STSPolicies{DB: p.db}, Now: time.Now}
	}
	g.Queue = &queue.Queue{
		Writer:  g.Writer,
		DB:      p.db,
		Keeper:  p.keeper,
		Deliver: g.Deliver,
		Memory:  p.memory,
		Tell:    g.TellSender,
		Report:  g.ReportDelivery,

		Destination: g.DestinationOf,

		Now: time.Now,
		Log: p.log,
	}
	g.Discovery = p.discovery(c.Discover, g)
	return g
}

// Close wipes keys and closes the database. It may be called on half-opened parts.
func (p *parts) Close() error {
	var errs []error
	if p.keeper != nil {
		errs = append(errs, p.keeper.Close())
	}
	if p.provider != nil {
		errs = append(errs, p.provider.Close())
	}
	if p.db != nil {
		errs = append(errs, migrations.Close(p.db))
	}
	return errors.Join(errs...)
}

// openKeyFile opens the local provider's key file. At a first start it makes one; never when sealed data exists, because
// a new key would open none of it.
func openKeyFile(ctx context.Context, db *gorm.DB, c kmsConfig) (*local.Provider, error) {
	passphrase, err := readSecretFile(c.PassphraseFile)
	if err != nil {
		return nil, err
	}
	defer clear(passphrase)
	provider, err := local.Open(c.KeyFile, passphrase)
	if !errors.Is(err, local.ErrMissing) {
		return provider, err
	}
	sealed, err := kms.SealedDataExists(ctx, db)
	if err != nil {
		return nil, err
	}
	if sealed {
		return nil, fmt.Errorf("the key file %s is missing, and the database holds data sealed with it; restore the key file from its backup (a new one could not open anything)", c.KeyFile)
	}
	return local.Create(c.KeyFile, passphrase)
}

// readSecretFile reads a secret from a file, without its final line end; nil for no file.
func readSecretFile(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	secret, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("kms.passphrase_file: %w; check the path and who may read it", err)
	}
	return bytes.TrimRight(secret, "\r\n"), nil
}
