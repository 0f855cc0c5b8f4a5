package smarthost

import (
	"errors"
	"fmt"
	"strings"

	"github.com/emersion/go-smtp"
)

func answerOf(err error) (*smtp.SMTPError, bool) {
	var answer *smtp.SMTPError
	ok := errors.As(err, &answer)
	return answer, ok
}

func isAnswer(err error) bool {
	_, ok := answerOf(err)
	return ok
}

// classify turns an error at one step into a result: 5xx failed, everything else can be tried again. What went wrong
// before the transaction is our configuration, never the message.
func classify(step string, err error) Result {
	var p *problem
	if errors.As(err, &p) {
		return Result{Outcome: Deferred, Code: p.code, Reply: p.sentence}
	}
	answer, ok := answerOf(err)
	if !ok {
		return Result{Outcome: Deferred, Code: lost, Reply: "the connection to the mail server was lost at " + step}
	}
	r := Result{Outcome: Deferred, Code: enhancedCode(answer), Reply: said(answer)}
	if answer.Code/100 == 5 {
		r.Outcome = Failed
	}
	return r
}

// enhancedCode is the server's, or the class of its reply (RFC 3463).
func enhancedCode(answer *smtp.SMTPError) string {
	e := answer.EnhancedCode
	switch {
	case e[0] == answer.Code/100 && e[1] >= 0 && e[1] < 1000 && e[2] >= 0 && e[2] < 1000:
		return fmt.Sprintf("%d.%d.%d", e[0], e[1], e[2])
	case answer.Code/100 == 2 || answer.Code/100 == 5:
		return fmt.Sprintf("%d.0.0", answer.Code/100)
	}
	return "4.0.0"
}

func said(answer *smtp.SMTPError) string {
	return words(fmt.Sprintf("%d %s", answer.Code, answer.Message))
}

// maxWords bounds what of a server's words is kept, in bytes.
const maxWords = 400

// words makes a server's words safe for logs, pages and notifications: one line of printable ASCII.
func words(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, strings.Join(strings.Fields(s), " "))
	if len(s) > maxWords {
		return s[:maxWords-3] + "..."
	}
	return s
}
