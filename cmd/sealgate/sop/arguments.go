package sop

import (
	"bytes"
	"slices"
	"strings"
)

// option is one option of a subcommand.
type option struct {
	name   string // with its dashes
	value  string // what its value is, as the draft writes it; "" for a switch
	help   string
	many   bool // may be given several times
	output bool // names an output that must not exist yet
}

// command is one subcommand.
type command struct {
	name      string
	summary   string
	arguments string // what comes after the options, in brackets where it may be missing
	stdin     string // what standard input is, or ""
	stdout    string
	least     int // number of arguments
	most      int // -1 for any number
	options   []option
	run       func(*invocation) error
}

func (c command) option(name string) (option, bool) {
	everywhere := []option{{name: "--debug"}, {name: "--help"}} // every subcommand accepts them
	for _, o := range append(everywhere, c.options...) {
		if o.name == name {
			return o, true
		}
	}
	return option{}, false
}

// outputs are the names of the options that name an output.
func (c command) outputs() (names []string) {
	for _, o := range c.options {
		if o.output {
			names = append(names, o.name)
		}
	}
	return names
}

// invocation is one subcommand with its arguments, and what it made so far.
type invocation struct {
	Program
	command   command
	options   map[string][]string
	arguments []string

	out   bytes.Buffer      // for standard output
	files map[string][]byte // for the outputs that options name
}

// parse reads the arguments after the subcommand. Options may stand anywhere before "--"; their value follows "=" or is
// the next argument.
func (i *invocation) parse(args []string) error {
	for n := 0; n < len(args); n++ {
		arg := args[n]
		if arg == "--" {
			i.arguments = append(i.arguments, args[n+1:]...)
			break
		}
		if !strings.HasPrefix(arg, "--") {
			i.arguments = append(i.arguments, arg)
			continue
		}
		name, value, inside := strings.Cut(arg, "=")
		o, known := i.command.option(name)
		switch {
		case !known, inside && o.value == "":
			return fail(UnsupportedOption, "%s knows no option %s", i.command.name, arg)
		case o.value != "" && !inside && n+1 == len(args):
			return fail(MissingArg, "%s needs a value: %s=%s", name, name, o.value)
		case o.value != "" && !inside:
			n++
			value = args[n]
		}
		if i.has(name) && !o.many && o.value != "" {
			return fail(IncompatibleOptions, "%s may stand only once", name)
		}
		i.options[name] = append(i.options[name], value)
	}
	if i.has("--help") {
		return nil
	}
	return i.checkCount()
}

func (i *invocation) checkCount() error {
	switch n := len(i.arguments); {
	case n < i.command.least:
		return fail(MissingArg, "%s needs more arguments: %s", i.command.name, i.command.usage())
	case i.command.most >= 0 && n > i.command.most:
		return fail(UnsupportedOption, "%s takes fewer arguments: %s", i.command.name, i.command.usage())
	}
	return nil
}

func (i *invocation) has(name string) bool { return len(i.options[name]) > 0 }

// value is that of an option, or otherwise where it was not given.
func (i *invocation) value(name, otherwise string) string {
	if i.has(name) {
		return i.options[name][0]
	}
	return otherwise
}

// oneOf is the value of an option that has a few; the first is the default.
func (i *invocation) oneOf(name string, values ...string) (string, error) {
	v := i.value(name, values[0])
	if !slices.Contains(values, v) {
		return "", fail(UnsupportedOption, "%s=%s is not known: choose %s", name, v, strings.Join(values, ", "))
	}
	return v, nil
}
