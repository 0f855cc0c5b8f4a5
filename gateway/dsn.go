package gateway

import (
	"bytes"
	"fmt"
	"mime/quotedprintable"
	"strconv"
	"strings"
	"time"

	"github.com/sealgate/sealgate/gateway/queue"
)

// report is a delivery status notification about one copy: words, machine-readable fields (RFC 3464) and the outer header
// of the original, whatever RET asks for, in a multipart/report (RFC 6522). Where the sender's own address is not ASCII
// the parts are those of RFC 6533; else everything is 7-bit.
type report struct {
	domain   string
	now      time.Time
	message  queue.Message
	notices  []queue.Notice
	header   []byte // of the original
	id       string
	boundary string
}

func (r report) bytes() []byte {
	var b bytes.Buffer
	m := r.message
	field(&b, "From", "Mail delivery <mailer-daemon@"+r.domain+">")
	field(&b, "To", "<"+m.ReversePath+">")
	field(&b, "Subject", r.subject())
	field(&b, "Message-ID", "<"+r.id+"@"+r.domain+">")
	field(&b, "Date", r.now.Format(time.RFC1123Z))
	field(&b, "In-Reply-To", "<"+m.MessageID+">")
	field(&b, "Auto-Submitted", "auto-replied")
	field(&b, "MIME-Version", "1.0")
	field(&b, "Content-Type", `multipart/report; report-type=`+r.kind("delivery-status")+`; boundary="`+r.boundary+`"`)
	r.part(&b, "text/plain", []byte(r.words()))
	r.part(&b, "message/"+r.kind("delivery-status"), r.status())
	headers := "text/rfc822-headers"
	if r.international() {
		headers = "message/global-headers"
	}
	r.part(&b, headers, r.original())
	fmt.Fprintf(&b, "\r\n--%s--\r\n", r.boundary)
	return b.Bytes()
}

func field(b *bytes.Buffer, name, value string) { fmt.Fprintf(b, "%s: %s\r\n", name, oneLine(value)) }

// international tells whether the notification needs SMTPUTF8 itself, because it goes to such an address.
func (r report) international() bool { return !isASCII(r.message.ReversePath) }

// kind is the name of a part in a notification of its form.
func (r report) kind(name string) string {
	if r.international() {
		return "global-" + name
	}
	return name
}

// part writes a part. What is not ASCII is 8-bit where the notification is, and quoted-printable elsewhere.
func (r report) part(b *bytes.Buffer, kind string, content []byte) {
	if kind == "text/plain" {
		kind += "; charset=utf-8"
	}
	fmt.Fprintf(b, "\r\n--%s\r\nContent-Type: %s\r\n", r.boundary, kind)
	switch {
	case isASCII(string(content)):
		b.WriteString("\r\n")
		b.Write(content)
	case r.international():
		b.WriteString("Content-Transfer-Encoding: 8bit\r\n\r\n")
		b.Write(content)
	default:
		b.WriteString("Content-Transfer-Encoding: quoted-printable\r\n\r\n")
		w := quotedprintable.NewWriter(b)
		w.Write(content) //nolint:errcheck // a buffer takes everything
		w.Close()        //nolint:errcheck // a buffer takes everything
	}
}

// about returns the recipients of one action.
func (r report) about(action queue.Action) []queue.Notice {
	var all []queue.Notice
	for _, n := range r.notices {
		if n.Action == action {
			all = append(all, n)
		}
	}
	return all
}

func (r report) subject() string {
	switch {
	case len(r.about(queue.ActionFailed)) > 0:
		return "Undelivered message"
	case len(r.about(queue.ActionDelayed)) > 0:
		return "Delayed message"
	}
	return "Relayed message"
}

