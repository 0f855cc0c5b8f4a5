package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/keyring"
)

// keyCommand holds the keyring's use cases.
type keyCommand struct {
	Import   keyImport   `cmd:"" help:"Import certificates or secret keys, armored or binary, one or many."`
	Dump     keyDump     `cmd:"" help:"Import a keyring dump of any length, as a stream."`
	List     keyList     `cmd:"" help:"List certificates."`
	Show     keyShow     `cmd:"" help:"Show one certificate."`
	Export   keyExport   `cmd:"" help:"Write a certificate, or its secret key, to a file."`
	Delete   keyDelete   `cmd:"" help:"Delete a certificate with its secret key."`
	Approve  keyApprove  `cmd:"" help:"Accept a certificate for use."`
	Block    keyBlock    `cmd:"" help:"Never use a certificate."`
	Propose  keyPropose  `cmd:"" help:"Let a certificate wait for approval again."`
	Waiting  keyWaiting  `cmd:"" help:"List what waits for approval, with what is in use beside it."`
	Rules    keyRules    `cmd:"" help:"List pins, domain rules, and where +tags are ignored."`
	Pin      keyPin      `cmd:"" help:"Use this certificate for an address, or for a whole domain."`
	Unpin    keyUnpin    `cmd:"" help:"Take a pin or a domain rule back."`
	Tags     keyTags     `cmd:"" help:"Look addresses up without their +tag when they have no certificate of their own."`
	Generate keyGenerate `cmd:"" help:"Make a key for one of our sender addresses."`
	Extend   keyExtend   `cmd:"" help:"Let a key of ours end on another day."`
	Subkey   keySubkey   `cmd:"" help:"Add or retire a subkey of a key of ours."`
	Revoke   keyRevoke   `cmd:"" help:"End a key of ours for good."`

	Upload     keyUpload     `cmd:"" help:"Upload a certificate of ours to a keyserver."`
	Published  keyPublished  `cmd:"" help:"What everybody may read of our certificates, and where."`
	Revocation keyRevocation `cmd:"" help:"Write the revocation of a key of ours that was made in advance."`
}

// maxImport is the largest input that one import takes.
const maxImport = 1 << 20

type keyImport struct {
	File           string `arg:"" help:"File to import, or - for standard input."`
	PassphraseFile string `help:"File whose first line unlocks secret keys."`
}

// Run imports; refused blocks are an error, after everything else was imported.
func (k *keyImport) Run(s *session) error {
	input, err := s.input(k.File, maxImport)
	if err != nil {
		return err
	}
	passphrase, err := s.secret(k.PassphraseFile)
	if err != nil {
		return err
	}
	return s.with(func(p *parts) error {
		report, err := p.gateway.ImportCertificates(s.ctx, cli, gateway.ImportRequest{Input: input, Passphrase: passphrase})
		if err != nil {
			return err
		}
		return s.reportImport(report)
	})
}

func (s *session) reportImport(report gateway.ImportReport) error {
	refused := 0
	for _, c := range report.Changes {
		if c.Outcome == keyring.Refused {
			refused++
		}
		s.reportChange(c)
	}
	if report.Reopened > 0 {
		fmt.Fprintf(s.out, "%d waiting articles were opened and appear as new messages.\n", report.Reopened)
	}
	switch {
	case refused == 0:
		return nil
	case len(report.Changes) == 1:
		return errors.New("it was refused")
	}
	return fmt.Errorf("%d of %d blocks were refused; the others are in the keyring", refused, len(report.Changes))
}

// reportChange says what became of one block, and what to do.
func (s *session) reportChange(c keyring.Change) {
	outcome := string(c.Outcome)
	if len(c.Conflicts) > 0 {
		outcome += ", waits"
	}
	fmt.Fprintln(s.out, strings.TrimRight(fmt.Sprintf("%d %s  %s", c.Index, outcome, strings.Join(append([]string{c.Fingerprint}, c.UserIDs...), "  ")), " "))
	if c.Outcome == keyring.Refused {
		fmt.Fprintf(s.out, "    %s\n", inCommands(c.Sentence))
		return
	}
	if len(c.Conflicts) == 0 {
		for _, d := range c.Details {
			fmt.Fprintf(s.out, "    %s\n", d)
		}
		return
	}
	for _, conflict := range c.Conflicts {
		fmt.Fprintf(s.out, "    in use for %s: %s\n", conflict.Address, conflict.Fingerprint)
	}
	fmt.Fprintf(s.out, "    compare the fingerprints with the owner, then: sealgate key approve %s, or block\n", c.Fingerprint)
}

