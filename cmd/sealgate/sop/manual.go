package sop

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// overview is what --help says.
func overview() string {
	var b strings.Builder
	b.WriteString(`Usage: sealgate sop SUBCOMMAND [options] [arguments]

Stateless OpenPGP: keys are files that you name, nothing is remembered. It is the engine that protects the mail, without
the mail around it. What a subcommand reads comes on standard input, what it makes leaves on standard output, armored.

`)
	w := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
	for _, c := range commands() {
		fmt.Fprintf(w, "  %s\t%s\n", c.name, c.summary)
	}
	w.Flush() //nolint:errcheck // a strings.Builder takes everything
	b.WriteString(`
A first walk:
  sealgate sop generate-key "Alice <alice@example.org>" > alice.key
  sealgate sop extract-cert < alice.key > alice.cert
  echo Hello | sealgate sop encrypt --sign-with=alice.key alice.cert > hello.asc
  sealgate sop decrypt --verify-with=alice.cert --verifications-out=hello.verified alice.key < hello.asc

Where a file is named, @ENV:NAME means the environment variable NAME and @FD:3 the open file descriptor 3. A file that
is to be written must not exist. Passwords are read from such places too, never from the arguments.
Exit codes are those of draft-dkg-openpgp-stateless-cli. More: sealgate sop SUBCOMMAND --help
`)
	return b.String()
}

// usage is one line.
func (c command) usage() string {
	parts := []string{"sealgate sop", c.name}
	for _, o := range c.options {
		dots := ""
		if o.many {
			dots = "…"
		}
		parts = append(parts, "["+o.form()+"]"+dots)
	}
	if c.arguments != "" {
		parts = append(parts, "[--]", c.arguments)
	}
	if c.stdin != "" {
		parts = append(parts, "< "+c.stdin)
	}
	if c.stdout != "" {
		parts = append(parts, "> "+c.stdout)
	}
	return strings.Join(parts, " ")
}

func (o option) form() string {
	if o.value == "" {
		return o.name
	}
	return o.name + "=" + o.value
}

// manual is what SUBCOMMAND --help says.
func (c command) manual() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage: %s\n\n%s\n\n", c.usage(), c.summary)
	w := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
	for _, o := range c.options {
		fmt.Fprintf(w, "  %s\t%s\n", o.form(), o.help)
	}
	fmt.Fprintf(w, "  --debug\tAccepted, and without effect.\n")
	w.Flush() //nolint:errcheck // a strings.Builder takes everything
	return b.String()
}
