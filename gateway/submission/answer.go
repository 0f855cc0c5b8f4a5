package submission

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/emersion/go-smtp"
)

// answer turns an error into what the client is told: a refusal as it is, the library's own errors as they are, and
// otherwise words that give nothing away. The cause goes to the log.
func (s *session) answer(doing string, err error, otherwise *smtp.SMTPError) error {
	var own *smtp.SMTPError
	if errors.As(err, &own) {
		return own
	}
	var refusal *Refusal
	if errors.As(err, &refusal) && refusal.sayable() {
		s.log.Info("refused", refusal.attributes(doing)...)
		return &smtp.SMTPError{Code: refusal.Code, EnhancedCode: smtp.EnhancedCode(refusal.Enhanced), Message: printable(refusal.Sentence)}
	}
	level := slog.LevelError
	if clientLeft(err) {
		level = slog.LevelInfo
	}
	s.log.Log(s.ctx, level, "failed", "doing", doing, "error", err)
	return otherwise
}

// attributes are what the log says about a refusal. Its sentence names recipients, and is in the answer only.
func (r *Refusal) attributes(doing string) []any {
	e := r.Enhanced
	all := []any{"doing", doing, "code", r.Code, "enhanced", fmt.Sprintf("%d.%d.%d", e[0], e[1], e[2])}
	if r.Cause != nil {
		all = append(all, "cause", r.Cause)
	}
	return all
}

// clientLeft tells whether a message ended early by the client's doing, which is no trouble of ours.
func clientLeft(err error) bool {
	return errors.Is(err, errHungUp) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, smtp.ErrDataReset) || errors.Is(err, os.ErrDeadlineExceeded)
}

// sayable tells whether a refusal really refuses: 4xx or 5xx, and an enhanced code of the same class (RFC 3463).
func (r *Refusal) sayable() bool {
	class := r.Code / 100
	return (class == 4 || class == 5) && r.Enhanced[0] == class
}

// trouble is the answer to a problem of ours: the session's id leads to the cause in the log.
func (s *session) trouble(code, class, subject, detail int) *smtp.SMTPError {
	return &smtp.SMTPError{
		Code: code, EnhancedCode: smtp.EnhancedCode{class, subject, detail},
		Message: "the mail gateway has a problem; nothing was lost, try again later (its log names session " + s.id + ")",
	}
}

// unavailable is said when there is not even a session.
var unavailable error = &smtp.SMTPError{
	Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "the mail gateway has a problem; try again later",
}

// guard turns a panic into an answer. What a panic says may quote a message, so the log gets only its kind and place.
func (s *session) guard(doing string, err *error) {
	p := recover()
	if p == nil {
		return
	}
	kind := fmt.Sprintf("%T", p)
	if known, ok := p.(runtime.Error); ok {
		kind = known.Error()
	}
	s.log.Error("panic", "doing", doing, "kind", kind, "stack", string(debug.Stack()))
	*err = s.trouble(451, 4, 3, 0)
}

// maxSentence keeps a reply on one line (RFC 5321, section 4.5.3.1.5 allows 512 bytes).
const maxSentence = 400

// printable is one line of printable ASCII.
func printable(sentence string) string {
	sentence = strings.Map(func(r rune) rune {
		switch {
		case r == '\r' || r == '\n' || r == '\t':
			return ' '
		case r < ' ' || r > '~':
			return '?'
		}
		return r
	}, sentence)
	if len(sentence) > maxSentence {
		return sentence[:maxSentence-3] + "..."
	}
	return sentence
}
