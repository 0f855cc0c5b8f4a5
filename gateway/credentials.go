package gateway

import (
	"context"

	"github.com/sealgate/sealgate/groups"
)

// usedCredentials leaves out of a mailbox's credentials what its settings no longer use. A password that outlived its server
// could be sent to the next one that somebody enters. Nil keeps what is stored.
func (g *Gateway) usedCredentials(ctx context.Context, r MailboxRequest) (*groups.Credentials, error) {
	if r.Credentials != nil {
		used := r.Mailbox.Uses(*r.Credentials)
		return &used, nil
	}
	if r.Mailbox.ID == "" {
		return nil, nil
	}
	stored, err := g.Groups.Credentials(ctx, r.Mailbox.ID)
	if err != nil {
		return nil, notFound(err)
	}
	used := r.Mailbox.Uses(stored)
	if used == stored {
		return nil, nil
	}
	return &used, nil
}
