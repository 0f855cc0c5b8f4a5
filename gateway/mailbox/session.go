package mailbox

import (
	"context"
	"errors"
	"net"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

// session is one client's IMAP session. The library runs its commands one after the other, but IDLE in a goroutine of
// its own that may outlive the command.
type session struct {
	server *Server
	house  *house
	ctx    context.Context // ends with the listener
	conn   *imapserver.Conn
	remote net.Addr
	login  *time.Timer // ends a connection that does not log in

	mu        sync.Mutex
	mailboxID string
	view      *view    // nil while no folder is selected
	saved     []uint32 // SEARCHRES, RFC 5182
}

var (
	_ imapserver.Session          = (*session)(nil)
	_ imapserver.SessionNamespace = (*session)(nil)
)

// truthPoll is how often an idling session asks the database, which other processes change too.
const truthPoll = 2 * time.Second

// loginTime is how long a connection may last without a login: it holds a slot that others need.
const loginTime = 2 * time.Minute

func no(code imap.ResponseCode, text string) error {
	return &imap.Error{Type: imap.StatusResponseTypeNo, Code: code, Text: text}
}

// cannot answers what this server does not do.
func cannot(text string) error { return no(imap.ResponseCodeCannot, text) }

// unavailable answers a failure on our side; the cause is for the log.
func (s *session) unavailable(doing string, err error) error {
	if errors.Is(err, ErrNoFolder) {
		return no(imap.ResponseCodeNonExistent, "There is no such folder")
	}
	if s.ctx.Err() == nil {
		s.server.Log.ErrorContext(s.ctx, "imap command failed", "mailbox", s.mailboxID, "doing", doing, "error", err)
	}
	return no(imap.ResponseCodeUnavailable, "The mailbox cannot be read right now; try again later")
}

// guard turns a panic in one command into its answer, so that one message never costs the connection. It must not
// stand around code that writes a response: the library would keep its lock.
func (s *session) guard(doing string, err *error) {
	if v := recover(); v != nil {
		s.server.Log.ErrorContext(s.ctx, "imap command panicked", "mailbox", s.mailboxID, "doing", doing, "stack", string(debug.Stack()))
		*err = no(imap.ResponseCodeServerBug, "Sealgate failed at this command; the log says why")
	}
}

// Close ends the session.
func (s *session) Close() error {
	s.login.Stop()
	s.house.leave(s)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.view = nil
	return nil
}

// Login opens a mailbox. Failures are slow, and all look the same.
func (s *session) Login(username, password string) (err error) {
	defer s.guard("login", &err)
	if s.server.failures.await(s.ctx, s.remote) != nil {
		return no(imap.ResponseCodeUnavailable, "Too many failed logins from this address; try again later")
	}
	id, err := s.server.Authenticate(s.ctx, username, password)
	if err != nil {
		s.server.failures.failed(s.remote)
		s.server.Log.InfoContext(s.ctx, "imap login refused", "remote", s.remote.String())
		return imapserver.ErrAuthFailed
	}
	s.login.Stop()
	s.server.failures.succeeded(s.remote)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mailboxID = id
	// A client may come before the first sync: INBOX is always there.
	if _, err := s.mirror().ensureFolder(s.ctx, id, inbox, "", ""); err != nil {
		return s.unavailable("login", err)
	}
	return nil
}

func (s *session) mirror() *Mirror { return s.server.Mirror }

// Select opens a folder. SELECT and EXAMINE differ in what the later commands may change.
func (s *session) Select(name string, options *imap.SelectOptions) (data *imap.SelectData, err error) {
	defer s.guard("select", &err)
	s.mu.Lock()
	defer s.mu.Unlock()
	f, err := s.mirror().folder(s.ctx, s.mailboxID, name)
	if err != nil {
		return nil, s.unavailable("select", err)
	}
	v, err := newView(s.ctx, s.mirror(), f, options.ReadOnly)
	if err != nil {
		return nil, s.unavailable("select", err)
	}
	s.view, s.saved = v, nil
	return v.selectData(), nil
}

func (v *view) selectData() *imap.SelectData {
	d := &imap.SelectData{
		NumMessages: uint32(v.told), UIDNext: imap.UID(v.folder.NextUID), UIDValidity: v.folder.UIDValidity,
		Flags: systemFlags(),
	}
	known := flagsOf(d.Flags)
	for i := range v.entries {
		flags := v.entries[i].flags
		known = known.with(flags.without(known))
		if d.FirstUnseenSeqNum == 0 && !flags.has(imap.FlagSeen) {
			d.FirstUnseenSeqNum = uint32(i + 1)
		}
	}
	d.Flags = known.list()
	if !v.readOnly {
		d.PermanentFlags = append(known.list(), imap.FlagWildcard)
	}
	return d
}

// Unselect closes the folder and expunges nothing.
func (s *session) Unselect() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.view, s.saved = nil, nil
	return nil
}

