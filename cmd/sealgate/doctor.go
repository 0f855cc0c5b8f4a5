package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/sealgate/sealgate/gateway/activity"
)

// doctorCommand checks an installation and says what to do.
type doctorCommand struct{}

// doctor collects findings.
type doctor struct {
	out      io.Writer
	problems int
}

func (d *doctor) well(subject, words string) { fmt.Fprintf(d.out, "ok    %-14s %s\n", subject, words) }

func (d *doctor) note(subject, words string) { fmt.Fprintf(d.out, "note  %-14s %s\n", subject, words) }

func (d *doctor) wrong(subject, words string) {
	d.problems++
	fmt.Fprintf(d.out, "WRONG %-14s %s\n", subject, words)
}

// result says one thing about one subject.
func (d *doctor) result(subject, well string, err error) bool {
	if err != nil {
		d.wrong(subject, err.Error())
		return false
	}
	d.well(subject, well)
	return true
}

// Run checks everything that can be checked; what is wrong is an error at the end.
func (doctorCommand) Run(s *session) error {
	d := &doctor{out: s.out}
	c, err := readConfig(s.config)
	if d.result("configuration", s.config, err) {
		d.checkTLS(c, time.Now())
		d.checkSpool(c)
		d.checkParts(s.ctx, c)
	}
	switch d.problems {
	case 0:
		return nil
	case 1:
		return errors.New("one thing needs attention")
	}
	return fmt.Errorf("%d things need attention", d.problems)
}

// checkTLS looks at the certificate of the listeners.
func (d *doctor) checkTLS(c config, now time.Time) {
	if c.TLS.Certificate == "" {
		d.note("TLS", "no certificate is configured: every listener is for this machine only")
		return
	}
	pair, err := tls.LoadX509KeyPair(c.TLS.Certificate, c.TLS.Key)
	if err != nil {
		d.wrong("TLS", err.Error()+"; check tls.certificate and tls.key")
		return
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		d.wrong("TLS", err.Error())
		return
	}
	until := leaf.NotAfter.UTC().Format(time.DateOnly)
	switch {
	case now.After(leaf.NotAfter):
		d.wrong("TLS", "the certificate expired on "+until+"; renew it (it is read again without a restart)")
	case now.Before(leaf.NotBefore):
		d.wrong("TLS", "the certificate is not valid before "+leaf.NotBefore.UTC().Format(time.RFC3339)+"; check the clock of this machine")
	case leaf.VerifyHostname(c.Domain) != nil:
		d.wrong("TLS", "the certificate is not for "+c.Domain+"; set domain to the name that clients use, or get a certificate for it")
	default:
		d.well("TLS", "valid until "+until)
	}
}

// checkSpool proves that the spool folder can be written.
func (d *doctor) checkSpool(c config) {
	err := os.MkdirAll(c.Spool, 0o700)
	if err == nil {
		err = writeProbe(c.Spool)
	}
	if err != nil {
		err = fmt.Errorf("%w; check the folder's owner and the space on the disk", err)
	}
	d.result("spool", c.Spool, err)
}

func writeProbe(folder string) error {
	f, err := os.CreateTemp(folder, "probe-*")
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, 1<<16))
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}

// checkParts opens the database and the key, then asks the mailboxes and the log.
func (d *doctor) checkParts(ctx context.Context, c config) {
	log, err := logger(logConfig{Level: "error", Format: "text"}, os.Stderr)
	if err != nil {
		d.wrong("log", err.Error())
		return
	}
	p, err := openParts(ctx, c, log)
	if !d.result("database", "schema is up to date", err) {
		return
	}
	defer p.Close()
	d.checkClock(ctx, p)
	d.result("KMS", "the key opens the current lease", p.keeper.Check(ctx))
	d.checkKeyFile(c, p)
	d.checkSetUp(ctx, p)
	d.checkHealth(ctx, p)
	d.checkMailboxes(ctx, p)
	d.checkQueue(ctx, p)
	d.checkDKIM(ctx, p)
	n, err := p.gateway.VerifyActivity(ctx, cli)
	d.result("activity", fmt.Sprintf("%d entries, the chain is whole", n), err)
}

