package smarthost

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/sealgate/sealgate/gateway/pgpmime"
)

// unsendable says why a message cannot be sent at all, "" when it can.
func unsendable(e Envelope, o pgpmime.Outgoing) string {
	switch {
	case !signatureFields(e.Signatures):
		return "what goes in front of the message is no DKIM signature"
	case o.Protection() == "" || len(o.Bytes()) == 0:
		return "the message did not pass the protect step"
	case bareLineEnds(o.Bytes()):
		return "the message holds a bare CR or LF"
	}
	return ""
}

// signatureFields tells whether s is nothing but DKIM-Signature fields and our marker against loops.
func signatureFields(s string) bool {
	if s == "" {
		return true
	}
	lines := strings.SplitAfter(s, "\r\n")
	for i, l := range lines[:len(lines)-1] {
		begins := strings.HasPrefix(l, "DKIM-Signature: ") || strings.HasPrefix(l, "Sealgate-Loop: ")
		goesOn := i > 0 && (l[0] == ' ' || l[0] == '\t')
		if !begins && !goesOn || strings.TrimSpace(l) == "" {
			return false
		}
	}
	return lines[len(lines)-1] == "" && ascii(s) && !bareLineEnds([]byte(s))
}

// bareLineEnds finds a CR or LF that stands alone: the library would pass a bare CR on and double that of CR CR LF, and
// two servers could then disagree where the message ends.
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
	if e.Signatures != "" {
		message = append([]byte(e.Signatures), message...)
	}
	results := c.transact(e, message)
	for i := range results {
		results[i].Host, results[i].TLS, results[i].DSN = c.host, c.protection, c.offers("DSN")
		results[i].Limit = c.limit()
	}
	return results
}

func (c *connection) transact(e Envelope, message []byte) []Result {
	if r, ok := c.unfit(e, message); ok {
		return all(e, r)
	}
	if err := c.client.Mail(inASCII(e.ReversePath), c.mailOptions(e, len(message))); err != nil {
		return all(e, classify("MAIL", err))
	}
	results, accepted := c.recipients(e)
	if accepted > 0 {
		settle(results, c.data(message))
	}
	c.quit()
	return results
}

// limit is the largest message that the hop takes, in bytes; 0 when it did not say (RFC 1870, section 4).
func (c *connection) limit() int64 {
	limit, said := c.client.MaxMessageSize()
	if !said {
		return 0
	}
	return int64(limit)
}

// unfit compares the message with what the hop said it can take, before anything is sent.
func (c *connection) unfit(e Envelope, message []byte) (Result, bool) {
	header, _, _ := bytes.Cut(message, []byte("\r\n\r\n"))
	limit := c.limit()
	switch {
	case e.RequireTLS && !(c.guard.proven && c.offers("REQUIRETLS")):
		return c.needsRequireTLS(), true
	case e.ReversePath != "" && !sayable(e.ReversePath):
		return Result{Outcome: Failed, Code: "5.1.7", Reply: "the sender's address cannot be said in SMTP; correct it"}, true
	case limit > 0 && int64(len(message)) > limit:
		return Result{Outcome: Failed, Code: "5.3.4", Reply: fmt.Sprintf("the message has %d bytes, and the mail server takes at most %d; send less at once", len(message), limit)}, true
	case !c.offers("SMTPUTF8") && (!ascii(inASCII(e.ReversePath)) || e.SMTPUTF8 && !ascii(string(header))):
		return needsUTF8(), true
	case !c.offers("8BITMIME") && !ascii(string(message)):
		return Result{Outcome: Failed, Code: "5.6.3", Reply: "the message holds 8-bit characters, which the mail server does not take; encode it as quoted-printable or base64"}, true
	}
	return Result{}, false
}

// needsRequireTLS says which half of RFC 8689, section 4.2.1 is missing. Another server may have it.
func (c *connection) needsRequireTLS() Result {
	r := Result{Outcome: Failed, Code: noRequireTLS, next: true, Reply: "the message demands REQUIRETLS, which the mail server does not offer"}
	if !c.guard.proven {
		r.Reply = "the message demands REQUIRETLS, and the connection to the mail server is " + c.protection + ", without proof of whose it is"
	}
	return r
}

func (c *connection) offers(extension string) bool {
	ok, _ := c.client.Extension(extension)
	return ok
}

func needsUTF8() Result {
	return Result{Outcome: Failed, Code: "5.6.7", Reply: "the address or the header is not ASCII and needs SMTPUTF8, which the mail server does not offer; write it in ASCII"}
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// recipients says RCPT for each and returns a result for those turned away; the others' Outcome is still "".
func (c *connection) recipients(e Envelope) (results []Result, accepted int) {
	results = make([]Result, len(e.Recipients))
	for i, to := range e.Recipients {
		results[i] = Result{Address: to.Address}
	}
	for i, to := range e.Recipients {
		r, err := c.recipient(to)
		r.Address = to.Address
		results[i] = r
		switch {
		case err != nil: // the connection is gone, for those before and behind too
			settle(results, r)
			return results, 0
		case r.Outcome == "":
			accepted++
		}
	}
	return results, accepted
}

// recipient says RCPT. The error is for a connection that is gone.
func (c *connection) recipient(to Recipient) (Result, error) {
	switch {
	case !sayable(to.Address):
		return Result{Outcome: Failed, Code: "5.1.3", Reply: "the address cannot be said in SMTP; correct it"}, nil
	case !ascii(inASCII(to.Address)) && !c.offers("SMTPUTF8"):
		return needsUTF8(), nil
	}
	err := c.client.Rcpt(inASCII(to.Address), rcptOptions(to))
	if err == nil {
		return Result{}, nil
	}
	if isAnswer(err) {
		return classify("RCPT", err), nil
	}
	return classify("RCPT", err), err
}

// settle gives a result to everyone who has none yet.
func settle(results []Result, r Result) {
	for i := range results {
		if results[i].Outcome == "" {
			r.Address = results[i].Address
			results[i] = r
		}
	}
}

// data sends the message. Once the final dot has left and no clear answer came, nobody knows whether the hop has it.
func (c *connection) data(message []byte) Result {
	w, err := c.client.Data()
	if err != nil {
		return classify("DATA", err)
	}
	if _, err := w.Write(message); err != nil {
		return classify("sending the message", err)
	}
	answer, err := w.CloseWithResponse()
	if err == nil {
		return Result{Outcome: Relayed, Code: "2.0.0", Reply: words(answer.StatusText)}
	}
	if refusal, ok := answerOf(err); ok {
		switch refusal.Code / 100 {
		case 2: // RFC 5321, section 4.2.1: the first digit decides
			return Result{Outcome: Relayed, Code: enhancedCode(refusal), Reply: said(refusal)}
		case 4, 5:
			r := classify("the message", err)
			r.next = false
			return r
		}
	} else if c.wire.broken {
		return classify("sending the message", err) // the final dot did not leave
	}
	return Result{Outcome: Uncertain, Code: lost, Reply: "the connection was lost before the mail server answered; it may have the message already"}
}
