package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/sealgate/sealgate/gateway/dkim"
	"github.com/sealgate/sealgate/gateway/pgpmime"
)

// signForDomain adds DKIM signatures to copies whose From address is of a domain with active keys. It happens once, over
// the bytes as they were protected, so that every attempt sends the same.
//
// A key that cannot be opened is an error: mail of a domain that promises signatures should wait rather than leave without.
func (g *Gateway) signForDomain(ctx context.Context, from string, copies []outCopy) error {
	keys, err := g.dkimSigners(ctx, from)
	if err != nil || len(keys) == 0 {
		return err
	}
	for i, c := range copies {
		if copies[i].signatures, err = domainSignatures(keys, c.outgoing); err != nil {
			return err
		}
	}
	return nil
}

// steady writes a message that leaves in clear, and is signed for its domain, so that no server on the way breaks the
// signature by making it 7-bit. Others, and what cannot be written so, stay as they are.
func (g *Gateway) steady(ctx context.Context, message []byte) ([]byte, error) {
	written, err := pgpmime.SevenBit(message)
	if err != nil || bytes.Equal(written, message) {
		return message, nil
	}
	summary, err := pgpmime.Summarize(message)
	if err != nil || len(summary.From) != 1 {
		return message, nil
	}
	keys, err := g.dkimStore().Active(ctx, domainToSign(summary.From[0]))
	if err != nil || len(keys) == 0 {
		return message, err
	}
	return written, nil
}

// domainSignaturesFor returns the DKIM-Signature fields of one protected message, each ending in CRLF, "" when no key signs for
// the domain of from.
func (g *Gateway) domainSignaturesFor(ctx context.Context, from string, o pgpmime.Outgoing) (string, error) {
	keys, err := g.dkimSigners(ctx, from)
	if err != nil || len(keys) == 0 {
		return "", err
	}
	return domainSignatures(keys, o)
}

func domainSignatures(keys []dkim.Key, o pgpmime.Outgoing) (string, error) {
	fields, err := dkim.SignFrom(o.Message().Reader(), keys...)
	if errors.Is(err, dkim.ErrHeader) {
		return "", malformed(err)
	}
	return fields, err
}

// dkimSigners opens the active keys for the domain of an address.
func (g *Gateway) dkimSigners(ctx context.Context, from string) ([]dkim.Key, error) {
	domain := domainToSign(from)
	if domain == "" {
		return nil, nil
	}
	store := g.dkimStore()
	active, err := store.Active(ctx, domain)
	if err != nil {
		return nil, err
	}
	var keys []dkim.Key
	for _, k := range active {
		der, err := store.Secret(ctx, k)
		if err != nil {
			return nil, err
		}
		signer, err := dkim.Parse(der)
		clear(der)
		if err != nil {
			return nil, fmt.Errorf("open DKIM key %s of %s: %w", k.Selector, k.Domain, err)
		}
		keys = append(keys, dkim.Key{Domain: k.Domain, Selector: k.Selector, Signer: signer})
	}
	return keys, nil
}
