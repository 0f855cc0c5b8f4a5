package gateway

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/sealgate/sealgate/gateway/activity"
	"github.com/sealgate/sealgate/gateway/mailbox"
	"github.com/sealgate/sealgate/gateway/smarthost"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring/discover"
	"gorm.io/gorm"
)

// SaveGroup creates or replaces a group. Admins only.
func (g *Gateway) SaveGroup(ctx context.Context, a Actor, group groups.Group) (groups.Group, error) {
	if err := a.allow(groups.Admin); err != nil {
		return groups.Group{}, err
	}
	var saved groups.Group
	err := g.DB.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		var err error
		if saved, err = g.Groups.SaveGroup(ctx, tx, group, g.Now()); err != nil {
			return err
		}
		return g.record(ctx, tx, activity.Entry{Actor: a.Name, Act: "group.saved", GroupID: saved.ID, Detail: map[string]string{
			"name": saved.Name, "sign": string(saved.Sign), "encrypt": string(saved.Encrypt), "forms": forms(saved), "owners": strings.Join(saved.Owners, " "), "content": contentWord(saved.Content),
			"retry": retryWord(saved.Retry),
		}})
	})
	return saved, notFound(err)
}

// forms names what is switched on of how a group's mail looks, as page, API and command line name it.
func forms(g groups.Group) string {
	named := []string{"inline_in=" + string(g.InlineIn)}
	for _, f := range []struct {
		name string
		on   bool
	}{{"shadow", g.Shadow}, {"hide_subject", g.HideSubject}, {"keep_ticket", g.KeepTicket}, {"attach_key", g.AttachKey}, {"autocrypt", g.Autocrypt}} {
		if f.on {
			named = append(named, f.name)
		}
	}
	for _, rule := range g.DomainRules {
		if rule.Inline {
			named = append(named, "inline="+rule.Domain)
		}
	}
	return strings.Join(named, " ")
}

// retryWord names what is not the default.
func retryWord(r groups.Retry) string {
	var words []string
	t := r.Texts()
	for _, f := range [][2]string{{"lifetime", t.Lifetime}, {"warn_after", t.WarnAfter}, {"first_wait", t.FirstWait}, {"longest_wait", t.LongestWait}} {
		if f[1] != "" {
			words = append(words, f[0]+"="+f[1])
		}
	}
	return strings.Join(words, " ")
}

// contentWord counts content rules: the patterns themselves may tell what a group deals with.
func contentWord(c groups.ContentRules) string {
	return fmt.Sprintf("%d subjects, %d files, sensitivity %v", len(c.Subjects), len(c.Files), c.Sensitivity)
}

// DeleteGroup deletes a group. Admins only.
func (g *Gateway) DeleteGroup(ctx context.Context, a Actor, id string) error {
	if err := a.allow(groups.Admin); err != nil {
		return err
	}
	e := activity.Entry{Actor: a.Name, Act: "group.deleted", GroupID: id}
	return notFound(g.change(ctx, e, func(tx *gorm.DB) error {
		if err := g.Groups.DeleteGroup(ctx, tx, id); err != nil {
			return err
		}
		return discover.NewStore(g.DB).SetApprovals(ctx, tx, id, nil)
	}))
}

// ListGroups returns the groups an actor may see: all for admins and auditors, an agent's own otherwise.
func (g *Gateway) ListGroups(ctx context.Context, a Actor) ([]groups.Group, error) {
	all, err := g.Groups.Groups(ctx)
	if err != nil || a.scope() == nil {
		return all, err
	}
	var own []groups.Group
	for _, group := range all {
		if a.mayUse(group.ID) {
			own = append(own, group)
		}
	}
	return own, nil
}

// MailboxRequest is a mailbox to save. Nil secrets keep what is stored.
type MailboxRequest struct {
	Mailbox     groups.Mailbox
	Password    *string
	Credentials *groups.Credentials
}