// Poll runs after each command and tells what changed.
func (s *session) Poll(w *imapserver.UpdateWriter, allowExpunge bool) error {
	return s.tellChanges(w, allowExpunge)
}

// tellChanges looks at the database and writes the difference. A database that does not answer now is asked again at
// the next command.
func (s *session) tellChanges(w updates, allowExpunge bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.view == nil {
		return nil
	}
	if err := s.view.look(s.ctx, s.mirror()); err != nil {
		_ = s.unavailable("look for changes", err)
		return nil
	}
	return s.view.tell(w, allowExpunge)
}

// Idle tells what changes until the client says DONE. Woken in this process it does so at once; the database is asked
// every two seconds all the same.
func (s *session) Idle(w *imapserver.UpdateWriter, stop <-chan struct{}) error {
	woken, cancel := s.mirror().wakers.subscribe(s.mailboxID)
	defer cancel()
	poll := time.NewTicker(truthPoll)
	defer poll.Stop()
	for {
		if err := s.tellChanges(w, true); err != nil {
			// The library would wait for DONE in silence.
			_ = s.conn.Bye("The connection broke while idling")
			return err
		}
		select {
		case <-stop:
			return nil
		case <-s.ctx.Done():
			return nil
		case <-woken:
		case <-poll.C:
		}
	}
}

// Namespace is one for all folders, with the delimiter of the upstream server.
func (s *session) Namespace() (*imap.NamespaceData, error) {
	f, err := s.mirror().folder(s.ctx, s.mailboxID, inbox)
	if err != nil {
		return nil, s.unavailable("namespace", err)
	}
	return &imap.NamespaceData{Personal: []imap.NamespaceDescriptor{{Delim: f.delim()}}}, nil
}

func (f folderRow) delim() rune {
	for _, r := range f.Delimiter {
		return r
	}
	return '/'
}

// Subscribe is agreed to: every folder of the mirror counts as subscribed.
func (s *session) Subscribe(name string) error {
	if _, err := s.mirror().folder(s.ctx, s.mailboxID, name); err != nil {
		return s.unavailable("subscribe", err)
	}
	return nil
}

// Unsubscribe is agreed to and changes nothing.
func (s *session) Unsubscribe(string) error { return nil }

// Create is not served.
func (s *session) Create(string, *imap.CreateOptions) error {
	return cannot("Sealgate mirrors the folders of the upstream mailbox; create it there")
}

// Delete is not served.
func (s *session) Delete(string) error {
	return cannot("Sealgate mirrors the folders of the upstream mailbox; delete it there")
}

// Rename is not served.
func (s *session) Rename(string, string, *imap.RenameOptions) error {
	return cannot("Sealgate mirrors the folders of the upstream mailbox; rename it there")
}

// Append is not served.
func (s *session) Append(string, imap.LiteralReader, *imap.AppendOptions) (*imap.AppendData, error) {
	return nil, cannot("Sealgate takes no messages over IMAP; send them through its SMTP submission")
}

// Copy is not served.
func (s *session) Copy(imap.NumSet, string) (*imap.CopyData, error) {
	return nil, cannot("Sealgate does not copy messages between folders; do it in the upstream mailbox")
}

// selected returns the view under the session's lock, which the caller holds.
func (s *session) selected() (*view, error) {
	if s.view == nil {
		return nil, no(imap.ResponseCodeClientBug, "No folder is selected")
	}
	return s.view, nil
}

func attributesOf(f folderRow) []imap.MailboxAttr {
	attributes := []imap.MailboxAttr{imap.MailboxAttrSubscribed}
	for _, a := range strings.Fields(f.Attributes) {
		attributes = append(attributes, imap.MailboxAttr(a))
	}
	return attributes
}
