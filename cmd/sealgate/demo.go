package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/archive"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
)

// demoCommand shows Sealgate at work, with everything in a temporary folder.
type demoCommand struct {
	Web string `default:"127.0.0.1:8025" help:"Address of the page; a free port is taken if it is in use."`
}

// demo is a running demonstration.
type demo struct {
	session  *session
	folder   string
	password string // of every account
	internet *internet
	house    *house
	support  groups.Group
	alice    *openpgp.Entity // a customer's key, held by the customer
}

// demoPatience is how long a step of the demo may take before it is given up.
const demoPatience = 30 * time.Second

// Run shows the demo and serves the page until it is interrupted.
func (c demoCommand) Run(s *session) (err error) {
	d := &demo{session: s}
	if d.folder, err = os.MkdirTemp("", "sealgate-demo-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(d.folder)) }()
	if d.password, err = randomWord(); err != nil {
		return err
	}
	if d.internet, err = startInternet(d.password, "support", "billing"); err != nil {
		return err
	}
	defer d.internet.Close()
	web, err := d.freeAddress(c.Web)
	if err != nil {
		return err
	}
	p, err := openParts(s.ctx, d.config(web), slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer p.Close()
	return d.run(s.ctx, d.config(web), p)
}

// run fills the house, serves it, and plays the conversation once.
func (d *demo) run(ctx context.Context, c config, p *parts) error {
	if err := d.fill(ctx, p.gateway); err != nil {
		return err
	}
	var err error
	if d.house, err = newHouse(ctx, c, p); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- d.house.run(ctx) }()
	d.welcome()
	if err := d.converse(ctx, p.gateway); err != nil {
		stop()
		return errors.Join(err, <-ended)
	}
	fmt.Fprintln(d.session.out, "\nPress Ctrl-C to end; nothing stays behind.")
	err = <-ended
	fmt.Fprintln(d.session.out, "Stopped; nothing stayed behind.")
	return err
}

// config puts everything into the demo's folder, on loopback.
func (d *demo) config(webAddress string) config {
	c := defaults()
	c.DNS = dnsConfig{} // nobody but our own servers is asked
	c.Domain = "sealgate.test"
	c.Database = "sqlite:" + filepath.Join(d.folder, "sealgate.db")
	c.Spool = filepath.Join(d.folder, "spool")
	c.KMS.KeyFile = filepath.Join(d.folder, "kek")
	c.Listen.Submission = []string{"127.0.0.1:0 plain"}
	c.Listen.IMAP = []string{"127.0.0.1:0 plain"}
	c.Listen.Web = webAddress + " plain"
	return c
}

// freeAddress returns the address, or one with a free port when it is in use, and says so.
func (d *demo) freeAddress(address string) (string, error) {
	l, err := net.Listen("tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		fmt.Fprintf(d.session.out, "%s is in use; the page gets a free port.\n\n", address)
		return "127.0.0.1:0", nil
	case err != nil:
		return "", fmt.Errorf("--web %s: no page can be served there; name an address of this machine and a port, such as 127.0.0.1:8025", address)
	}
	return address, l.Close()
}

// fill makes an administrator, two groups with keys and mailboxes, and two customers' certificates.
func (d *demo) fill(ctx context.Context, g *gateway.Gateway) error {
	if _, err := g.CreateFirstAdmin(ctx, "admin", d.password); err != nil {
		return err
	}
	var err error
	if d.support, err = d.addGroup(ctx, g, "Support", "support"); err != nil {
		return err
	}
	if _, err := d.addGroup(ctx, g, "Billing", "billing"); err != nil {
		return err
	}
	if d.alice, err = addCustomer(ctx, g, "Alice Example", "alice@customer.test"); err != nil {
		return err
	}
	_, err = addCustomer(ctx, g, "Bob Example", "bob@customer.test")
	return err
}

// addGroup makes a group that writes as NAME@desk.test, with a key and a mailbox.
func (d *demo) addGroup(ctx context.Context, g *gateway.Gateway, name, login string) (groups.Group, error) {
	group := gateway.NewGroup(name)
	group.Addresses = []string{login + "@desk.test"}
	group, err := g.SaveGroup(ctx, cli, group)
	if err != nil {
		return group, err
	}
	if _, err := g.GenerateKey(ctx, cli, gateway.NewKey{Name: name, Address: group.Addresses[0]}); err != nil {
		return group, err
	}
	_, err = g.SaveMailbox(ctx, cli, gateway.MailboxRequest{
		Mailbox: groups.Mailbox{
			GroupID: group.ID, Login: login,
			IMAP: groups.Upstream{Address: d.internet.imapAddress, TLS: groups.TLSNone, Username: login},
			SMTP: groups.Upstream{Address: d.internet.smtpAddress, TLS: groups.TLSNone},
		},
		Password:    &d.password,
		Credentials: &groups.Credentials{IMAPPassword: d.password},
	})
	return group, err
}

// addCustomer makes a customer's key, as the customer's own program would, and gives Sealgate the certificate only.
func addCustomer(ctx context.Context, g *gateway.Gateway, name, address string) (*openpgp.Entity, error) {
	customer, err := openpgp.NewEntity(name, "", address, nil)
	if err != nil {
		return nil, err
	}
	var certificate bytes.Buffer
	if err := customer.Serialize(&certificate); err != nil {
		return nil, err
	}
	_, err = g.ImportCertificates(ctx, cli, gateway.ImportRequest{Input: certificate.Bytes()})
	return customer, err
}

func (d *demo) welcome() {
	out := d.session.out
	fmt.Fprintf(out, "Sealgate demo\n\n  page        %s\n  log in      admin / %s\n", d.house.webURL(), d.password)
	for _, l := range d.house.listeners {
		if l.speaks != "web" {
			fmt.Fprintf(out, "  %-11s %s  (login support or billing, the same password)\n", l.speaks, l.Addr())
		}
	}
}

// converse plays one mail in and one reply out, and shows both sides of each.
func (d *demo) converse(ctx context.Context, g *gateway.Gateway) error {
	ctx, cancel := context.WithTimeout(ctx, demoPatience)
	defer cancel()
	mail, err := d.customerMail(ctx, g)
	if err != nil {
		return err
	}
	if err := d.internet.deliver("support", mail); err != nil {
		return err
	}
	article, err := d.waitForArticle(ctx, g)
	if err != nil {
		return err
	}
	view, err := g.ReadArticle(ctx, cli, article.ID)
	if err != nil {
		return err
	}
	out := d.session.out
	fmt.Fprintf(out, "\nA customer's mail arrived (%s/articles/%s)\nVerdict: %s\n\n", d.house.webURL(), article.ID, view.Verdict)
	sideBySide(out, "as it travelled", mail, "as the ticket system reads it", []byte("Subject: "+view.View.Subject+"\n\n"+view.View.Text))
	return d.reply(ctx, g, article)
}

// customerMail is what Alice's mail program sends: signed by her, encrypted to the group.
func (d *demo) customerMail(ctx context.Context, g *gateway.Gateway) ([]byte, error) {
	found, err := g.Keyring.ByAddress(ctx, d.support.Addresses, time.Now())
	if err != nil {
		return nil, err
	}
	own, _ := keyring.Choose(found[d.support.Addresses[0]], time.Now())
	if own == nil {
		return nil, errors.New("the demo's group has no certificate")
	}
	plain := "From: Alice Example <alice@customer.test>\r\nTo: support@desk.test\r\nSubject: My invoice\r\n" +
		"Date: " + time.Now().Format(time.RFC1123Z) + "\r\nMessage-ID: <invoice@customer.test>\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: text/plain; charset=utf-8\r\n\r\nHello,\r\n\r\nmy account number is 4711. Is my invoice paid?\r\n\r\nAlice\r\n"
	o, err := pgpmime.Protect([]byte(plain), pgpmime.ProtectRequest{
		Protection: pgpmime.SignedEncrypted, Signer: d.alice, To: []*openpgp.Entity{own.Entity},
		Now: time.Now(), Random: rand.Reader,
	})
	return o.Bytes(), err
}

// waitForArticle waits until the sync has brought the mail in.
func (d *demo) waitForArticle(ctx context.Context, g *gateway.Gateway) (archive.Article, error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		articles, err := g.ListArticles(ctx, cli, archive.Filter{Limit: 1})
		if err != nil {
			return archive.Article{}, err
		}
		if len(articles) > 0 {
			return articles[0], nil
		}
		select {
		case <-ctx.Done():
			return archive.Article{}, fmt.Errorf("the customer's mail did not arrive: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// reply answers as an agent would, and shows what left.
func (d *demo) reply(ctx context.Context, g *gateway.Gateway, article archive.Article) error {
	text := "Hello Alice,\n\nyes, invoice 4711 is paid.\n\nYour support team\n"
	id, err := g.Compose(ctx, cli, gateway.Draft{
		GroupID: d.support.ID, To: []string{"alice@customer.test"}, Subject: "Re: My invoice", Text: text, ReplyTo: article.ID,
	})
	if err != nil {
		return err
	}
	left, err := d.internet.next(ctx)
	if err != nil {
		return err
	}
	out := d.session.out
	fmt.Fprintf(out, "\nThe agent's reply left signed and encrypted (%s/articles/%s)\n\n", d.house.webURL(), id)
	sideBySide(out, "as the agent wrote it", []byte("Subject: Re: My invoice\n\n"+text), "as it left", left)
	return nil
}

// Width and height of one side of sideBySide.
const (
	sideWidth  = 58
	sideHeight = 22
)

// sideBySide prints the beginnings of two texts beside each other.
func sideBySide(out io.Writer, leftTitle string, left []byte, rightTitle string, right []byte) {
	l, r := excerpt(left), excerpt(right)
	fmt.Fprintf(out, "  %-*s | %s\n  %s-+-%s\n", sideWidth, leftTitle, rightTitle, strings.Repeat("-", sideWidth), strings.Repeat("-", sideWidth))
	for i := range max(len(l), len(r)) {
		fmt.Fprintf(out, "  %-*s | %s\n", sideWidth, line(l, i), line(r, i))
	}
}

// excerpt is the first lines of a text, cut to the width; of a message in transit its last header lines and first body
// lines say most, so that long header blocks are shortened.
func excerpt(text []byte) []string {
	lines := withoutKeydata(strings.Split(strings.ReplaceAll(strings.TrimSpace(string(text)), "\r\n", "\n"), "\n"))
	if len(lines) > sideHeight {
		lines = append(lines[:sideHeight-1:sideHeight-1], "…")
	}
	for i, l := range lines {
		runes := []rune(l)
		if len(runes) > sideWidth {
			lines[i] = string(runes[:sideWidth-1]) + "…"
		}
	}
	return lines
}

// withoutKeydata leaves out the certificate in an Autocrypt field, which fills a screen.
func withoutKeydata(lines []string) []string {
	var kept []string
	inside := false
	for _, l := range lines {
		if inside = strings.HasPrefix(l, "Autocrypt:") || (inside && strings.HasPrefix(l, " ")); !inside || !strings.HasPrefix(l, " ") {
			kept = append(kept, l)
		}
	}
	return kept
}

func line(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return ""
}

// randomWord makes a password for this run.
func randomWord() (string, error) {
	b := make([]byte, 12)
	if _, err := rand.Read(b); err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}