// SaveMailbox creates or replaces a mailbox. Admins only.
func (g *Gateway) SaveMailbox(ctx context.Context, a Actor, r MailboxRequest) (groups.Mailbox, error) {
	if err := a.allow(groups.Admin); err != nil {
		return groups.Mailbox{}, err
	}
	if err := g.Keeper.Ready(ctx); err != nil {
		return groups.Mailbox{}, fmt.Errorf("save mailbox: %w", err)
	}
	var saved groups.Mailbox
	var err error
	if r.Mailbox, err = canonicalPins(r.Mailbox); err != nil {
		return groups.Mailbox{}, err
	}
	if r.Credentials, err = g.usedCredentials(ctx, r); err != nil {
		return groups.Mailbox{}, err
	}
	err = g.DB.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		var err error
		if saved, err = g.Groups.SaveMailbox(ctx, tx, r.Mailbox, r.Password, r.Credentials, g.Now()); err != nil {
			return err
		}
		return g.record(ctx, tx, activity.Entry{Actor: a.Name, Act: "mailbox.saved", GroupID: saved.GroupID, Detail: map[string]string{
			"login": saved.Login, "imap": saved.IMAP.Address, "smtp": saved.SMTP.Address, "out": outWord(saved.Out),
		}})
	})
	if err != nil {
		return saved, notFound(err)
	}
	if err := g.corrected(ctx, saved); err != nil {
		g.Log.WarnContext(ctx, "the mailbox is saved, and its OAuth access is not tried again", "mailbox", saved.ID, "error", err)
	}
	return saved, nil
}

// DeleteMailbox deletes a mailbox. Admins only.
func (g *Gateway) DeleteMailbox(ctx context.Context, a Actor, id string) error {
	if err := a.allow(groups.Admin); err != nil {
		return err
	}
	e := activity.Entry{Actor: a.Name, Act: "mailbox.deleted", Detail: map[string]string{"mailbox": id}}
	return notFound(g.change(ctx, e, func(tx *gorm.DB) error { return g.Groups.DeleteMailbox(ctx, tx, id) }))
}

// MailboxInfo is a mailbox with the state of its sync.
type MailboxInfo struct {
	groups.Mailbox
	Status  mailbox.Status
	Running bool // a sync of this mailbox runs in this process

	CannotSend string // why no mail can leave, and what to do; "" when nothing is known of that
}

// ListMailboxes returns all mailboxes. Admins only.
func (g *Gateway) ListMailboxes(ctx context.Context, a Actor) ([]MailboxInfo, error) {
	if err := a.allow(groups.Admin); err != nil {
		return nil, err
	}
	all, err := g.Groups.Mailboxes(ctx)
	if err != nil {
		return nil, err
	}
	infos := make([]MailboxInfo, 0, len(all))
	for _, m := range all {
		info := MailboxInfo{Mailbox: m, CannotSend: g.cannotSend(ctx, m)}
		if g.MailboxStatus != nil {
			info.Status, info.Running = g.MailboxStatus(m.ID)
		}
		infos = append(infos, info)
	}
	return infos, nil
}

// CheckMailbox connects to both upstream servers of a mailbox and returns one sentence for each that does not work.
// Admins only.
func (g *Gateway) CheckMailbox(ctx context.Context, a Actor, id string) ([]string, error) {
	if err := a.allow(groups.Admin); err != nil {
		return nil, err
	}
	m, err := g.Groups.Mailbox(ctx, id)
	if err != nil {
		return nil, notFound(err)
	}
	var problems []string
	if m.IMAP.Address != "" {
		upstream, err := g.UpstreamOf(ctx, m)
		if err != nil {
			return nil, err
		}
		if err := mailbox.Check(ctx, upstream); err != nil {
			problems = append(problems, "IMAP "+m.IMAP.Address+": "+err.Error())
		}
	}
	if m.Sends() {
		if err := g.checkNextHop(ctx, m); err != nil {
			problems = append(problems, err.Error())
		}
	}
	words := g.cannotSend(ctx, m) // what a server that is down would hide
	if words != "" && !strings.Contains(strings.Join(problems, "\n"), words) {
		problems = append(problems, words)
	}
	return problems, nil
}

// UpstreamOf returns a mailbox's IMAP upstream with its password opened.
func (g *Gateway) UpstreamOf(ctx context.Context, m groups.Mailbox) (mailbox.Upstream, error) {
	c, err := g.Groups.Credentials(ctx, m.ID)
	if err != nil {
		return mailbox.Upstream{}, fmt.Errorf("open credentials of mailbox %s: %w", m.ID, err)
	}
	roots, err := rootsWith(m.IMAP.CA)
	if err != nil {
		return mailbox.Upstream{}, err
	}
	return mailbox.Upstream{
		MailboxID: m.ID, Address: m.IMAP.Address, TLS: string(m.IMAP.TLS),
		Roots: roots, Username: m.IMAP.Username, Password: c.IMAPPassword,
	}, nil
}

