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
	r := classified(step, err)
	r.next = r.Outcome == Deferred
	return r
}

func classified(step string, err error) Result {
	var p *problem
	if errors.As(err, &p) {
		outcome := Deferred
		if p.code[0] == '5' {
			outcome = Failed
		}
		return Result{Outcome: outcome, Code: p.code, Reply: p.sentence}
	}
	answer, ok := answerOf(err)
	if !ok {
		return Result{Outcome: Deferred, Code: lost, Reply: "the connection to the mail server was lost at " + step}
	}
	switch answer.Code / 100 {
	case 5:
		return Result{Outcome: Failed, Code: enhancedCode(answer), Reply: said(answer)}
	case 4:
		return Result{Outcome: Deferred, Code: enhancedCode(answer), Reply: said(answer)}
	}
	return Result{Outcome: Deferred, Code: "4.0.0", Reply: "the mail server answered out of order: " + said(answer)}
}

// enhancedCode is the server's, or the class of its reply where it has none that fits (RFC 3463). A reply of a class that
// SMTP does not expect at this point is no final word.
func enhancedCode(answer *smtp.SMTPError) string {
	class, e := answer.Code/100, answer.EnhancedCode
	switch {
	case class != 2 && class != 4 && class != 5:
		return "4.0.0"
	case e[0] == class && e[1] >= 0 && e[1] < 1000 && e[2] >= 0 && e[2] < 1000:
		return fmt.Sprintf("%d.%d.%d", e[0], e[1], e[2])
	}
	return fmt.Sprintf("%d.0.0", class)
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
