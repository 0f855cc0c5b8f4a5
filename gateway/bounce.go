package gateway

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/activity"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/gateway/queue"
	"github.com/sealgate/sealgate/keyring/kms"
	"gorm.io/gorm"
)

// Bounce queues a delivery status notification (RFC 3464) for recipients that failed for good: the queue's Bounce
// function. It is encrypted when the sender's address has a usable certificate. None is sent for the null reverse-path,
// for automatic mail, or where NOTIFY forbids it (RFC 3461, section 4.1); the activity log tells it all the same.
func (g *Gateway) Bounce(ctx context.Context, tx *gorm.DB, m queue.Message, failed []queue.Recipient, results []queue.Result) error {
	told := wantNotice(failed)
	header, automatic, err := g.outerHeader(ctx, tx, m)
	if err != nil {
		return fmt.Errorf("bounce %s: %w", m.ID, err)
	}
	if m.ReversePath == "" || automatic || len(told) == 0 {
		return g.recordBounce(ctx, tx, m, failed, "not sent")
	}
	o, err := g.protectBounce(ctx, m, g.deliveryStatus(m, told, results, header))
	if err != nil {
		return fmt.Errorf("bounce %s: %w", m.ID, err)
	}
	signatures, err := g.domainSignaturesFor(ctx, g.Domain, o)
	if err != nil {
		return fmt.Errorf("bounce %s: %w", m.ID, err)
	}
	dsn := queue.Message{
		ArticleID: m.ArticleID, GroupID: m.GroupID, MailboxID: m.MailboxID, MessageID: m.MessageID,
		Size: int64(len(o.Bytes())), Protection: o.Protection(), Signatures: signatures, CreatedAt: g.Now(),
		Recipients: []queue.Recipient{{Address: m.ReversePath, Notify: "NEVER"}},
	}
	if _, err := g.Queue.Put(ctx, tx, dsn, o); err != nil {
		return fmt.Errorf("bounce %s: %w", m.ID, err)
	}
	return g.recordBounce(ctx, tx, m, failed, "queued")
}

func (g *Gateway) recordBounce(ctx context.Context, tx *gorm.DB, m queue.Message, failed []queue.Recipient, notification string) error {
	e := activity.Entry{
		Actor: "sealgate", Act: "message.failed", Outcome: activity.Failed, GroupID: m.GroupID, ArticleID: m.ArticleID,
		MessageID: m.MessageID, Detail: map[string]string{"queue": m.ID, "notification": notification},
	}
	for _, r := range failed {
		e.Detail["to "+r.Address] = oneLine(r.LastReply)
	}
	return g.record(ctx, tx, e)
}

func wantNotice(failed []queue.Recipient) []queue.Recipient {
	var told []queue.Recipient
	for _, r := range failed {
		if !strings.EqualFold(r.Notify, "NEVER") && (r.Notify == "" || strings.Contains(strings.ToUpper(r.Notify), "FAILURE")) {
			told = append(told, r)
		}
	}
	return told
}

// outerHeader returns the header block of a queued copy as it was to leave, and whether the copy is automatic mail.
func (g *Gateway) outerHeader(ctx context.Context, tx *gorm.DB, m queue.Message) (header []byte, automatic bool, err error) {
	payload, err := g.Keeper.Open(ctx, tx, kms.Ref{Kind: kms.Queue, ID: m.ID, Version: 1})
	if err != nil {
		return nil, false, fmt.Errorf("open payload: %w", err)
	}
	summary, err := pgpmime.Summarize(payload)
	if err != nil {
		return nil, false, fmt.Errorf("read header: %w", err)
	}
	header, _, _ = bytes.Cut(payload, []byte("\r\n\r\n"))
	return append(header, "\r\n"...), summary.Automatic, nil
}

// protectBounce encrypts a notification to its receiver when that is possible. It holds outer header fields only, so
// it may leave in clear otherwise.
func (g *Gateway) protectBounce(ctx context.Context, m queue.Message, message []byte) (pgpmime.Outgoing, error) {
	address := canonical(m.ReversePath)
	choices, err := g.Keyring.Choices(ctx, []string{address}, g.Now())
	if err != nil {
		return pgpmime.Outgoing{}, fmt.Errorf("look up certificate: %w", err)
	}
	reader := choices[address].Best
	if reader == nil {
		return g.protectFor(message, pgpmime.ProtectRequest{Protection: pgpmime.Clear})
	}
	return g.protectFor(message, pgpmime.ProtectRequest{Protection: pgpmime.Encrypted, To: []*openpgp.Entity{reader.Entity}})
}

// deliveryStatus builds the multipart/report: words, machine-readable fields, and the outer header of the original.
func (g *Gateway) deliveryStatus(m queue.Message, told []queue.Recipient, results []queue.Result, header []byte) []byte {
	boundary := strings.ReplaceAll(newID(), "-", "")
	var b bytes.Buffer
	field := func(name, value string) { fmt.Fprintf(&b, "%s: %s\r\n", name, oneLine(value)) }
	part := func(contentType string) {
		fmt.Fprintf(&b, "\r\n--%s\r\nContent-Type: %s\r\n\r\n", boundary, contentType)
	}
	field("From", "Mail delivery <mailer-daemon@"+g.Domain+">")
	field("To", "<"+m.ReversePath+">")
	field("Subject", "Undelivered message")
	field("Message-ID", "<"+newID()+"@"+g.Domain+">")
	field("Date", g.Now().Format(time.RFC1123Z))
	field("In-Reply-To", "<"+m.MessageID+">")
	field("Auto-Submitted", "auto-replied")
	field("MIME-Version", "1.0")
	field("Content-Type", `multipart/report; report-type=delivery-status; boundary="`+boundary+`"`)
	part("text/plain; charset=us-ascii")
	b.WriteString("This message could not be delivered and will not be tried again:\r\n\r\n")
	for _, r := range told {
		fmt.Fprintf(&b, "  %s\r\n    %s\r\n", r.Address, ascii(r.LastReply))
	}
	part("message/delivery-status")
	field("Reporting-MTA", "dns; "+g.Domain)
	if m.EnvID != "" {
		field("Original-Envelope-Id", m.EnvID)
	}
	field("Arrival-Date", m.CreatedAt.Format(time.RFC1123Z))
	for _, r := range told {
		b.WriteString("\r\n")
		if r.ORcpt != "" {
			field("Original-Recipient", r.ORcpt)
		}
		field("Final-Recipient", "rfc822; "+r.Address)
		field("Action", "failed")
		field("Status", statusOf(r, results))
		field("Diagnostic-Code", "smtp; "+ascii(r.LastReply))
	}
	part("text/rfc822-headers")
	b.Write(header)
	fmt.Fprintf(&b, "\r\n--%s--\r\n", boundary)
	return b.Bytes()
}

// statusOf is the enhanced status code of a failed recipient; a message given up after days of deferral expired.
func statusOf(r queue.Recipient, results []queue.Result) string {
	for _, result := range results {
		if result.RecipientID == r.ID && strings.HasPrefix(result.Code, "5.") {
			return result.Code
		}
	}
	return "5.4.7"
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
