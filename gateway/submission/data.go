package submission

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/emersion/go-smtp"
	"github.com/sealgate/sealgate/keyring/seal"
)

// Data implements smtp.Session: receive into the spool, check line ends, then submit. The reply's text names the
// article, which is why success is an SMTPError here too: the library has no other way to say it.
func (s *session) Data(r io.Reader) (err error) {
	defer s.guard("submit", &err)
	message, release, err := s.transfer(r)
	if err != nil {
		return err
	}
	defer release()
	if s.relaying != nil {
		return worst(s.handOver(message))
	}
	_, isTLS := s.conn.TLSConnectionState()
	receipt, err := s.server.Backend.Submit(s.ctx, Submission{
		Identity: s.identity, Envelope: *s.envelope, Message: message,
		Remote: s.remote, Hello: printable(s.conn.Hostname()), TLS: isTLS,
	})
	if err != nil {
		return s.answer("submit", err, s.trouble(451, 4, 3, 0))
	}
	s.log.Info("accepted", "article", receipt.ArticleID)
	return &smtp.SMTPError{Code: 250, EnhancedCode: smtp.EnhancedCode{2, 0, 0}, Message: "accepted as " + printable(receipt.ArticleID)}
}

// LMTPData implements smtp.LMTPSession: an answer for each recipient, none before the whole message was received.
func (s *session) LMTPData(r io.Reader, status smtp.StatusCollector) (err error) {
	defer s.guard("relay", &err)
	message, release, err := s.transfer(r)
	if err != nil {
		return err
	}
	defer release()
	for i, answer := range s.handOver(message) {
		status.SetStatus(s.relaying.recipients[i], answer)
	}
	return nil
}

// transfer receives a message; the error is an answer.
func (s *session) transfer(r io.Reader) (message []byte, release func(), err error) {
	_, chunked := r.(*io.PipeReader)
	s.chunking.Store(chunked)
	defer s.chunking.Store(false)
	s.socket.beginMessage()
	message, release, err = s.receive(r)
	if errors.Is(err, smtp.ErrDataReset) {
		s.givenUp.Store(true) // before Reset looks, or Reset sees that we are still here
	}
	if err != nil {
		return nil, nil, s.answer("receive", err, s.trouble(451, 4, 3, 0))
	}
	return message, release, nil
}

// smallMessage is what is received in memory: not more than a spool file has in its buffers before it writes.
const smallMessage = 32 << 10

// receive reads a small message into memory, and a larger one into a spool file and from there into memory. It returns when
// the memory budget allows; release gives the budget back.
func (s *session) receive(r io.Reader) (message []byte, release func(), err error) {
	var start bytes.Buffer
	checked := &lineChecker{dst: &start}
	switch _, err := io.CopyN(checked, r, smallMessage); {
	case errors.Is(err, io.EOF):
		if err := s.whole(checked); err != nil {
			return nil, nil, err
		}
		release, err := s.hold(int64(start.Len()))
		return start.Bytes(), release, err
	case err != nil:
		return nil, nil, err
	}
	file, err := s.server.Spool.Create()
	if err != nil {
		return nil, nil, noSpace(err)
	}
	defer file.Remove() //nolint:errcheck // it has no name and ends with the process
	checked.dst = file
	if _, err := start.WriteTo(file); err != nil {
		return nil, nil, noSpace(err)
	}
	if _, err := io.Copy(checked, r); err != nil {
		return nil, nil, noSpace(err)
	}
	if err := s.whole(checked); err != nil {
		return nil, nil, err
	}
	return s.load(file)
}

// whole tells what is wrong with a message that came to its end.
func (s *session) whole(checked *lineChecker) error {
	if s.chunking.Load() && s.cutShort() {
		return errHungUp
	}
	if checked.finish() {
		return badLineEnds()
	}
	return nil
}

// cutShort tells whether the client ended TLS within a BDAT chunk, which the library takes for the end of the chunk
// (an end without TLS shows in connection.Read). TLS remembers its end, so a read that may not wait tells. A byte that
// a client sent before our reply is lost that way; the connection ends after the reply then.
func (s *session) cutShort() bool {
	secured, ok := s.conn.Conn().(*tls.Conn)
	if !ok {
		return false
	}
	s.socket.endMessage()
	secured.SetReadDeadline(longAgo()) //nolint:errcheck // reading fails then too
	n, err := secured.Read(make([]byte, 1))
	s.overread = n > 0
	return errors.Is(err, io.EOF)
}

// copiesAtWork is how often a message stands in memory while it is prepared, protected and sealed: measured, with what the
// garbage collector has not taken away yet.
const copiesAtWork = 6

// hold waits until there is memory for a message of this size.
func (s *session) hold(size int64) (release func(), err error) {
	ctx, cancel := context.WithTimeout(s.ctx, orDefault(s.server.MemoryWait, defaultMemoryWait))
	defer cancel()
	if release, err = s.server.Memory.Hold(ctx, size, copiesAtWork); err != nil {
		return nil, &Refusal{Code: 451, Enhanced: [3]int{4, 3, 2}, Sentence: "too many messages at once; try again in a moment", Cause: err}
	}
	return release, nil
}

// load reads a spooled message into memory once the budget allows it.
func (s *session) load(file *seal.SpoolFile) (message []byte, release func(), err error) {
	if release, err = s.hold(file.Size()); err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			release()
		}
	}()
	opened, err := file.Reader()
	if err != nil {
		return nil, nil, noSpace(err)
	}
	defer opened.Close() //nolint:errcheck // it was only read
	message = make([]byte, file.Size())
	if _, err = io.ReadFull(opened, message); err != nil {
		return nil, nil, fmt.Errorf("read the spool: %w", err)
	}
	if n, end := opened.Read(make([]byte, 1)); n != 0 || !errors.Is(end, io.EOF) { // integrity holds at a clean end only
		err = fmt.Errorf("read the spool's end: %w", end)
		return nil, nil, err
	}
	return message, release, nil
}

func badLineEnds() *Refusal {
	return &Refusal{
		Code: 550, Enhanced: [3]int{5, 6, 0},
		Sentence: "the message holds a bare CR, a bare LF or a NUL; end every line with CRLF and encode binary data as base64",
	}
}

// noSpace says what a full disk means to the client; other errors stay as they are.
func noSpace(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &Refusal{Code: 452, Enhanced: [3]int{4, 3, 1}, Sentence: "the disk of the mail gateway is full; nothing was lost, try again later", Cause: err}
	}
	return err
}
