package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/mailbox"
	"github.com/sealgate/sealgate/gateway/submission"
	"github.com/sealgate/sealgate/keyring/seal"
	"github.com/sealgate/sealgate/web"
	"golang.org/x/sync/errgroup"
)

// serveCommand runs the gateway until it is told to end.
type serveCommand struct{}

// Run implements sealgate serve.
func (serveCommand) Run(s *session) error {
	c, err := readConfig(s.config)
	if err != nil {
		return err
	}
	log, err := logger(c.Log, os.Stderr)
	if err != nil {
		return err
	}
	p, err := openParts(s.ctx, c, log)
	if err != nil {
		return err
	}
	defer p.Close()
	h, err := newHouse(s.ctx, c, p)
	if err != nil {
		return err
	}
	collectGarbage(c.Limits.MemoryBytes)
	h.announce(s.out)
	return h.run(s.ctx)
}

// ownMemory is what a gateway takes beside messages, roughly, in bytes.
const ownMemory = 64 << 20

// collectGarbage lets the heap grow to several times of what lives in it, which is little, because collecting it is a fifth
// of the work with small messages; and much less far when large ones fill it. GOGC and GOMEMLIMIT overrule it.
func collectGarbage(messages int64) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(messages + ownMemory)
	}
}

// house is a running gateway: its listeners are open, its servers not yet started.
type house struct {
	parts      *parts
	setupToken string
	tls        *tls.Config
	submission *submission.Server
	imap       *mailbox.Server
	syncs      *syncs
	web        *http.Server
	listeners  []listener
}

// listener is one open socket and what it speaks.
type listener struct {
	net.Listener
	speaks string // submission, imap, web, relay
	mode   string
	door   relayDoor // of a relay
}

// newHouse opens every listener and wires every server.
func newHouse(ctx context.Context, c config, p *parts) (*house, error) {
	h := &house{parts: p}
	warnOfKeyFile(c, p)
	var err error
	if h.tls, err = tlsFor(c.TLS); err != nil {
		return nil, err
	}
	if h.setupToken, err = setupToken(ctx, p.gateway); err != nil {
		return nil, err
	}
	spool, err := seal.NewSpool(c.Spool)
	if err != nil {
		return nil, fmt.Errorf("spool folder %s: %w; check that it can be written", c.Spool, err)
	}
	if err := h.listen(c); err != nil {
		return nil, errors.Join(err, h.closeListeners())
	}
	p.gateway.Spool = spool
	h.syncs = newSyncs(p.gateway, spool, c.Limits.MessageBytes, p.log)
	p.gateway.MailboxStatus = h.syncs.Status
	h.submission = &submission.Server{
		Backend: submission.Backend{
			Authenticate: func(ctx context.Context, c submission.Presented, remote string) (submission.Identity, error) {
				m, err := p.gateway.AuthenticateMailbox(ctx, c, remote)
				return submission.Identity{MailboxID: m.ID, GroupID: m.GroupID, Login: m.Login}, err
			},
			MaySend: p.gateway.MaySend,
			Submit:  p.gateway.Submit,
			Relay:   p.gateway.Relay(h.ways()),
		},
		Domain: c.Domain, TLS: h.tls, MaxMessageBytes: c.Limits.MessageBytes,
		Memory: p.memory, Spool: spool, Log: p.log,
	}
	h.imap = &mailbox.Server{
		Mirror: p.gateway.Mirror, TLS: h.tls, Log: p.log,
		Authenticate: func(ctx context.Context, login, password string) (string, error) {
			m, err := p.gateway.AuthenticateMailbox(ctx, submission.Presented{Login: login, Secret: password}, "imap")
			return m.ID, err
		},
	}
	proxies, err := web.ParseProxies(c.Listen.Proxies)
	if err != nil {
		return nil, errors.Join(err, h.closeListeners())
	}
	h.web = &http.Server{
		Handler: (&web.Server{
			Gateway: p.gateway, Spool: spool, SetupToken: h.setupToken, Secure: h.webSecure(), Proxies: proxies, Log: p.log,
		}).Handler(),
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10,
	}
	return h, nil
}

// listen opens every configured socket.
func (h *house) listen(c config) error {
	open := func(speaks string, configured ...string) error {
		for _, s := range configured {
			e, err := c.endpoint(s)
			if err != nil {
				return err
			}
			l, err := net.Listen("tcp", e.address)
			if err != nil {
				return listenProblem(speaks, e.address, err)
			}
			h.listeners = append(h.listeners, listener{Listener: l, speaks: speaks, mode: e.mode})
		}
		return nil
	}
	if err := open("submission", c.Listen.Submission...); err != nil {
		return err
	}
	if err := open("imap", c.Listen.IMAP...); err != nil {
		return err
	}
	for _, configured := range c.Listen.Relay {
		door, err := c.relayDoor(configured)
		if err != nil {
			return err
		}
		l, err := door.open()
		if err != nil {
			return listenProblem("relay", door.address, err)
		}
		h.listeners = append(h.listeners, listener{Listener: l, speaks: "relay", mode: string(door.relay.Mode), door: door})
	}
	return open("web", c.Listen.Web)
}

