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
}

// protect makes every copy of a message: one for the visible readers together, one for each hidden reader alone, and
// a content-free notice for those who can't read.
func (g *Gateway) protect(ctx context.Context, p Plan, message []byte) ([]outCopy, error) {
	signer, err := g.signerOf(ctx, p)
	if err != nil {
		return nil, err
	}
	if !p.Decision.Encrypt.Do {
		o, err := g.protectFor(message, protectionOf(p.Decision), signer, nil, false)
		return []outCopy{{recipients: addressesOf(p.Recipients), outgoing: o}}, err
	}
	var copies []outCopy
	visible, hidden := p.readersByVisibility()
	if len(visible) > 0 {
		o, err := g.protectFor(message, protectionOf(p.Decision), signer, p.certificates(visible), false)
		if err != nil {
			return nil, err
		}
		copies = append(copies, outCopy{recipients: visible, outgoing: o})
	}
	for _, address := range hidden {
		o, err := g.protectFor(message, protectionOf(p.Decision), signer, []*keyring.Certificate{p.readers[address]}, true)
		if err != nil {
			return nil, err
		}
		copies = append(copies, outCopy{recipients: []string{address}, outgoing: o})
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

func (g *Gateway) protectFor(message []byte, p pgpmime.Protection, signer *openpgp.Entity, readers []*keyring.Certificate, hidden bool) (pgpmime.Outgoing, error) {
	r := pgpmime.ProtectRequest{Protection: p, Signer: signer, Hidden: hidden, Now: g.Now(), Random: g.Random}
	for _, c := range readers {
		r.To = append(r.To, c.Entity)
	}
	o, err := pgpmime.Protect(message, r)
	if errors.Is(err, pgpmime.ErrMalformed) {
		return o, malformed(err)
	}
	if err != nil {
		return o, fmt.Errorf("protect: %w", err)
	}
	return o, nil
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

// readersByVisibility splits the recipients that can read into visible ones and hidden ones.
func (p *Plan) readersByVisibility() (visible, hidden []string) {
	for _, r := range p.Recipients {
		switch {
		case p.readers[r.Address] == nil:
		case r.Hidden:
			hidden = append(hidden, r.Address)
		default:
			visible = append(visible, r.Address)
		}
	}
	return visible, hidden
}

// certificates returns the readers' certificates and the group's own, each once.
func (p *Plan) certificates(addresses []string) []*keyring.Certificate {
	seen := map[string]bool{}
	var all []*keyring.Certificate
	add := func(c *keyring.Certificate) {
		if c != nil && !seen[c.Fingerprint] {
			seen[c.Fingerprint] = true
			all = append(all, c)
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
