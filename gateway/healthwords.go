package gateway

import (
	"fmt"
	"strings"
	"time"

	"github.com/sealgate/sealgate/keyring"
)

// Sentence says what ends when, and what to do.
func (e EndingCertificate) Sentence() string {
	what := "The certificate of " + nameOfCertificate(e.Certificate)
	if e.Own {
		what = "Your own key of " + nameOfCertificate(e.Certificate)
	}
	return what + " " + e.end() + ". " + e.remedy()
}

// end says whether the certificate ends as a whole, or stops being of use with a subkey.
func (e EndingCertificate) end() string {
	verb, past := "expires", "expired"
	if e.Expires.IsZero() || e.Ends.Before(e.Expires) {
		verb, past = "stops being usable with its subkey", "stopped being usable with its subkey"
	}
	if e.Days < 0 {
		verb = past
	}
	return verb + " on " + e.Ends.UTC().Format(time.DateOnly) + ", " + daysInWords(e.Days)
}

func (e EndingCertificate) remedy() string {
	switch {
	case e.Successor != "":
		return "Another certificate is there to take its place; there is nothing to do."
	case e.Own && e.Days < 0:
		return "Mail can neither be signed with it nor be encrypted to it: extend it, and give people the new copy."
	case e.Own:
		return "Extend it in time, so that people have the new copy before."
	}
	return "Ask its owner for a newer copy, and import that."
}

// daysInWords counts whole days from now.
func daysInWords(days int) string {
	switch {
	case days == 0:
		return "within a day"
	case days == 1:
		return "in 1 day"
	case days > 1:
		return fmt.Sprintf("in %d days", days)
	case days == -1:
		return "less than a day ago"
	}
	return fmt.Sprintf("%d days ago", -days-1)
}

// Sentence says what a group cannot do as an address, why, and what to do.
func (k KeylessAddress) Sentence() string {
	return fmt.Sprintf("Group %s can neither sign as %s nor have mail encrypted to it: %s. Generate a key for it, or import one.", k.Group.Name, k.Address, k.Problem)
}

// Sentence says whom nothing can be encrypted to, and what that means for mail.
func (m MissingCertificate) Sentence() string {
	words := fmt.Sprintf("Group %s wrote to %s, and nothing can be encrypted to that address: %s.", m.Group.Name, m.Address, m.Problem)
	if m.Refused {
		return words + " The group's rules let no message to it leave. Ask for a certificate, and import it."
	}
	return words
}

// Sentence says which key is missing, since when, and what to do.
func (k WaitingKey) Sentence() string {
	since := ", since " + k.Since.UTC().Format(time.DateOnly)
	name := "the key " + k.KeyID
	if k.KeyID == anonymous {
		name = "a key that the sender did not name"
	}
	switch k.Closed {
	case 0:
		return counted(k.Articles, "article waits", "articles wait") + " for the certificate with " + name + " to be verified" + since + ". Ask the sender for it, and import it."
	}
	return counted(k.Closed, "article waits", "articles wait") + " for " + name + " to be opened" + since +
		". Import its secret key if it is yours; else ask the sender to encrypt to your own certificate."
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// nameOfCertificate is by what people know a certificate: its addresses, else its first user ID, else its fingerprint.
func nameOfCertificate(c *keyring.Certificate) string {
	if addresses := c.Addresses(); len(addresses) > 0 {
		return strings.Join(addresses, ", ")
	}
	if len(c.UserIDs) > 0 {
		return oneLine(c.UserIDs[0].Text)
	}
	return c.Fingerprint
}
