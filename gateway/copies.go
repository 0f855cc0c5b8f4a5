package gateway

import (
	"context"
	"errors"
	"fmt"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/gateway/submission"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
)

// outCopy is one protected copy with the forward-paths it goes to.
type outCopy struct {
	recipients []string
	outgoing   pgpmime.Outgoing
	signatures string // DKIM-Signature fields, which go in front of it
}

// protect makes every copy of a message: one for the visible readers of one form together, one for each hidden reader
// alone, and a content-free notice for those who can't read. Close them all when they are stored.
func (g *Gateway) protect(ctx context.Context, p Plan, message []byte) (copies []outCopy, err error) {
	signer, err := g.signerOf(ctx, p)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			closeAll(copies)
		}
	}()
	for _, s := range p.shares() {
		r := p.request(signer, s.inline)
		r.HideSubject, r.KeepTicket = p.Group.HideSubject, p.Group.KeepTicket
		r.Protection, r.To, r.Hidden = protectionOf(p.Decision), s.readers, s.hidden
		if r.Protection == pgpmime.Clear {
			if message, err = g.steady(ctx, message); err != nil {
				return copies, err
			}
		}
		o, err := g.protectFor(message, r)
		if err != nil {
			return copies, err
		}
		copies = append(copies, outCopy{recipients: s.recipients, outgoing: o})
	}
	notices, err := g.notices(p, message, signer)
	return append(copies, notices...), err
}

func (g *Gateway) signerOf(ctx context.Context, p Plan) (*openpgp.Entity, error) {
	if !p.Decision.Sign.Do {
		return nil, nil
	}
	signer, err := g.Keyring.Secret(ctx, p.Signer)
	if err != nil {
		return nil, fmt.Errorf("open signing key %s: %w", p.Signer, err)
	}
	return signer, nil
}

// request is what every mail that leaves for this plan has in common, the notices too: how it looks, and the group's
// certificate. Inline PGP has no place for an attachment.
func (p *Plan) request(signer *openpgp.Entity, inline bool) pgpmime.ProtectRequest {
	r := pgpmime.ProtectRequest{Signer: signer, Inline: inline}
	if p.Group.Autocrypt && p.own != nil {
		r.Autocrypt = p.own.Entity
	}
	switch {
	case !p.Group.AttachKey || inline:
	case p.own != nil:
		r.Attach = p.own.Entity
	default:
		r.Attach = signer // a key that signs only, for who wants to check
	}
	return r
}

// protectFor is the one call that makes mail that may leave.
func (g *Gateway) protectFor(message []byte, r pgpmime.ProtectRequest) (pgpmime.Outgoing, error) {
	r.Now, r.Random, r.Spool = g.Now(), g.Random, g.spool()
	o, err := pgpmime.Protect(message, r)
	if errors.Is(err, pgpmime.ErrMalformed) {
		return o, malformed(err)
	}
	if err != nil {
		return o, fmt.Errorf("protect: %w", err)
	}
	return o, nil
}

// spool is where protected mail waits that is larger than memory should hold; nil for memory.
func (g *Gateway) spool() pgpmime.Spool {
	if g.Spool == nil {
		return nil
	}
	return func() (pgpmime.SpoolFile, error) { return g.Spool.Create() }
}

// closeAll gives back what copies hold in the spool.
func closeAll(copies []outCopy) {
	for _, c := range copies {
		c.outgoing.Close() //nolint:errcheck // a spool file has no name and ends with the process
	}
}

func protectionOf(d groups.Decision) pgpmime.Protection {
	switch {
	case d.Sign.Do && d.Encrypt.Do:
		return pgpmime.SignedEncrypted
	case d.Encrypt.Do:
		return pgpmime.Encrypted
	case d.Sign.Do:
		return pgpmime.Signed
	}
	return pgpmime.Clear
}

func addressesOf(recipients []PlannedRecipient) []string {
	var all []string
	for _, r := range recipients {
		all = append(all, r.Address)
	}
	return all
}

// share is one copy that is to be made: who gets it, and whose certificates read it.
type share struct {
	recipients []string
	readers    []*openpgp.Entity
	hidden     bool
	inline     bool
}

// shares divides the recipients that get the message. Those who read one form share a copy; each hidden reader of an
// encrypted one has his own, because the copy names the keys that open it.
func (p *Plan) shares() []share {
	var mime, inline []string
	var alone []share
	for _, r := range p.Recipients {
		switch {
		case p.Decision.Encrypt.Do && p.readers[r.Address] == nil: // gets a notice
		case p.Decision.Encrypt.Do && r.Hidden:
			alone = append(alone, share{
				recipients: []string{r.Address}, readers: []*openpgp.Entity{p.readers[r.Address].Entity}, hidden: true, inline: p.inlineFor(r.Address),
			})
		case p.inlineFor(r.Address):
			inline = append(inline, r.Address)
		default:
			mime = append(mime, r.Address)
		}
	}
	var all []share
	if len(mime) > 0 {
		all = append(all, share{recipients: mime, readers: p.certificates(mime)})
	}
	if len(inline) > 0 {
		all = append(all, share{recipients: inline, readers: p.certificates(inline), inline: true})
	}
	return append(all, alone...)
}

// inlineFor tells whether the copy for an address should be inline PGP. A hidden subject comes first: inline PGP has no
// place for it.
func (p *Plan) inlineFor(address string) bool {
	hides := p.Group.HideSubject && p.Decision.Encrypt.Do
	return p.Group.ReadsInline(address) && protectionOf(p.Decision) != pgpmime.Clear && !hides
}

// certificates returns the certificates of readers and the group's own, each once.
func (p *Plan) certificates(addresses []string) []*openpgp.Entity {
	if !p.Decision.Encrypt.Do {
		return nil
	}
	seen := map[string]bool{}
	var all []*openpgp.Entity
	add := func(c *keyring.Certificate) {
		if c != nil && !seen[c.Fingerprint] {
			seen[c.Fingerprint] = true
			all = append(all, c.Entity)
		}
	}
	for _, address := range addresses {
		add(p.readers[address])
	}
	add(p.own)
	return all
}

// everyoneHasACopy guards against a recipient that is dropped silently: each forward-path is in exactly one copy.
func everyoneHasACopy(e submission.Envelope, copies []outCopy) error {
	for _, path := range e.ForwardPaths {
		n := 0
		for _, c := range copies {
			if contains(c.recipients, canonical(path.Address)) {
				n++
			}
		}
		if n != 1 {
			return fmt.Errorf("a recipient is in %d copies, not in one", n)
		}
	}
	return nil
}
