package submission

import (
	"context"
	"errors"
	"io"
	"strings"
	"syscall"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// session is one SMTP dialogue. The library calls its methods one after another.
type session struct {
	ctx      context.Context
	server   *Server
	conn     *smtp.Conn
	identity Identity // the zero Identity before AUTH
	envelope Envelope
}

// AuthMechanisms implements smtp.AuthSession. The library offers them under TLS only, or in mode plain.
func (s *session) AuthMechanisms() []string { return []string{sasl.Plain, sasl.Login} }

// Auth implements smtp.AuthSession.
func (s *session) Auth(mechanism string) (sasl.Server, error) {
	switch mechanism {
	case sasl.Plain:
		return sasl.NewPlainServer(func(_, login, password string) error { return s.logIn(login, password) }), nil
	case sasl.Login:
		return &loginServer{logIn: s.logIn}, nil
	}
	return nil, smtp.ErrAuthUnknownMechanism
}

func (s *session) logIn(login, password string) error {
	id, err := s.server.Backend.Authenticate(s.ctx, login, password, s.remote())
	if err != nil {
		return s.answer("authenticate", err, &smtp.SMTPError{
			Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "login or password is wrong",
		})
	}
	s.identity = id
	return nil
}

func (s *session) remote() string { return s.conn.Conn().RemoteAddr().String() }

// Mail implements smtp.Session.
func (s *session) Mail(from string, options *smtp.MailOptions) error {
	if s.identity == (Identity{}) {
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "log in first"}
	}
	from = quoteLocalPart(from)
	if err := s.server.Backend.MaySend(s.ctx, s.identity, from); err != nil {
		return s.answer("check sender", err, tryLater)
	}
	s.envelope = Envelope{ReversePath: from, SMTPUTF8: options.UTF8, EnvID: options.EnvelopeID, Ret: string(options.Return)}
	return nil
}

// Rcpt implements smtp.Session.
func (s *session) Rcpt(to string, options *smtp.RcptOptions) error {
	path := ForwardPath{Address: quoteLocalPart(to)}
	var notify []string
	for _, n := range options.Notify {
		notify = append(notify, string(n))
	}
	path.Notify = strings.Join(notify, ",")
	if options.OriginalRecipient != "" {
		path.ORcpt = string(options.OriginalRecipientType) + ";" + options.OriginalRecipient
	}
	s.envelope.ForwardPaths = append(s.envelope.ForwardPaths, path)
	return nil
}

// Data implements smtp.Session: receive into the spool, check line ends, then submit. The reply's text names the
// article, which is why success is an SMTPError here too: the library has no other way to say it.
func (s *session) Data(r io.Reader) error {
	message, release, err := s.receive(r)
	if err != nil {
		return s.answer("receive", err, tryLater)
	}
	defer release()
	_, isTLS := s.conn.TLSConnectionState()
	receipt, err := s.server.Backend.Submit(s.ctx, Submission{
		Identity: s.identity, Envelope: s.envelope, Message: message,
		Remote: s.remote(), Hello: s.conn.Hostname(), TLS: isTLS,
	})
	if err != nil {
		return s.answer("submit", err, tryLater)
	}
	return &smtp.SMTPError{Code: 250, EnhancedCode: smtp.EnhancedCode{2, 0, 0}, Message: "accepted as " + receipt.ArticleID}
}

// budgetPatience is how long a received message waits for memory.
const budgetPatience = 30 * time.Second

// receive reads the message into a spool file and, when the memory budget allows, into memory. release gives the
// budget back.
func (s *session) receive(r io.Reader) (message []byte, release func(), err error) {
	file, err := s.server.Spool.Create()
	if err != nil {
		return nil, nil, noSpace(err)
	}
	defer file.Remove()
	spooled := &lineChecker{dst: file}
	if _, err := io.Copy(spooled, r); err != nil {
		if spooled.failed != nil {
			return nil, nil, noSpace(spooled.failed)
		}
		return nil, nil, err
	}
	if spooled.finish() {
		return nil, nil, badLineEnds
	}
	budget := s.server.budget.Load()
	ctx, cancel := context.WithTimeout(s.ctx, budgetPatience)
	defer cancel()
	if err := budget.Acquire(ctx, file.Size()); err != nil {
		return nil, nil, &Refusal{Code: 451, Enhanced: [3]int{4, 3, 2}, Sentence: "too many messages at once; try again in a moment", Cause: err}
	}
	release = func() { budget.Release(file.Size()) }
	opened, err := file.Reader()
	if err == nil {
		defer opened.Close()
		message, err = io.ReadAll(opened)
	}
	if err != nil {
		release()
		return nil, nil, noSpace(err)
	}
	return message, release, nil
}

var badLineEnds = &Refusal{
	Code: 550, Enhanced: [3]int{5, 6, 0},
	Sentence: "the message holds a bare CR, a bare LF or a NUL; every line must end in CRLF, or a signature would break on the way",
}

// noSpace says what a full disk means to the client; other errors stay as they are.
func noSpace(err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		return &Refusal{Code: 452, Enhanced: [3]int{4, 3, 1}, Sentence: "the disk of the mail gateway is full; nothing was lost, try again later", Cause: err}
	}
	return err
}

// Reset implements smtp.Session.
func (s *session) Reset() { s.envelope = Envelope{} }

// Logout implements smtp.Session.
func (s *session) Logout() error { return nil }

var tryLater = &smtp.SMTPError{
	Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0},
	Message: "the mail gateway has a problem; nothing was lost, try again later",
}

// answer turns an error into what the client is told: a refusal as it is, the library's own errors as they are, and
// otherwise words that give nothing away. The cause goes to the log.
func (s *session) answer(doing string, err error, otherwise *smtp.SMTPError) error {
	var own *smtp.SMTPError
	if errors.As(err, &own) {
		return own
	}
	var refusal *Refusal
	if errors.As(err, &refusal) {
		s.server.Log.Info("refused", "doing", doing, "login", s.identity.Login, "code", refusal.Code, "cause", refusal.Cause)
		return &smtp.SMTPError{Code: refusal.Code, EnhancedCode: smtp.EnhancedCode(refusal.Enhanced), Message: printable(refusal.Sentence)}
	}
	s.server.Log.Error("failed", "doing", doing, "login", s.identity.Login, "remote", s.remote(), "error", err)
	return otherwise
}

// maxSentence keeps a reply on one line (RFC 5321, section 4.5.3.1.5 allows 512 bytes).
const maxSentence = 400

// printable is one line of printable ASCII.
func printable(sentence string) string {
	sentence = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, sentence)
	if len(sentence) > maxSentence {
		return sentence[:maxSentence-3] + "..."
	}
	return sentence
}
