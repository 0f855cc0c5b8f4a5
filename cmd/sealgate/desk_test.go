package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/emersion/go-smtp"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/submission"
	"github.com/sealgate/sealgate/groups"
)

// desk is a gateway without peers: what leaves is caught by a next hop in this process.
type desk struct {
	t     *testing.T
	g     *gateway.Gateway
	id    submission.Identity
	group groups.Group

	mu     sync.Mutex
	caught []caught
}

// caught is one message with its envelope.
type caught struct {
	from    string
	to      []string
	message []byte
}

// newDesk makes one group with a key and a mailbox; edit may change its levels.
func newDesk(t *testing.T, edit func(*groups.Group)) *desk {
	t.Helper()
	d := &desk{t: t}
	folder := t.TempDir()
	c := defaults()
	c.DNS = dnsConfig{} // nobody but our own servers is asked
	c.Domain, c.Database, c.KMS.KeyFile = "sealgate.test", "sqlite:"+filepath.Join(folder, "sealgate.db"), filepath.Join(folder, "kek")
	p, err := openParts(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	d.g = p.gateway
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- d.g.Queue.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	d.group, d.id = d.addGroup("Support", support, edit)
	return d
}

func (d *desk) addGroup(name, address string, edit func(*groups.Group)) (groups.Group, submission.Identity) {
	d.t.Helper()
	group := gateway.NewGroup(name)
	group.Addresses = []string{address}
	if edit != nil {
		edit(&group)
	}
	group, err := d.g.SaveGroup(d.t.Context(), cli, group)
	if err != nil {
		d.t.Fatal(err)
	}
	if _, err := d.g.GenerateKey(d.t.Context(), cli, gateway.NewKey{Name: name, Address: address}); err != nil {
		d.t.Fatal(err)
	}
	password := gatewayPassword
	m, err := d.g.SaveMailbox(d.t.Context(), cli, gateway.MailboxRequest{
		Mailbox:  groups.Mailbox{GroupID: group.ID, Login: strings.ToLower(name), SMTP: groups.Upstream{Address: d.hop(), TLS: groups.TLSNone}},
		Password: &password,
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return group, submission.Identity{MailboxID: m.ID, GroupID: group.ID, Login: m.Login}
}

// hop starts a next hop that refuses recipients named nobody@ and keeps everything else.
func (d *desk) hop() string {
	d.t.Helper()
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &hopSession{desk: d}, nil }))
	server.MaxLineLength = 1 << 20
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		d.t.Fatal(err)
	}
	go server.Serve(l) //nolint:errcheck // ends when it is closed
	d.t.Cleanup(func() { server.Close() })
	return l.Addr().String()
}

type hopSession struct {
	desk *desk
	now  caught
}

func (s *hopSession) Mail(from string, _ *smtp.MailOptions) error {
	s.now = caught{from: from}
	return nil
}

func (s *hopSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if strings.HasPrefix(to, "nobody@") {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
	}
	s.now.to = append(s.now.to, to)
	return nil
}

func (s *hopSession) Data(r io.Reader) error {
	message, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.now.message = message
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	s.desk.caught = append(s.desk.caught, s.now)
	return nil
}

func (*hopSession) Reset()        {}
func (*hopSession) Logout() error { return nil }

// left waits for n messages at the next hop, in any order, keyed by their first recipient.
func (d *desk) left(n int) map[string]caught {
	d.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		d.mu.Lock()
		all := slices.Clone(d.caught)
		d.mu.Unlock()
		if len(all) >= n {
			by := map[string]caught{}
			for _, c := range all {
				slices.Sort(c.to)
				by[c.to[0]] = c
			}
			return by
		}
		select {
		case <-deadline.C:
			d.t.Fatalf("%d messages left, want %d", len(all), n)
		case <-tick.C:
		}
	}
}

// customer makes a key, gives the desk its certificate, and returns the key.
func (d *desk) customer(address string) *openpgp.Entity {
	d.t.Helper()
	e, err := openpgp.NewEntity("", "", address, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	var b bytes.Buffer
	if err := e.Serialize(&b); err != nil {
		d.t.Fatal(err)
	}
	if _, err := d.g.ImportCertificates(d.t.Context(), cli, gateway.ImportRequest{Input: b.Bytes()}); err != nil {
		d.t.Fatal(err)
	}
	return e
}

// submit sends as the ticket system; extra are header lines on top.
func (d *desk) submit(extra string, to ...string) error {
	d.t.Helper()
	e := submission.Envelope{ReversePath: support}
	for _, address := range to {
		e.ForwardPaths = append(e.ForwardPaths, submission.ForwardPath{Address: address})
	}
	_, err := d.g.Submit(d.t.Context(), submission.Submission{Identity: d.id, Envelope: e, Message: []byte(extra + reply)})
	return err
}
