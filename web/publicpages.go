package web

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
)

// errAskLater is a stranger who asks too often.
var errAskLater = errors.New("asked too often")

// publicView is what everybody may know about one of our addresses.
type publicView struct {
	gateway.Published
	Domain  string
	Path    string // of its page
	State   badge
	Usable  bool // others can encrypt to it now
	InFours []string
	Code    *qrCode // nil for one that nobody should scan
	WKD     bool    // mail programs find it by themselves
}

// stranger reads a page as somebody who has not logged in, whoever it is: what everybody sees is the same for all.
func (v *visit) stranger(allowed bool) error {
	v.user, v.inSession = groups.User{}, false
	switch {
	case !allowed:
		return gateway.ErrNotFound
	case !v.mayAsk(v.r):
		return errAskLater
	}
	return nil
}

// publicKeys lists our addresses, where the configuration says so.
func publicKeys(v *visit) error {
	p := v.Gateway.Publishing
	if err := v.stranger(p.Page && p.List); err != nil {
		return v.strangerTold(err)
	}
	all, err := v.Gateway.AllPublished(v.r.Context())
	if err != nil {
		return err
	}
	var shown []publicView
	for _, one := range all {
		if one.Certificate != nil {
			shown = append(shown, v.public(one))
		}
	}
	return v.show("publiclist", "Encrypted mail to us", shown)
}

// publicKey is the page of one address, for somebody who never used PGP.
func publicKey(v *visit) error {
	p, err := v.publicOf()
	if err != nil {
		return v.strangerTold(err)
	}
	status := http.StatusOK
	if p.Certificate == nil {
		status = http.StatusNotFound
	} else if p.Usable {
		if p.Code, err = fingerprintCode(p.Certificate.Fingerprint, p.Certificate.Version); err != nil {
			return err
		}
	}
	return v.render(status, "public", "Encrypted mail to "+p.Address, p)
}

// publicDownload is the certificate as a file.
func publicDownload(v *visit) error {
	p, err := v.publicOf()
	if err != nil {
		return v.strangerTold(err)
	}
	f, err := p.Armored()
	if err != nil {
		return err
	}
	return v.download(f)
}

func (v *visit) publicOf() (publicView, error) {
	if err := v.stranger(v.Gateway.Publishing.Page); err != nil {
		return publicView{}, err
	}
	found, err := v.Gateway.Published(v.r.Context(), v.r.PathValue("address"))
	return v.public(found), err
}

// strangerTold has words of its own for somebody who cannot log in.
func (v *visit) strangerTold(err error) error {
	if !errors.Is(err, errAskLater) {
		return err
	}
	v.w.Header().Set("Retry-After", "60")
	v.failWith(http.StatusTooManyRequests, "Too many questions", "Many pages were asked for from your network just now. Ask again in a minute.")
	return nil
}

func (s *site) public(found gateway.Published) publicView {
	p := publicView{Published: found, Path: publicPath(found.Address), WKD: s.Gateway.Publishing.WKD}
	_, p.Domain, _ = strings.Cut(found.Address, "@")
	if c := found.Certificate; c != nil {
		p.Usable = found.Reason == keyring.Usable
		p.State = publicBadge(c, found.Reason)
		p.InFours = strings.Fields(inFours(c.Fingerprint))
	}
	return p
}

// publicBadge is the state of a certificate in words for people who do not know the words.
func publicBadge(c *keyring.Certificate, reason keyring.Reason) badge {
	switch {
	case reason == keyring.Usable && c.Expires.IsZero():
		return badge{"ok", "check", "Valid"}
	case reason == keyring.Usable:
		return badge{"ok", "check", "Valid until " + day(c.Expires)}
	case reason == keyring.RevokedKey:
		return badge{"bad", "cross", "Revoked"}
	case reason == keyring.Expired:
		return badge{"warn", "clock", "Ended"}
	}
	return badge{"warn", "alert", "Not usable"}
}

func publicPath(address string) string { return "/keys/" + url.PathEscape(address) }

// publicPages are the public pages of those of our addresses that are meant.
func (v *visit) publicPages(meant func(gateway.Published) bool) ([]publicView, error) {
	if !v.Gateway.Publishing.Page {
		return nil, nil
	}
	all, err := v.Gateway.AllPublished(v.r.Context())
	var pages []publicView
	for _, one := range all {
		if meant(one) {
			pages = append(pages, v.public(one))
		}
	}
	return pages, err
}

// shows tells whether a public page shows a certificate, or names it among the revoked ones.
func shows(c *keyring.Certificate) func(gateway.Published) bool {
	same := func(shown *keyring.Certificate) bool { return shown.Fingerprint == c.Fingerprint }
	return func(p gateway.Published) bool {
		return p.Certificate != nil && same(p.Certificate) || slices.ContainsFunc(p.Revoked, same)
	}
}
