// Package groups holds who writes as whom, and what must be protected: groups with their sender addresses and levels,
// the mailboxes that ticket systems log in to, people with their roles, and Decide, the pure function that turns a
// group's policy and the facts about one message into a decision.
//
// Names, addresses and levels enter and leave; secrets (upstream passwords) are sealed, logins are Argon2id hashes.
// The package never looks at mail or keys: who has a usable certificate is told to Decide as a value.
package groups

import (
	"errors"
	"time"
)

// Errors that callers branch on. Invalid values are *Invalid.
var (
	ErrNotFound = errors.New("there is none of this name; list what there is and try again")
	ErrLogin    = errors.New("login or password is wrong")
)

// Invalid is a value that cannot be stored, said in one sentence with the remedy.
type Invalid struct {
	Field    string
	Sentence string
}

func (e *Invalid) Error() string { return e.Sentence }

// Level says how strongly a group wants signing or encryption.
type Level string

// The levels, weakest first.
const (
	Off      Level = "off"      // only if asked
	Auto     Level = "auto"     // when every recipient has a usable certificate
	On       Level = "on"       // refuse if impossible; the agent may switch it off
	Required Level = "required" // refuse if impossible; nobody below admin may switch it off
)

// Mixed says what happens when only some recipients have a usable certificate.
type Mixed string

// The choices for mixed recipients.
const (
	MixedRefuse Mixed = "refuse"
	MixedSplit  Mixed = "split" // those without get a content-free notice
)

// DomainRule is for mail to one recipient domain: it raises levels, and says which form of OpenPGP is read there.
type DomainRule struct {
	Domain  string
	Sign    Level
	Encrypt Level
	Inline  bool // recipients get inline PGP, not PGP/MIME, where the message is plain text and its subject is not hidden
}

// Group is one team that writes as one or several addresses.
type Group struct {
	ID          string
	Name        string
	Addresses   []string // canonical; the first is the default sender
	Sign        Level
	Encrypt     Level
	AutoSign    Level // for automatic mail
	AutoEncrypt Level
	Mixed       Mixed
	SubjectTags bool     // agents may write [encrypt] [noencrypt] [sign] [nosign] into the subject
	HideSubject bool     // encrypted mail leaves with its subject inside only (RFC 9788)
	KeepTicket  bool     // with HideSubject: a ticket number in brackets stays outside
	AttachKey   bool     // the group's certificate is attached to signed or encrypted mail
	Autocrypt   bool     // mail leaves with the group's certificate in an Autocrypt field
	InlineIn    InlineIn // of incoming mail
	Content     ContentRules
	Shadow      bool // mail leaves as it came, and the log tells what would have happened
	Retry       Retry
	Owners      []string // canonical addresses of those who are warned about the group's certificates
	DomainRules []DomainRule
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// TLS says how a connection to a server is protected.
type TLS string

// The choices.
const (
	TLSImplicit TLS = "implicit"
	TLSStart    TLS = "starttls" // required, never opportunistic
	TLSNone     TLS = "none"     // loopback addresses only
	// TLSOpportunistic is for SMTP servers without a login: STARTTLS with anybody, and in clear where that is not to be had.
	TLSOpportunistic TLS = "opportunistic"
)

// Upstream is one mail server behind Sealgate.
type Upstream struct {
	Address  string // host:port
	TLS      TLS
	Username string // "" means no authentication
	CA       string // PEM of an extra certificate authority, or ""
}

// Mailbox is what a ticket system logs in to, over SMTP and IMAP, and the servers behind it.
type Mailbox struct {
	ID        string
	GroupID   string
	Login     string   // in lower case
	IMAP      Upstream // empty Address: no inbound mail through this mailbox
	SMTP      Upstream // the server that mail leaves through
	Out       NextHop  // how mail leaves
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Credentials are a mailbox's upstream passwords.
type Credentials struct {
	IMAPPassword string
	SMTPPassword string
	ClientSecret string `json:",omitempty"` // of OAuth
	Presented    Presented
}

// Presented is what a ticket system logged in with last, where that opens the mail server too.
type Presented struct {
	Server   string `json:",omitempty"` // that took it; it is shown to no other
	Username string `json:",omitempty"`
	Secret   string `json:",omitempty"`
	Bearer   bool   `json:",omitempty"` // the secret is a token
}

// Role is what a person may do.
type Role string

// The roles.
const (
	Agent   Role = "agent"   // reads and writes articles of own groups
	Admin   Role = "admin"   // everything
	Auditor Role = "auditor" // reads the activity log
)

// User is a person who logs in to the page or the API.
type User struct {
	ID        string
	Name      string // the login, in lower case
	Role      Role
	Disabled  bool
	Groups    []string // ids
	CreatedAt time.Time
}
