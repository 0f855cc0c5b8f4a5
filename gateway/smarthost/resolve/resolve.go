// Package resolve asks the DNS what the delivery of mail needs to know: mail exchangers, addresses, TXT and TLSA records.
//
// A name enters; records leave, with a word on whether they are authenticated (DNSSEC). It validates nothing itself: it
// believes the AD bit of the configured resolvers, and only where Client.Validating says that these validate and that
// nobody can change what they say on the way. Without that no answer is ever authenticated.
//
// No records and no such name are answers. Everything else that is not an answer (a timeout, SERVFAIL, nonsense) is an
// error that may pass. It keeps no cache: the resolver has one.
package resolve

import (
	"errors"
	"fmt"
	"net/netip"
)

// ErrNoName is for names that do not exist at all (NXDOMAIN). A name without records of a type has an empty Reply.
var ErrNoName = errors.New("no such name in the DNS")

// Reply is what the DNS says about one name and type.
type Reply[T any] struct {
	Records       []T
	Name          string // the name that has the records, behind all aliases; without the last dot, in lower case
	Authenticated bool   // by DNSSEC, every alias on the way included; holds for empty replies too
}

// MX is a mail exchanger. A Host of "" is the null MX (RFC 7505).
type MX struct {
	Preference uint16
	Host       string // without the last dot, in lower case
}

// TLSA is a certificate association (RFC 6698).
type TLSA struct {
	Usage, Selector, Matching uint8
	Data                      []byte
}

// Address is an address record's.
type Address = netip.Addr

// Error tells that there was no answer. It may pass.
type Error struct {
	Name, Type string
	Reason     string
	Err        error
}

// Error says it in one sentence.
func (e *Error) Error() string {
	return fmt.Sprintf("the DNS gave no answer about %s %s: %s", e.Type, e.Name, e.Reason)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
