package submission

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"

	"github.com/emersion/go-smtp"
	"github.com/google/uuid"
)

// session is one SMTP dialogue. The library calls its methods one after another, but a Data whose BDAT transfer was
// given up may still be ending beside what comes next.
type session struct {
	ctx      context.Context
	server   *Server
	conn     *smtp.Conn
	socket   *connection
	remote   string // the client's address, without port
	id       string // tells sessions apart in the log
	log      *slog.Logger
	identity Identity  // the zero Identity before AUTH
	relaying *relaying // nil at a submission port
	envelope *Envelope
	overread bool        // the byte behind a chunk is lost
	chunking atomic.Bool // Data is receiving chunks
	givenUp  atomic.Bool // a chunked transfer was
}

func (s *Server) newSession(ctx context.Context, conn *smtp.Conn, relay *Relay) (*session, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return nil, unavailable
	}
	host, _, err := net.SplitHostPort(conn.Conn().RemoteAddr().String())
	if err != nil {
		host = conn.Conn().RemoteAddr().String()
	}
	n := &session{
		ctx: ctx, server: s, conn: conn, socket: socketOf(conn.Conn()), remote: host, id: id.String(),
		log: s.Log.With("session", id.String(), "remote", host),
	}
	if relay != nil {
		n.relaying = &relaying{relay: *relay, trusted: relay.trusts(conn.Conn())}
		if n.relaying.trusted {
			n.socket.welcome()
		}
	}
	return n, nil
}

// socketOf finds our connection below TLS.
func socketOf(conn net.Conn) *connection {
	if secured, ok := conn.(*tls.Conn); ok {
		conn = secured.NetConn()
	}
	return conn.(*connection) // the library has it from our door
}

// Mail implements smtp.Session.
func (s *session) Mail(from string, options *smtp.MailOptions) (err error) {
	defer s.guard("check sender", &err)
	switch {
	case s.relaying == nil && s.identity == (Identity{}):
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "log in first"}
	case s.givenUp.Load():
		// QUIRK: the library may take the result of the transfer that was given up for that of the next.
		return &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 5, 0}, Message: "a transfer was given up; connect again"}
	case s.envelope != nil:
		// RFC 5321, section 4.1.4. QUIRK: the library would keep counting the recipients of the first.
		return &smtp.SMTPError{Code: 503, EnhancedCode: smtp.EnhancedCode{5, 5, 1}, Message: "a message is under way; say RSET first"}
	}
	if _, isTLS := s.conn.TLSConnectionState(); options.RequireTLS && !isTLS {
		// RFC 8689, section 4.2. QUIRK: the library announces it under TLS only, and understands it without.
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 10}, Message: "REQUIRETLS is for connections under TLS; say STARTTLS first"}
	}
	if from != "" {
		if from, err = mailbox(from, options.UTF8); err != nil {
			return badAddress(err, 7)
		}
	}
	envelope := Envelope{ReversePath: from, SMTPUTF8: options.UTF8, RequireTLS: options.RequireTLS, EnvID: options.EnvelopeID, Ret: string(options.Return)}
	if s.relaying != nil {
		if err := s.open(envelope); err != nil {
			return err
		}
	} else if err := s.server.Backend.MaySend(s.ctx, s.identity, from, options.Size); err != nil {
		return s.answer("check sender", err, s.trouble(451, 4, 3, 0))
	}
	s.envelope = &envelope
	return nil
}

// Rcpt implements smtp.Session. The library has checked that MAIL came first, and counts recipients.
func (s *session) Rcpt(to string, options *smtp.RcptOptions) (err error) {
	defer s.guard("check recipient", &err)
	address, err := mailbox(to, s.envelope.SMTPUTF8)
	if err != nil {
		return badAddress(err, 3)
	}
	path := ForwardPath{Address: address}
	var notify []string
	for _, n := range options.Notify {
		notify = append(notify, string(n))
	}
	path.Notify = strings.Join(notify, ",")
	if options.OriginalRecipient != "" {
		// RFC 6533, section 3 writes control characters as \x{7}; decoded, they do not belong into a DSN's header.
		if hasControls(options.OriginalRecipient) {
			return &smtp.SMTPError{Code: 501, EnhancedCode: smtp.EnhancedCode{5, 5, 4}, Message: "ORCPT holds a control character"}
		}
		path.ORcpt = string(options.OriginalRecipientType) + ";" + options.OriginalRecipient
	}
	if s.relaying != nil {
		if err := s.carry(to, path); err != nil {
			return err
		}
	}
	s.envelope.ForwardPaths = append(s.envelope.ForwardPaths, path)
	return nil
}

// badAddress answers with the code for a reverse-path (5.1.7) or a forward-path (5.1.3).
func badAddress(err error, detail int) error {
	if err == errNeedsUTF8 {
		return &smtp.SMTPError{Code: 553, EnhancedCode: smtp.EnhancedCode{5, 6, 7}, Message: err.Error()}
	}
	return &smtp.SMTPError{Code: 501, EnhancedCode: smtp.EnhancedCode{5, 1, detail}, Message: err.Error()}
}

// Reset implements smtp.Session. The library calls it after the reply to a message, too.
func (s *session) Reset() {
	s.leave()
	s.envelope = nil
	s.givenUp.CompareAndSwap(false, s.chunking.Load())
	s.socket.endMessage()
	if s.overread {
		s.socket.Close() //nolint:errcheck // the reply is said
	}
}

// Logout implements smtp.Session.
func (s *session) Logout() error {
	s.leave()
	return nil
}