type keyList struct {
	Query  string `arg:"" optional:"" help:"Part of an address or of a fingerprint."`
	Secret bool   `help:"Only certificates whose secret key we hold."`
	State  string `enum:"approved,proposed,blocked," default:"" help:"Only certificates in this state: approved, proposed or blocked."`
	Limit  int    `default:"100" help:"At most this many."`
	Offset int    `help:"Skip this many."`
}

// Run prints one line a certificate.
func (k *keyList) Run(s *session) error {
	return s.with(func(p *parts) error {
		f := keyring.Filter{Query: k.Query, SecretOnly: k.Secret, State: keyring.State(k.State), Limit: k.Limit, Offset: k.Offset}
		found, total, err := p.gateway.Certificates(s.ctx, cli, f)
		if err != nil {
			return err
		}
		var rows [][]string
		for _, c := range found {
			rows = append(rows, []string{c.Fingerprint, string(c.State), secretWord(c), expiryWord(c.Expires), sourceWord(c), strings.Join(c.Addresses(), ", ")})
		}
		if err := s.table("FINGERPRINT | STATE | KEY | EXPIRES | SOURCE | ADDRESSES", rows); err != nil {
			return err
		}
		fmt.Fprintf(s.out, "%d of %d\n", len(found), total)
		return nil
	})
}

func secretWord(c *keyring.Certificate) string {
	if c.HasSecret {
		return "secret"
	}
	return "public"
}

func expiryWord(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.DateOnly)
}

type keyExport struct {
	Fingerprint    string `arg:"" help:"Fingerprint."`
	Output         string `short:"o" default:"-" help:"File to write, or - for standard output."`
	Binary         bool   `help:"Binary instead of armored."`
	Minimal        bool   `help:"Without what is of no use now: ended subkeys, older self-signatures."`
	Secret         bool   `help:"The secret key, protected by the passphrase in --passphrase-file."`
	PassphraseFile string `help:"File whose first line protects the exported secret key."`
}

// Run writes the export.
func (k *keyExport) Run(s *session) error {
	passphrase, err := s.secret(k.PassphraseFile)
	if err != nil {
		return err
	}
	defer clear(passphrase)
	return s.with(func(p *parts) error {
		fingerprint, err := s.fingerprint(p, k.Fingerprint)
		if err != nil {
			return err
		}
		var f gateway.File
		if k.Secret {
			f, err = p.gateway.ExportSecretKey(s.ctx, cli, fingerprint, passphrase)
		} else {
			f, err = p.gateway.ExportCertificate(s.ctx, cli, fingerprint, gateway.ExportForm{Binary: k.Binary, Minimal: k.Minimal})
		}
		if err != nil {
			return err
		}
		return s.output(k.Output, f.Content)
	})
}

type keyDelete struct {
	Fingerprint string `arg:"" help:"Fingerprint."`
	Yes         bool   `help:"Delete even if something depends on it."`
}

// Run deletes; what depends on the certificate is named and needs --yes.
func (k *keyDelete) Run(s *session) error {
	return s.with(func(p *parts) error {
		fingerprint, err := s.fingerprint(p, k.Fingerprint)
		if err != nil {
			return err
		}
		dependents, err := p.gateway.Dependents(s.ctx, cli, fingerprint)
		if err != nil {
			return err
		}
		if len(dependents) > 0 && !k.Yes {
			return errors.New(strings.Join(dependents, "; ") + "; delete all the same with --yes")
		}
		if err := p.gateway.DeleteCertificate(s.ctx, cli, fingerprint); err != nil {
			return err
		}
		s.said("%s is deleted.", fingerprint)
		return nil
	})
}