// ways are the doors for mail servers, by name.
func (h *house) ways() map[string]gateway.RelayWay {
	ways := map[string]gateway.RelayWay{}
	for _, l := range h.listeners {
		if l.speaks == "relay" {
			ways[l.door.relay.Name] = l.door.way
		}
	}
	return ways
}

// listenProblem says which setting cannot be obeyed, why, and what to do.
func listenProblem(speaks, address string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("listen.%s: another program uses %s, perhaps another sealgate; end it, or choose another port", speaks, address)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("listen.%s: this user may not use %s; give sealgate the right to ports below 1024 (CAP_NET_BIND_SERVICE), or choose another port", speaks, address)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("listen.%s: %s is no address of this machine; use one of its own, or :PORT for all", speaks, address)
	}
	return fmt.Errorf("listen.%s: %w", speaks, err)
}

// warnOfKeyFile says at the start what doctor says too: a passphrase that came after the key file does nothing.
func warnOfKeyFile(c config, p *parts) {
	if c.KMS.PassphraseFile != "" && !p.provider.Protected() {
		p.log.Warn("kms.passphrase_file protects nothing: the key file was made without a passphrase; see sealgate doctor", "key_file", c.KMS.KeyFile)
	}
}

func (h *house) closeListeners() error {
	var errs []error
	for _, l := range h.listeners {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

func (h *house) webSecure() bool {
	for _, l := range h.listeners {
		if l.speaks == "web" && l.mode == "plain" {
			return false
		}
	}
	return true
}

// announce prints where to click. The set-up token goes to the terminal only, never to the log.
func (h *house) announce(out io.Writer) {
	for _, l := range h.listeners {
		fmt.Fprintf(out, "%-11s %s (%s)\n", l.speaks, l.Addr(), l.mode)
	}
	if h.setupToken != "" {
		fmt.Fprintf(out, "\nFirst start: make your administrator at\n  %s/setup?token=%s\n", h.webURL(), h.setupToken)
	}
}

func (h *house) webURL() string {
	for _, l := range h.listeners {
		if l.speaks != "web" {
			continue
		}
		if l.mode == "plain" {
			return "http://" + l.Addr().String()
		}
		return "https://" + l.Addr().String()
	}
	return ""
}

// warnEvery is how often it is looked for what owners of groups should hear of.
const warnEvery = 24 * time.Hour

// run serves until ctx ends or one part fails, then ends every part.
func (h *house) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, l := range h.listeners {
		switch l.speaks {
		case "submission":
			group.Go(func() error { return h.submission.Serve(ctx, l, submission.Mode(l.mode)) })
		case "relay":
			group.Go(func() error { return h.submission.ServeRelay(ctx, l, l.door.relay) })
		case "imap":
			group.Go(func() error { return h.imap.Serve(ctx, l, mailbox.Mode(l.mode)) })
		case "web":
			group.Go(func() error { return h.serveWeb(ctx, l) })
		}
	}
	group.Go(func() error { return h.parts.gateway.Queue.Run(ctx) })
	group.Go(func() error { return h.syncs.Run(ctx) })
	group.Go(func() error { return h.parts.gateway.Discovery.Worker.Run(ctx) })
	group.Go(func() error { return h.parts.gateway.RunWarnings(ctx, warnEvery) })
	group.Go(func() error { return h.parts.gateway.RunAccess(ctx) })
	return group.Wait()
}

// serveWeb serves the page until ctx ends.
func (h *house) serveWeb(ctx context.Context, l listener) error {
	socket := net.Listener(l)
	if l.mode == "implicit" {
		socket = tls.NewListener(l, h.tls)
	}
	stopped := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := h.web.Shutdown(grace); err != nil {
			h.web.Close()
		}
	})
	defer stopped()
	if err := h.web.Serve(socket); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("web server: %w", err)
	}
	return nil
}

// setupToken returns a fresh one-time token while there is no administrator, and "" afterwards.
func setupToken(ctx context.Context, g *gateway.Gateway) (string, error) {
	first, err := g.FirstRun(ctx)
	if err != nil || !first {
		return "", err
	}
	b := make([]byte, 18)
	if _, err := rand.Read(b); err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}