// clockTolerance is how far the clock may stand behind what was already written.
const clockTolerance = 2 * time.Minute

// checkClock compares the clock with the newest entry of the log: time never runs backwards there.
func (d *doctor) checkClock(ctx context.Context, p *parts) {
	entries, err := p.gateway.Activity.List(ctx, activity.Filter{Limit: 1})
	if err != nil {
		d.wrong("clock", err.Error())
		return
	}
	if len(entries) > 0 && entries[0].Time.After(time.Now().Add(clockTolerance)) {
		d.wrong("clock", "the clock stands behind the newest log entry ("+entries[0].Time.UTC().Format(time.RFC3339)+"); set it, certificates are judged by it")
		return
	}
	d.well("clock", time.Now().UTC().Format(time.RFC3339))
}

// checkKeyFile says how well the local key is guarded.
func (d *doctor) checkKeyFile(c config, p *parts) {
	if p.provider.Protected() {
		d.well("key file", c.KMS.KeyFile+" is protected by a passphrase")
		return
	}
	if c.KMS.PassphraseFile != "" {
		d.wrong("key file", c.KMS.KeyFile+" was made without a passphrase, and kms.passphrase_file does nothing for it; while nothing is stored, "+
			"remove the database and the key file and start again, else take the setting out and guard the file by its owner and mode")
		return
	}
	words := "low assurance: " + c.KMS.KeyFile + " has no passphrase"
	if filepath.Dir(c.KMS.KeyFile) == filepath.Dir(sqlitePath(c.Database)) {
		words += " and lies beside the database; whoever copies the folder can open everything"
	}
	d.note("key file", words+"; set kms.passphrase_file, and keep a backup of both")
}

// checkSetUp says what a new house still lacks.
func (d *doctor) checkSetUp(ctx context.Context, p *parts) {
	people, err := p.gateway.ListUsers(ctx, cli)
	if err != nil {
		d.wrong("people", err.Error())
		return
	}
	if len(people) == 0 {
		d.note("people", "there is no administrator yet; sealgate serve prints a link that makes one, or: sealgate user save")
	}
	groups, err := p.gateway.ListGroups(ctx, cli)
	if err != nil {
		d.wrong("groups", err.Error())
		return
	}
	if len(groups) == 0 {
		d.note("groups", "there are none yet; make one on the groups page or with: sealgate group save")
	}
}

// checkHealth names keys of groups that have ended or end within a week, and counts the rest of the forecast.
func (d *doctor) checkHealth(ctx context.Context, p *parts) {
	f, err := p.gateway.Forecast(ctx, cli)
	if err != nil {
		d.wrong("certificates", err.Error())
		return
	}
	urgent := false
	for _, e := range f.Ending {
		if e.Own && e.Successor == "" && e.Days <= 7 {
			urgent = true
			d.wrong("certificates", e.Sentence())
		}
	}
	for _, k := range f.Keyless {
		if k.Held {
			urgent = true
			d.wrong("certificates", k.Sentence())
		} else {
			d.note("certificates", k.Sentence())
		}
	}
	if rest := len(f.Ending) + len(f.Waiting); rest > 0 && !urgent {
		d.note("certificates", "some end soon, or articles wait for a key; see sealgate health")
	} else if !urgent {
		d.well("certificates", "none that is in use ends within 60 days")
	}
}

// checkMailboxes connects to every upstream server.
func (d *doctor) checkMailboxes(ctx context.Context, p *parts) {
	mailboxes, err := p.gateway.Groups.Mailboxes(ctx)
	if err != nil {
		d.wrong("mailboxes", err.Error())
		return
	}
	if len(mailboxes) == 0 {
		d.note("mailboxes", "there are none yet; make one on the groups page or with: sealgate mailbox save")
	}
	for _, m := range mailboxes {
		problems, err := p.gateway.CheckMailbox(ctx, cli, m.ID)
		if err != nil {
			d.wrong("mailbox", m.Login+": "+err.Error())
		}
		for _, sentence := range problems {
			d.wrong("mailbox", m.Login+": "+sentence)
		}
		if err == nil && len(problems) == 0 {
			d.well("mailbox", m.Login)
			d.checkDANE(p, m)
		}
	}
}