// words tell a person what happened.
func (r report) words() string {
	var b strings.Builder
	section := func(action queue.Action, sentence string) {
		about := r.about(action)
		if len(about) == 0 {
			return
		}
		if b.Len() > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(sentence + "\r\n\r\n")
		for _, n := range about {
			fmt.Fprintf(&b, "  %s\r\n    %s\r\n", oneLine(n.Recipient.Address), ascii(n.Result.Reply))
		}
	}
	section(queue.ActionFailed, "This message could not be delivered and will not be tried again:")
	section(queue.ActionDelayed, "This message could not be delivered yet. It is tried until "+r.until()+"; you need not send it again:")
	section(queue.ActionRelayed, "This message was handed to a mail server that confirms no delivery; you will hear no more of it unless it fails:")
	return b.String()
}

// until is when late recipients are given up.
func (r report) until() string {
	for _, n := range r.about(queue.ActionDelayed) {
		return n.Until.UTC().Format(time.RFC1123Z)
	}
	return ""
}

// status are the fields of RFC 3464.
func (r report) status() []byte {
	var b bytes.Buffer
	m := r.message
	field(&b, "Reporting-MTA", "dns; "+r.domain)
	if m.EnvID != "" {
		field(&b, "Original-Envelope-Id", ascii(m.EnvID))
	}
	field(&b, "Arrival-Date", m.CreatedAt.UTC().Format(time.RFC1123Z))
	for _, n := range r.notices {
		b.WriteString("\r\n")
		if kind, address, ok := strings.Cut(n.Recipient.ORcpt, ";"); ok {
			field(&b, "Original-Recipient", r.typed(strings.ToLower(ascii(kind)), address))
		}
		field(&b, "Final-Recipient", r.typed("rfc822", n.Recipient.Address))
		field(&b, "Action", string(n.Action))
		field(&b, "Status", statusOf(n))
		if n.Result.Host != "" {
			field(&b, "Remote-MTA", "dns; "+ascii(n.Result.Host))
		}
		if n.Result.Reply != "" {
			field(&b, "Diagnostic-Code", diagnosis(n.Result.Reply))
		}
		if n.Action == queue.ActionDelayed {
			field(&b, "Will-Retry-Until", n.Until.UTC().Format(time.RFC1123Z))
		}
	}
	return b.Bytes()
}

// diagnosis is a reply with its type: SMTP's begin with a reply code, others are words of ours.
func diagnosis(reply string) string {
	reply = ascii(reply)
	code, _, _ := strings.Cut(strings.Replace(reply, "-", " ", 1), " ")
	if n, err := strconv.Atoi(code); err == nil && len(code) == 3 && n >= 200 && n < 600 {
		return "smtp; " + reply
	}
	return "X-Sealgate; " + reply
}

// typed writes an address with its type. What is not ASCII stands as it is, or where the notification is 7-bit as
// utf-8-addr-xtext (RFC 6533, section 3).
func (r report) typed(kind, address string) string {
	address = oneLine(address)
	if isASCII(address) && !strings.EqualFold(kind, "utf-8") {
		return kind + "; " + ascii(address)
	}
	if r.international() {
		return "utf-8; " + address
	}
	var b strings.Builder
	for _, c := range address {
		if c > ' ' && c < 0x7f && c != '\\' && c != '+' && c != '=' {
			b.WriteRune(c)
		} else {
			fmt.Fprintf(&b, `\x{%02X}`, c)
		}
	}
	return "utf-8; " + b.String()
}

// statusOf is the enhanced status code (RFC 3463) of a recipient. A message given up after deferrals expired.
func statusOf(n queue.Notice) string {
	class, otherwise := "5.", "5.4.7"
	switch n.Action {
	case queue.ActionDelayed:
		class, otherwise = "4.", "4.0.0"
	case queue.ActionRelayed:
		class, otherwise = "2.", "2.0.0"
	}
	if strings.HasPrefix(n.Result.Code, class) {
		return n.Result.Code
	}
	return otherwise
}

// original is the outer header of the message. One that demands REQUIRETLS is named only: its notification may travel
// less protected (RFC 8689, section 5).
func (r report) original() []byte {
	if r.message.RequireTLS {
		return []byte("Message-ID: <" + oneLine(r.message.MessageID) + ">\r\n")
	}
	return r.header
}

// ascii makes a remote server's words safe inside a 7-bit notification.
func ascii(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, oneLine(s))
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0
}
