// Package groups holds who writes as whom, and what must be protected: groups with their sender addresses and levels,
// the mailboxes that ticket systems log in to, people with their roles, and Decide, the pure function that turns a
// group's policy and the facts about one message into a decision.
//
// Names, addresses and levels enter and leave; secrets (upstream passwords) are sealed, logins are Argon2id hashes.
// The package never looks at mail or keys: who has a usable certificate is told to Decide as a value.
package groups

import (
	"context"
	"errors"
	"time"

	"github.com/sealgate/sealgate/keyring/kms"
	"gorm.io/gorm"
)

// Errors that callers branch on. Invalid values are *Invalid.
var (
	ErrNotFound = errors.New("not found")
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

// DomainRule raises levels for one recipient domain.
type DomainRule struct {
	Domain  string
	Sign    Level
	Encrypt Level
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
	SubjectTags bool // agents may write [encrypt] [noencrypt] [sign] [nosign] into the subject
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
	Login     string
	IMAP      Upstream // empty Address: no inbound mail through this mailbox
	SMTP      Upstream // empty Address: no outbound mail
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Credentials are a mailbox's upstream passwords.
type Credentials struct {
	IMAPPassword string
	SMTPPassword string
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
	Name      string
	Role      Role
	Disabled  bool
	Groups    []string // ids
	CreatedAt time.Time
}

// Store keeps all of it in one database. It is safe for concurrent use.
type Store struct{}

// NewStore returns the store in db whose credentials k seals.
func NewStore(db *gorm.DB, k *kms.Keeper) *Store { panic("skeleton") }

// SaveGroup creates (ID empty) or replaces a group and returns it as stored. Bad values are *Invalid.
func (s *Store) SaveGroup(ctx context.Context, tx *gorm.DB, g Group, at time.Time) (Group, error) {
	panic("skeleton")
}

// DeleteGroup removes a group; it is *Invalid while mailboxes use it.
func (s *Store) DeleteGroup(ctx context.Context, tx *gorm.DB, id string) error { panic("skeleton") }

// Group returns one group.
func (s *Store) Group(ctx context.Context, id string) (Group, error) { panic("skeleton") }

// GroupByName returns one group by its name.
func (s *Store) GroupByName(ctx context.Context, name string) (Group, error) { panic("skeleton") }

// Groups returns all groups by name, with addresses and rules, in a fixed number of queries.
func (s *Store) Groups(ctx context.Context) ([]Group, error) { panic("skeleton") }

// GroupBySender returns the group that owns a sender address.
func (s *Store) GroupBySender(ctx context.Context, address string) (Group, error) { panic("skeleton") }

// SaveMailbox creates or replaces a mailbox. password is the ticket system's for this gateway, credentials are the
// upstream's; nil keeps what is stored.
func (s *Store) SaveMailbox(ctx context.Context, tx *gorm.DB, m Mailbox, password *string, c *Credentials, at time.Time) (Mailbox, error) {
	panic("skeleton")
}

// DeleteMailbox removes a mailbox and shreds its credentials.
func (s *Store) DeleteMailbox(ctx context.Context, tx *gorm.DB, id string) error { panic("skeleton") }

// Mailbox returns one mailbox.
func (s *Store) Mailbox(ctx context.Context, id string) (Mailbox, error) { panic("skeleton") }

// MailboxByLogin returns one mailbox by its login.
func (s *Store) MailboxByLogin(ctx context.Context, login string) (Mailbox, error) { panic("skeleton") }

// Mailboxes returns all mailboxes by login.
func (s *Store) Mailboxes(ctx context.Context) ([]Mailbox, error) { panic("skeleton") }

// Credentials opens the sealed upstream passwords of a mailbox.
func (s *Store) Credentials(ctx context.Context, mailboxID string) (Credentials, error) {
	panic("skeleton")
}

// AuthenticateMailbox checks a ticket system's login: ErrLogin for unknown logins and wrong passwords alike, in the
// same time.
func (s *Store) AuthenticateMailbox(ctx context.Context, login, password string) (Mailbox, error) {
	panic("skeleton")
}

// SaveUser creates or replaces a person; a nil password keeps the stored one. The last enabled admin cannot be
// disabled or demoted.
func (s *Store) SaveUser(ctx context.Context, tx *gorm.DB, u User, password *string, at time.Time) (User, error) {
	panic("skeleton")
}

// DeleteUser removes a person, but never the last enabled admin.
func (s *Store) DeleteUser(ctx context.Context, tx *gorm.DB, id string) error { panic("skeleton") }

// User returns one person.
func (s *Store) User(ctx context.Context, id string) (User, error) { panic("skeleton") }

// UserByName returns one person by name.
func (s *Store) UserByName(ctx context.Context, name string) (User, error) { panic("skeleton") }

// Users returns everybody by name.
func (s *Store) Users(ctx context.Context) ([]User, error) { panic("skeleton") }

// AuthenticateUser checks a person's password: ErrLogin, like AuthenticateMailbox.
func (s *Store) AuthenticateUser(ctx context.Context, name, password string) (User, error) {
	panic("skeleton")
}

// NewToken makes an API token for a person and returns it; only its hash is kept.
func (s *Store) NewToken(ctx context.Context, tx *gorm.DB, userID, label string, at time.Time) (string, error) {
	panic("skeleton")
}

// UserByToken returns the enabled person that an API token belongs to, or ErrLogin.
func (s *Store) UserByToken(ctx context.Context, token string) (User, error) { panic("skeleton") }
