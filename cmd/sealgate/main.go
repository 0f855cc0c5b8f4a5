// Command sealgate is the whole product in one binary: the server, the demo, and the same use cases as commands.
//
// Arguments and a configuration file enter; calls of package gateway leave. The package wires parts together and
// translates; it decides nothing. Secrets never stand in arguments: they are read from files or standard input.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

// version is set by the linker (-X main.version=…).
var version = "development"

// commands is the command line as people see it.
type commands struct {
	Config  string           `help:"Configuration file (YAML)." short:"c" default:"sealgate.yaml" type:"path" env:"SEALGATE_CONFIG"`
	Version kong.VersionFlag `help:"Print the version and leave."`

	Serve    serveCommand    `cmd:"" help:"Run the gateway: SMTP, IMAP, queue, page and API."`
	Demo     demoCommand     `cmd:"" help:"Try Sealgate with sample groups, customers and mail; leaves nothing behind."`
	Doctor   doctorCommand   `cmd:"" help:"Check configuration, database, keys, upstream servers, TLS and clock, and say what to do."`
	Key      keyCommand      `cmd:"" help:"Certificates and secret keys: import, list, show, export, delete, generate."`
	Discover discoverCommand `cmd:"" help:"Find certificates that nobody imported: ask now, list lookups, let a group approve sources by itself."`
	Health   healthCommand   `cmd:"" help:"Forecast: certificates that end, addresses without one, articles that wait for a key."`
	Group    groupCommand    `cmd:"" help:"Groups, their sender addresses and levels."`
	Mailbox  mailboxCommand  `cmd:"" help:"Mailboxes: what ticket systems log in to, and the servers behind them."`
	User     userCommand     `cmd:"" help:"People who use the page and the API."`
	Article  articleCommand  `cmd:"" help:"Articles: list, show, save, open again."`
	Plan     planCommand     `cmd:"" help:"Say what would happen to a message, and send nothing."`
	Compose  composeCommand  `cmd:"" help:"Send a message as a group, through the same door as the ticket system."`
	Dkim     dkimCommand     `cmd:"" help:"Keys that sign for our domains (DKIM): generate, import, check, activate."`
	Queue    queueCommand    `cmd:"" help:"The delivery queue: list, hold, retry, delete."`
	Activity activityCommand `cmd:"" help:"The activity log: list, export, verify."`
	Sop      sopCommand      `cmd:"" passthrough:"" help:"Stateless OpenPGP: the engine alone, with keys in files."`
}

// session is what every command gets: where it reads and writes, and which configuration it uses.
type session struct {
	ctx    context.Context
	in     io.Reader
	out    io.Writer
	errOut io.Writer
	config string
	args   []string // as they were typed
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run parses args, runs one command and returns the exit code: 0 done, 1 failed, 2 wrong usage; sop has its own.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	var c commands
	exit := -1
	parser, err := kong.New(&c,
		kong.Name("sealgate"),
		kong.Description("A PGP mail gateway for helpdesks: it stands between a ticket system and its mail servers."),
		kong.UsageOnError(), kong.Writers(out, errOut), kong.Vars{"version": versionText()},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Exit(func(code int) { exit = code }),
	)
	if err != nil {
		fmt.Fprintln(errOut, "sealgate:", err)
		return 2
	}
	parsed, err := parser.Parse(args)
	if exit >= 0 { // --help and --version end here
		return exit
	}
	if err != nil {
		fmt.Fprintf(errOut, "sealgate: %s\nTry: %s --help\n", strings.ReplaceAll(err.Error(), `,""`, ""), commandOf(err)) // "" means not given
		return 2
	}
	s := &session{ctx: ctx, in: in, out: out, errOut: errOut, config: c.Config, args: args}
	if err := parsed.Run(s); err != nil {
		var code exitCode
		if errors.As(err, &code) {
			return int(code)
		}
		fmt.Fprintln(errOut, "sealgate:", inWords(err, parsed.Command()))
		return 1
	}
	return 0
}

// versionText is the version, and for one that was built from the sources the commit that they were at.
func versionText() string {
	info, ok := debug.ReadBuildInfo()
	if version != "development" || !ok {
		return version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return version + ", commit " + s.Value[:min(12, len(s.Value))]
		}
	}
	return version
}

// commandOf is the command that was understood before the mistake.
func commandOf(err error) string {
	mistake := new(kong.ParseError)
	if !errors.As(err, &mistake) || mistake.Context == nil {
		return "sealgate"
	}
	words := []string{"sealgate"}
	for _, step := range mistake.Context.Path {
		if step.Command != nil {
			words = append(words, step.Command.Name)
		}
	}
	return strings.Join(words, " ")
}
