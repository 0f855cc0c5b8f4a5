// Package sop is the Stateless OpenPGP command line (draft-dkg-openpgp-stateless-cli) on top of our engine, so that
// the public interoperability test suite, and anybody with a key file, can drive what encrypts and verifies the mail.
//
// Arguments, files and standard input enter; standard output, files and an exit code of the draft leave. Messages are
// made and read by gateway/pgpmime/pgp with the limits and the policy that mail has; certificates and secret keys are
// parsed, judged and unlocked by package keyring. Nothing is read from or written to Sealgate's own database, and the
// caller's word for a certificate is all the approval there is.
//
// It promises that output appears only when all went well: plaintext before its integrity is proven, or a text before
// its signature is, never leaves. Everything stays in memory until then, 256 MiB of each input at most. It knows no
// messages encrypted with a password (such options end with UNSUPPORTED_OPTION) and no hardware keys.
package sop

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// Program is what one run touches. All fields are needed. It is used once.
type Program struct {
	Version   string
	In        io.Reader
	Out       io.Writer
	Err       io.Writer                        // one sentence for people when the run failed
	LookupEnv func(name string) (string, bool) // for @ENV:
	Now       time.Time
	Random    io.Reader
}

// Run does what the arguments after the program's name say and returns the exit code: 0, one of ExitCode, or 1.
func (p Program) Run(args []string) int {
	err := p.run(args)
	if err == nil {
		return 0
	}
	var f failure
	if !errors.As(err, &f) {
		fmt.Fprintf(p.Err, "sealgate sop: %v\n", err)
		return 1
	}
	fmt.Fprintf(p.Err, "sealgate sop: %s: %s\n", f.code, f.sentence)
	return int(f.code)
}

func (p Program) run(args []string) error {
	if len(args) == 0 {
		fmt.Fprint(p.Err, overview())
		return fail(UnsupportedSubcommand, "name a subcommand")
	}
	if args[0] == "help" || args[0] == "--help" || args[0] == "-h" {
		return p.help(args[1:])
	}
	c, known := find(args[0])
	if !known {
		return fail(UnsupportedSubcommand, "there is no %q: sealgate sop --help lists them", args[0])
	}
	i := &invocation{Program: p, command: c, options: map[string][]string{}}
	if err := i.parse(args[1:]); err != nil {
		return err
	}
	if i.has("--help") {
		_, err := io.WriteString(p.Out, c.manual())
		return err
	}
	return i.perform()
}

func (p Program) help(args []string) error {
	text := overview()
	if len(args) > 0 {
		c, known := find(args[0])
		if !known {
			return fail(UnsupportedSubcommand, "there is no %q: sealgate sop --help lists them", args[0])
		}
		text = c.manual()
	}
	_, err := io.WriteString(p.Out, text)
	return err
}

// perform runs the command, then lets out what it made.
func (i *invocation) perform() error {
	if err := i.checkOutputs(); err != nil {
		return err
	}
	if err := i.command.run(i); err != nil {
		return err
	}
	for _, name := range i.command.outputs() {
		if err := i.writeOutput(name); err != nil {
			return err
		}
	}
	_, err := i.out.WriteTo(i.Out)
	return err
}
