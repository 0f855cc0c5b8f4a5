package mailbox

import (
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// Limits of what a client may hang on one message.
const (
	maxFlags      = 100
	maxFlagLength = 64
)

// flagSet is a sorted set of flags, one space between them, in one spelling each: the form in the database.
type flagSet string

// flagsOf keeps what can be stored and sent again: system flags but \Recent (which belongs to an IMAP session), and
// keywords that are atoms.
func flagsOf(flags []imap.Flag) flagSet {
	var kept []string
	for _, f := range flags {
		if name, ok := canonicalFlag(string(f)); ok && !containsFold(kept, name) && len(kept) < maxFlags {
			kept = append(kept, name)
		}
	}
	slices.Sort(kept)
	return flagSet(strings.Join(kept, " "))
}

func flagsOfStrings(flags []string) flagSet {
	converted := make([]imap.Flag, len(flags))
	for i, f := range flags {
		converted[i] = imap.Flag(f)
	}
	return flagsOf(converted)
}

func systemFlags() []imap.Flag {
	return []imap.Flag{imap.FlagAnswered, imap.FlagDeleted, imap.FlagDraft, imap.FlagFlagged, imap.FlagSeen}
}

// canonicalFlag gives a flag its one spelling. RFC 9051, section 2.3.2: flags are case-insensitive.
func canonicalFlag(f string) (string, bool) {
	for _, s := range systemFlags() {
		if strings.EqualFold(f, string(s)) {
			return string(s), true
		}
	}
	if f == "" || len(f) > maxFlagLength {
		return "", false
	}
	for i := range len(f) {
		// RFC 9051, section 9: an atom is printable ASCII without atom-specials.
		if f[i] <= ' ' || f[i] > '~' || strings.IndexByte(`(){%*"\]`, f[i]) >= 0 {
			return "", false
		}
	}
	return f, true
}

func containsFold(list []string, s string) bool {
	return slices.ContainsFunc(list, func(have string) bool { return strings.EqualFold(have, s) })
}

func (s flagSet) strings() []string { return strings.Fields(string(s)) }

func (s flagSet) list() []imap.Flag {
	fields := s.strings()
	flags := make([]imap.Flag, len(fields))
	for i, f := range fields {
		flags[i] = imap.Flag(f)
	}
	return flags
}

func (s flagSet) has(f imap.Flag) bool { return containsFold(s.strings(), string(f)) }

func (s flagSet) with(more flagSet) flagSet { return flagsOf(append(s.list(), more.list()...)) }

func (s flagSet) without(less flagSet) flagSet {
	gone := less.strings()
	return flagsOf(slices.DeleteFunc(s.list(), func(f imap.Flag) bool { return containsFold(gone, string(f)) }))
}

// equal compares as sets: some servers give keywords another spelling.
func (s flagSet) equal(other flagSet) bool {
	return s == other || s.without(other) == "" && other.without(s) == ""
}
