package smarthost

import (
	"context"

	"github.com/sealgate/sealgate/gateway/smarthost/resolve"
)

// Resolver is what this package asks the DNS; a resolve.Client is one. Errors other than resolve.ErrNoName may pass.
type Resolver interface {
	MX(ctx context.Context, domain string) (resolve.Reply[resolve.MX], error)
	Addresses(ctx context.Context, host string) (resolve.Reply[resolve.Address], error)
	TLSA(ctx context.Context, name string) (resolve.Reply[resolve.TLSA], error)
}
