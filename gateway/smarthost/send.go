package smarthost

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/emersion/go-smtp"
	"github.com/sealgate/sealgate/gateway/pgpmime"
)

// unsendable says why a message cannot be sent at all, "" when it can.
func unsendable(o pgpmime.Outgoing) string {
	switch {
	case o.Protection() == "" || len(o.Bytes()) == 0:
		return "the message did not pass the protect step"
	case bareLineEnds(o.Bytes()):
		return "the message holds a bare CR or LF"
	}
	return ""
}

// bareLineEnds finds a CR or LF that stands alone: the library would pass a bare CR on, and two servers could then
// disagree where the message ends.
func bareLineEnds(b []byte) bool {
	for i, c := range b {
		if c == '\n' && (i == 0 || b[i-1] != '\r') || c == '\r' && (i+1 == len(b) || b[i+1] != '\n') {
			return true
		}
	}
	return false
}

// send makes one transaction. Recipients that the hop turns away get their own result; the others go on.
func (c *connection) send(e Envelope, message []byte) []Result {
	if r, ok := c.unfit(e, message); ok {
		return all(e, r)
	}
	options := &smtp.MailOptions{Size: int64(len(message)), UTF8: e.SMTPUTF8, EnvelopeID: e.EnvID, Return: smtp.DSNReturn(e.Ret)}
	if err := c.client.Mail(e.ReversePath, options); err != nil {
		return all(e, classify("MAIL", err))
	}
	results, accepted := c.recipients(e)
	if accepted == 0 {
		return results
	}
	final := c.data(message)
	for i := range results {
		if results[i].Outcome == "" {
			results[i].Outcome, results[i].Code, results[i].Reply = final.Outcome, final.Code, final.Reply
		}
	}
	if final.Outcome == Relayed {
		c.client.Quit() //nolint:errcheck // the message is the hop's already
	}
	return results
}

// unfit compares the message with what the hop said it can take, before anything is sent.
func (c *connection) unfit(e Envelope, message []byte) (Result, bool) {
	if limit, ok := c.client.MaxMessageSize(); ok && limit > 0 && len(message) > limit {
		return Result{Outcome: Failed, Code: "5.3.4", Reply: fmt.Sprintf("the message has %d bytes, the mail server takes at most %d", len(message), limit)}, true
	}
	if ok, _ := c.client.Extension("SMTPUTF8"); e.SMTPUTF8 && !ok {
		return Result{Outcome: Failed, Code: "5.6.7", Reply: "an address needs SMTPUTF8, which the mail server does not offer"}, true
	}
	if ok, _ := c.client.Extension("8BITMIME"); !ok && bytes.ContainsFunc(message, func(r rune) bool { return r >= 0x80 }) {
		return Result{Outcome: Failed, Code: "5.6.3", Reply: "the message holds 8-bit characters, and the mail server does not take them"}, true
	}
	return Result{}, false
}

// recipients says RCPT for each and returns a result for those turned away; the others' Outcome is still "".
func (c *connection) recipients(e Envelope) (results []Result, accepted int) {
	for i, to := range e.Recipients {
		err := c.client.Rcpt(to.Address, rcptOptions(to))
		r := Result{}
		if err != nil {
			r = classify("RCPT", err)
		} else {
			accepted++
		}
		r.Address = to.Address
		results = append(results, r)
		if err != nil && !isAnswer(err) { // the connection is gone: it is for all the others too
			for _, rest := range e.Recipients[i+1:] {
				r.Address = rest.Address
				results = append(results, r)
			}
			for j := range results[:i] {
				if results[j].Outcome == "" {
					results[j].Outcome, results[j].Code, results[j].Reply = r.Outcome, r.Code, r.Reply
				}
			}
			return results, 0
		}
	}
	return results, accepted
}

func rcptOptions(r Recipient) *smtp.RcptOptions {
	o := &smtp.RcptOptions{}
	for _, n := range strings.Split(r.Notify, ",") {
		if n != "" {
			o.Notify = append(o.Notify, smtp.DSNNotify(strings.ToUpper(n)))
		}
	}
	if kind, address, ok := strings.Cut(r.ORcpt, ";"); ok {
		o.OriginalRecipientType, o.OriginalRecipient = smtp.DSNAddressType(strings.ToUpper(kind)), address
	}
	return o
}

// data sends the message. Once the final dot may have left and no answer came, nobody knows whether the hop has it.
func (c *connection) data(message []byte) Result {
	w, err := c.client.Data()
	if err != nil {
		return classify("DATA", err)
	}
	if _, err := w.Write(message); err != nil {
		return classify("sending the message", err) // no final dot: the hop cannot have taken it
	}
	answer, err := w.CloseWithResponse()
	switch {
	case err == nil:
		return Result{Outcome: Relayed, Code: "2.0.0", Reply: oneLine(answer.StatusText)}
	case isAnswer(err):
		return classify("the message", err)
	}
	return Result{Outcome: Uncertain, Code: "4.4.2", Reply: "the connection was lost before the mail server answered; it may have the message already"}
}

func isAnswer(err error) bool {
	var answer *smtp.SMTPError
	return errors.As(err, &answer)
}

// classify turns an error at one step into a result: 5xx failed, everything else can be tried again. What went wrong
// before the transaction is our configuration, never the message.
func classify(step string, err error) Result {
	var p *problem
	if errors.As(err, &p) {
		return Result{Outcome: Deferred, Code: "4.4.1", Reply: p.sentence}
	}
	var answer *smtp.SMTPError
	if !errors.As(err, &answer) {
		return Result{Outcome: Deferred, Code: "4.4.2", Reply: "the connection to the mail server was lost at " + step}
	}
	r := Result{Outcome: Deferred, Code: enhancedCode(answer), Reply: oneLine(fmt.Sprintf("%d %s", answer.Code, answer.Message))}
	if answer.Code >= 500 {
		r.Outcome = Failed
	}
	return r
}

// enhancedCode is the server's, or the class of its reply (RFC 3463).
func enhancedCode(answer *smtp.SMTPError) string {
	e := answer.EnhancedCode
	if e[0] < 2 || e[0] != answer.Code/100 {
		return fmt.Sprintf("%d.0.0", answer.Code/100)
	}
	return fmt.Sprintf("%d.%d.%d", e[0], e[1], e[2])
}
