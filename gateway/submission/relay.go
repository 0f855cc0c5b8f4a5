package submission

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"net"
	"net/netip"
	"slices"

	"github.com/emersion/go-smtp"
)

// Relay is a listener for mail servers: what they hand over is carried on, not submitted by a login. A neighbour is
// trusted by its address, by its TLS client certificate, or because it reached a unix socket.
type Relay struct {
	Name         string         // tells doors apart; in Peer.Door
	Mode         Mode           // Plain on loopback addresses and unix sockets only
	LMTP         bool           // speak LMTP (RFC 2033): one reply for each recipient
	Networks     []netip.Prefix // trusted addresses
	Certificates []string       // SHA-256 of the public keys (SPKI) of trusted clients, lower-case hex
}

// Peer is the neighbour that hands a message over.
type Peer struct {
	Door   string // Name of the Relay that it came through
	Remote string // its address, without port; "" at a unix socket
	Hello  string // what it calls itself, printable ASCII
	TLS    bool
	LMTP   bool
	Client Client // whom it has the message from, if it said so
}

// Passage carries one message. Its methods are called one after another; Close ends it, whatever happened.
type Passage interface {
	// Recipient is asked for every RCPT; an error, best a *Refusal, is that recipient's answer.
	Recipient(ctx context.Context, to ForwardPath) error
	// Message takes the message for all accepted recipients: one error for all of them, or one for each, in their order.
	// nil means that somebody else has it durably; "" in words means that we say so in our own words.
	Message(ctx context.Context, message []byte) (words string, errs []error)
	Close()
}

// relaying is a session's part of a relay.
type relaying struct {
	relay      Relay
	trusted    bool
	passage    Passage
	recipients []string // as the library names them, accepted ones only
}

// trusts tells whether a neighbour may hand mail over.
func (r *Relay) trusts(conn net.Conn) bool {
	if secured, ok := conn.(*tls.Conn); ok && slices.ContainsFunc(secured.ConnectionState().PeerCertificates, r.knows) {
		return true
	}
	if _, ok := conn.RemoteAddr().(*net.UnixAddr); ok {
		return true
	}
	from, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	return err == nil && slices.ContainsFunc(r.Networks, func(n netip.Prefix) bool { return n.Contains(from.Addr().Unmap()) })
}

// knows compares a certificate's public key; the handshake has proven that the client holds the secret key.
func (r *Relay) knows(c *x509.Certificate) bool {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return slices.Contains(r.Certificates, hex.EncodeToString(sum[:]))
}

// untrusted is said to strangers at a relay.
func untrusted() error {
	return &smtp.SMTPError{
		Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 1},
		Message: "this door is for known mail servers; add your address or certificate to the relay, or log in at the submission port",
	}
}

// open begins a passage for a neighbour's MAIL.
func (s *session) open(e Envelope) error {
	if !s.relaying.trusted {
		return untrusted()
	}
	_, isTLS := s.conn.TLSConnectionState()
	passage, err := s.server.Backend.Relay(s.ctx, Peer{
		Door: s.relaying.relay.Name, Remote: s.remote, Hello: printable(s.conn.Hostname()), TLS: isTLS, LMTP: s.relaying.relay.LMTP, Client: s.socket.client(),
	}, e)
	if err != nil {
		return s.answer("relay", err, s.trouble(451, 4, 3, 0))
	}
	s.relaying.passage = passage
	return nil
}

// carry asks the passage for one recipient.
func (s *session) carry(named string, to ForwardPath) error {
	if err := s.relaying.passage.Recipient(s.ctx, to); err != nil {
		return s.answer("relay to recipient", err, s.trouble(451, 4, 3, 0))
	}
	s.relaying.recipients = append(s.relaying.recipients, named)
	return nil
}

// handOver gives a received message to the passage and returns what each accepted recipient is told.
func (s *session) handOver(message []byte) []error {
	words, errs := s.relaying.passage.Message(s.ctx, message)
	answers := make([]error, len(s.relaying.recipients))
	for i := range answers {
		err := errs[min(i, len(errs)-1)]
		if err != nil {
			answers[i] = s.answer("relay", err, s.trouble(451, 4, 3, 0))
			continue
		}
		answers[i] = &smtp.SMTPError{Code: 250, EnhancedCode: smtp.EnhancedCode{2, 0, 0}, Message: taken(words)}
	}
	return answers
}

func taken(words string) string {
	if words == "" {
		return "taken"
	}
	return printable(words)
}

// worst is the one answer of SMTP for all recipients: who may get it by another try is not given up, even when others
// get it twice.
func worst(answers []error) error {
	rank := func(err error) int {
		switch err.(*smtp.SMTPError).Code / 100 {
		case 4:
			return 2
		case 5:
			return 1
		}
		return 0
	}
	return slices.MaxFunc(answers, func(a, b error) int { return rank(a) - rank(b) })
}

// leave ends the passage of the message before.
func (s *session) leave() {
	if s.relaying != nil && s.relaying.passage != nil {
		s.relaying.passage.Close()
		s.relaying.passage, s.relaying.recipients = nil, nil
	}
}
