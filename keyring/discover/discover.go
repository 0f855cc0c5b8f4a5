// Package discover finds certificates that nobody imported: in the web key directory of a domain (WKD), on a keyserver
// (VKS or HKP), in Autocrypt fields and attached to mail.
//
// Addresses, fingerprints and messages enter; findings leave, each with its source and with only the user ID that was
// asked for. A finding is never used by this package and never becomes trusted here: the caller merges it into the
// keyring as a proposal. Requests go out in the background only, to public addresses only, over TLS with a valid
// certificate, bounded in time, size and number; what is not there is remembered and not asked again for a day.
//
// The package stands below keyring in the folder tree and above it in the house: it reads certificates with
// keyring.Parse and names sources with keyring.Source. That is the one place where a child imports its parent.
package discover

import (
	"errors"

	"github.com/sealgate/sealgate/keyring"
)

// Errors that callers branch on.
var (
	ErrAbsent    = errors.New("there is no certificate")
	ErrForbidden = errors.New("the address of this server is not public, so it is not asked")
	ErrLater     = errors.New("this server is not asked now")
	ErrUnusable  = errors.New("what came holds no certificate that can be taken")

	errNoName = errors.New("this name does not exist")
)

// Finding is one certificate with where it comes from. Item holds public material only.
type Finding struct {
	Source  keyring.Source
	Address string // that the certificate is for; "" when it was asked for by fingerprint
	From    string // the URL, or what part of a message, in words
	Item    *keyring.Item

	// Stale tells that mail of more than 35 days ago showed it (Autocrypt level 1, section 2.3): it may be out of use.
	Stale bool
}

// Answer says what became of one question.
type Answer string

// The answers.
const (
	Found   Answer = "found"
	Absent  Answer = "absent"  // the server says that it has none
	Failed  Answer = "failed"  // no answer, or one that cannot be taken
	Refused Answer = "refused" // we do not ask this server
	Later   Answer = "later"   // asked too often or out of order; the question waits
)

// Ask is one question that was put to a server, for the report.
type Ask struct {
	Source keyring.Source
	URL    string
	Answer Answer
	Why    string // in words; "" for found
}

// Report is everything that was asked for one address or fingerprint, in order, and what was found.
type Report struct {
	Asks     []Ask
	Findings []Finding
}

// add writes down one question and its outcome.
func (r *Report) add(source keyring.Source, url string, found []Finding, err error) {
	ask := Ask{Source: source, URL: url, Answer: answerOf(err)}
	if err != nil {
		ask.Why = err.Error()
	}
	r.Asks = append(r.Asks, ask)
	r.Findings = append(r.Findings, found...)
}

func answerOf(err error) Answer {
	switch {
	case err == nil:
		return Found
	case errors.Is(err, ErrAbsent), errors.Is(err, errNoName):
		return Absent
	case errors.Is(err, ErrForbidden):
		return Refused
	case errors.Is(err, ErrLater):
		return Later
	}
	return Failed
}

// Postponed tells whether nothing was learned because a server is not asked now: the same question is worth asking later.
func (r Report) Postponed() bool {
	for _, a := range r.Asks {
		if a.Answer == Found {
			return false
		}
	}
	for _, a := range r.Asks {
		if a.Answer == Later || a.Answer == Failed {
			return true
		}
	}
	return false
}
