package gateway

import (
	"context"
	"io"

	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
)

// dumpBatch is how many certificates of a dump are merged in one transaction, with one entry in the log.
const dumpBatch = 200

// ImportDump is ImportCertificates for an input of any length, which it reads as a stream: each batch is merged in its own
// transaction and reported before the next is read. What was reported stays when a later batch fails; importing the same
// dump again is harmless. The passphrase is wiped. Admins only.
func (g *Gateway) ImportDump(ctx context.Context, a Actor, r io.Reader, passphrase []byte, report func(ImportReport) error) error {
	defer clear(passphrase)
	if err := a.allow(groups.Admin); err != nil {
		return err
	}
	var batch []*keyring.Item
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		done, err := g.mergeItems(ctx, a, batch, keyring.Imported)
		if err != nil {
			return err
		}
		done.Reopened = g.reopenFor(ctx, a, keyIDsOf(batch))
		batch = nil
		return report(done)
	}
	var failed error
	err := g.Keyring.Limits.Scan(r, g.Now(), func(item *keyring.Item) error {
		if item.Err == nil {
			item.Err = item.Unlock(passphrase)
		}
		if batch = append(batch, item); len(batch) == dumpBatch {
			failed = flush()
		}
		return failed
	})
	switch {
	case failed != nil:
		return failed
	case err != nil:
		return &Problem{Sentence: err.Error(), Cause: err}
	}
	return flush()
}
