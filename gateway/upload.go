package gateway

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sealgate/sealgate/gateway/activity"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
	"github.com/sealgate/sealgate/keyring/discover"
)

// UploadReport says what a keyserver made of a certificate of ours.
type UploadReport struct {
	Keyserver   string // its host
	Fingerprint string
	Addresses   []UploadedAddress // in order
}

// UploadedAddress is whether the keyserver finds the certificate by one of its addresses: published, pending (a mail was
// sent there), unpublished or revoked.
type UploadedAddress struct {
	Address string
	Status  string
}

// Sentence says what the status means, and what to do.
func (u UploadedAddress) Sentence() string {
	switch u.Status {
	case "published":
		return "Others find the certificate by this address, and its newest form now."
	case "pending":
		return "The keyserver sends a mail to this address. It arrives as a ticket: open the link in it, and others find the certificate by the address."
	case "revoked":
		return "It is revoked, and not found by this address any more. Who has it learns of the revocation."
	}
	return "It is not found by this address: no group of ours writes as it, so no mail was asked for."
}

// UploadCertificate sends one of our own certificates to a keyserver with the VKS interface, and asks it to write to those of
// its addresses that are ours and not confirmed yet. keyserver is its URL; "" means the configured one. Admins only.
func (g *Gateway) UploadCertificate(ctx context.Context, a Actor, fingerprint, keyserver string) (UploadReport, error) {
	if err := a.allow(groups.Admin); err != nil {
		return UploadReport{}, err
	}
	c, err := g.Certificate(ctx, a, fingerprint)
	if err != nil {
		return UploadReport{}, err
	}
	if !c.HasSecret || c.State != keyring.Approved {
		return UploadReport{}, &Problem{Sentence: "Only approved certificates with a secret key of ours are uploaded; where another is published is for its owner to decide."}
	}
	finder, err := g.uploader(keyserver)
	if err != nil {
		return UploadReport{}, err
	}
	armored, err := c.Minimal("", g.Now()).Armored()
	if err != nil {
		return UploadReport{}, fmt.Errorf("upload certificate: %w", err)
	}
	up, err := finder.Upload(ctx, armored)
	if err == nil && up.Fingerprint != c.Fingerprint {
		err = fmt.Errorf("%s answers about another certificate", finder.Keyserver)
	}
	if err != nil {
		return UploadReport{}, &Problem{Sentence: "The certificate could not be uploaded: " + err.Error() + ". Try again later, or name another keyserver.", Cause: err}
	}
	return g.askToVerify(ctx, a, finder, c, up)
}

// uploader asks one keyserver, once.
func (g *Gateway) uploader(keyserver string) (*discover.Finder, error) {
	keyserver = cmp.Or(keyserver, g.Publishing.Keyserver)
	if keyserver == "" {
		return nil, &Problem{Sentence: "No keyserver is configured; set publish.keyserver in the configuration, or name one as https://HOST."}
	}
	if err := discover.CheckKeyserver(keyserver); err != nil {
		return nil, &Problem{Sentence: err.Error(), Cause: err}
	}
	return &discover.Finder{Network: g.Publishing.Network, Keyserver: keyserver, Now: g.Now}, nil
}

// askToVerify has the keyserver write to our addresses. What was uploaded is logged, whatever becomes of that.
func (g *Gateway) askToVerify(ctx context.Context, a Actor, finder *discover.Finder, c *keyring.Certificate, up discover.Upload) (UploadReport, error) {
	ours, err := g.unconfirmed(ctx, c, up)
	if err != nil {
		return UploadReport{}, err
	}
	var refused error
	if len(ours) > 0 {
		verified, err := finder.RequestVerification(ctx, up.Token, ours)
		if refused = err; err == nil {
			up.Status = verified.Status
		}
	}
	report := uploadReport(finder.Keyserver, c, up)
	e := activity.Entry{Actor: a.Name, Act: "certificate.uploaded", Fingerprint: c.Fingerprint, Detail: map[string]string{"keyserver": report.Keyserver}}
	for _, u := range report.Addresses {
		e.Detail[u.Address] = u.Status
	}
	if err := g.change(ctx, e, nil); err != nil {
		return UploadReport{}, fmt.Errorf("upload certificate: %w", err)
	}
	if refused != nil {
		return report, &Problem{Sentence: "The certificate is on the keyserver, but no mail was asked for, so it is not found by address: " + refused.Error() + ". Upload it again later.", Cause: refused}
	}
	return report, nil
}

// unconfirmed are the addresses of a certificate that the keyserver does not show, and that are ours.
func (g *Gateway) unconfirmed(ctx context.Context, c *keyring.Certificate, up discover.Upload) ([]string, error) {
	owners, err := g.addressOwners(ctx)
	if err != nil {
		return nil, fmt.Errorf("upload certificate: %w", err)
	}
	var ours []string
	for address, status := range up.Status {
		if status == "unpublished" && owners[keyring.Fold(address)] != "" && contains(c.Addresses(), address) {
			ours = append(ours, address)
		}
	}
	slices.Sort(ours)
	return ours, nil
}

// uploadReport keeps of an answer what is about addresses of the certificate, and words that we know.
func uploadReport(keyserver string, c *keyring.Certificate, up discover.Upload) UploadReport {
	r := UploadReport{Keyserver: strings.TrimPrefix(strings.TrimSuffix(keyserver, "/"), "https://"), Fingerprint: c.Fingerprint}
	for _, id := range c.UserIDs {
		if id.Address == "" || slices.ContainsFunc(r.Addresses, func(u UploadedAddress) bool { return u.Address == id.Address }) {
			continue
		}
		u := UploadedAddress{Address: id.Address, Status: "unpublished"}
		for address, status := range up.Status {
			if keyring.Fold(address) == keyring.Fold(id.Address) && slices.Contains([]string{"published", "pending", "revoked"}, status) {
				u.Status = status
			}
		}
		r.Addresses = append(r.Addresses, u)
	}
	slices.SortFunc(r.Addresses, func(a, b UploadedAddress) int { return strings.Compare(a.Address, b.Address) })
	return r
}