// plainHop is the server of a mailbox, before anybody logs in.
func (g *Gateway) plainHop(m groups.Mailbox) (smarthost.Hop, error) {
	roots, err := rootsWith(m.SMTP.CA)
	if err != nil {
		return smarthost.Hop{}, err
	}
	pins, err := pinsOf(m.Out.Pins)
	if err != nil {
		return smarthost.Hop{}, err
	}
	hop := smarthost.Hop{
		Address: m.SMTP.Address, TLS: smarthost.TLS(m.SMTP.TLS), Roots: roots, Pins: pins, Mechanism: m.Out.Mechanism, Hello: g.Domain,
	}
	if m.Out.DANE {
		if g.Resolver == nil || !g.Resolver.Validating {
			return smarthost.Hop{}, errors.New("DANE needs a name server that validates DNSSEC; set dns.servers and dns.validating in the configuration")
		}
		hop.DANE = g.Resolver
	}
	return hop, nil
}

// hopOf is the server of a mailbox, with what is logged in with.
func (g *Gateway) hopOf(ctx context.Context, m groups.Mailbox) (smarthost.Hop, error) {
	hop, err := g.plainHop(m)
	if err != nil {
		return smarthost.Hop{}, err
	}
	if m.SMTP.Username == "" && m.Out.Login != groups.LoginPresented {
		return hop, nil // nobody logs in
	}
	c, err := g.Groups.Credentials(ctx, m.ID)
	if err != nil {
		return smarthost.Hop{}, fmt.Errorf("open credentials of mailbox %s: %w", m.ID, err)
	}
	switch m.Out.Login {
	case groups.LoginPresented:
		if err := g.presentedHop(&hop, m, c); err != nil {
			return smarthost.Hop{}, err
		}
	case groups.LoginOAuth:
		access, err := g.accessOf(ctx, m, c)
		if err != nil {
			return smarthost.Hop{}, err
		}
		hop.Username, hop.Tokens = m.SMTP.Username, access.source
	default:
		hop.Username, hop.Password = m.SMTP.Username, c.SMTPPassword
	}
	return hop, nil
}

// outWord says in the log how mail leaves.
func outWord(h groups.NextHop) string {
	words := []string{string(h.Route), "login=" + string(h.Login)}
	if h.Policy != "" {
		words = append(words, "policy="+h.Policy)
	}
	if h.DANE {
		words = append(words, "dane")
	}
	if len(h.Pins) > 0 {
		words = append(words, "pins="+strings.Join(h.Pins, ","))
	}
	return strings.Join(words, " ")
}

// rootsWith returns the system's certificate authorities and one more; nil, meaning the system's, for "".
func rootsWith(pem string) (*x509.CertPool, error) {
	if pem == "" {
		return nil, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM([]byte(pem)) {
		return nil, errors.New("the certificate authority of this mailbox is not PEM; save the mailbox again with a valid one")
	}
	return pool, nil
}

// GroupNamed returns the group of a name, or a new one of that name with the defaults for new groups: sign when a key is
// held, encrypt when every recipient has a certificate, refuse mixed recipients, tell the certificate by Autocrypt, open
// inline PGP that is the whole text.
func (g *Gateway) GroupNamed(ctx context.Context, name string) (groups.Group, error) {
	group, err := g.Groups.GroupByName(ctx, name)
	if errors.Is(err, groups.ErrNotFound) {
		return NewGroup(name), nil
	}
	return group, err
}

// NewGroup returns a group of this name with the defaults for new groups, not stored yet.
func NewGroup(name string) groups.Group {
	return groups.Group{
		Name: name, Sign: groups.Auto, Encrypt: groups.Auto,
		AutoSign: groups.Auto, AutoEncrypt: groups.Auto, Mixed: groups.MixedRefuse,
		Autocrypt: true, InlineIn: groups.InlineWhole,
	}
}
