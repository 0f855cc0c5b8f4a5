package gateway

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/activity"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/gateway/queue"
	"github.com/sealgate/sealgate/keyring/kms"
	"gorm.io/gorm"
)

// TellSender queues a delivery status notification (RFC 3464) for recipients that failed for good, are late, or were handed
// to a server that confirms nothing: the queue's Tell function. It is encrypted when the sender's address has a usable
// certificate. None is sent for the null reverse-path, for automatic mail, or where NOTIFY forbids it (RFC 3461, section
// 4.1); the activity log tells of failures all the same.
func (g *Gateway) TellSender(ctx context.Context, tx *gorm.DB, m queue.Message, notices []queue.Notice) (sent bool, err error) {
	if told := wantNotice(notices); m.ReversePath != "" && len(told) > 0 {
		if sent, err = g.queueReport(ctx, tx, m, told); err != nil {
			return false, fmt.Errorf("notification about %s: %w", m.ID, err)
		}
	}
	for _, action := range []queue.Action{queue.ActionFailed, queue.ActionDelayed, queue.ActionRelayed} {
		if err := g.recordNotice(ctx, tx, m, action, notices, sent); err != nil {
			return false, fmt.Errorf("notification about %s: %w", m.ID, err)
		}
	}
	return sent, nil
}

// queueReport queues one notification about all of them, unless the message is automatic mail.
func (g *Gateway) queueReport(ctx context.Context, tx *gorm.DB, m queue.Message, told []queue.Notice) (sent bool, err error) {
	header, automatic, err := g.outerHeader(ctx, tx, m)
	if err != nil || automatic {
		return false, err
	}
	r := report{domain: g.Domain, now: g.Now(), message: m, notices: told, header: header, id: newID(), boundary: strings.ReplaceAll(newID(), "-", "")}
	o, err := g.protectBounce(ctx, m, r.bytes())
	if err != nil {
		return false, err
	}
	signatures, err := g.domainSignaturesFor(ctx, g.Domain, o)
	if err != nil {
		return false, err
	}
	_, err = g.Queue.Put(ctx, tx, queue.Message{
		ArticleID: m.ArticleID, GroupID: m.GroupID, MailboxID: m.MailboxID, MessageID: m.MessageID, SMTPUTF8: r.international(), RequireTLS: m.RequireTLS,
		Signatures: signatures, CreatedAt: g.Now(),
		Recipients: []queue.Recipient{{Address: m.ReversePath, Notify: "NEVER"}},
	}, o)
	return err == nil, err
}

// recordNotice logs what the sender was told of, and failures also when nobody was told.
func (g *Gateway) recordNotice(ctx context.Context, tx *gorm.DB, m queue.Message, action queue.Action, notices []queue.Notice, sent bool) error {
	e := activity.Entry{
		Actor: "sealgate", Act: "message.told", GroupID: m.GroupID, ArticleID: m.ArticleID,
		MessageID: m.MessageID, Detail: map[string]string{"queue": m.ID, "notification": string(action)},
	}
	if action == queue.ActionFailed {
		e.Act, e.Outcome, e.Detail["notification"] = "message.failed", activity.Failed, "not sent"
		if sent {
			e.Detail["notification"] = "queued"
		}
	}
	concerned := false
	for _, n := range notices {
		if n.Action == action {
			concerned = true
			e.Detail["to "+n.Recipient.Address] = oneLine(n.Result.Reply)
		}
	}
	if !concerned || action != queue.ActionFailed && !sent {
		return nil
	}
	return g.record(ctx, tx, e)
}

// wantNotice leaves out the failures that the sender does not want to know of. The queue saw to the others.
func wantNotice(notices []queue.Notice) []queue.Notice {
	var told []queue.Notice
	for _, n := range notices {
		if n.Action != queue.ActionFailed || queue.Wants(n.Recipient.Notify, "FAILURE") {
			told = append(told, n)
		}
	}
	return told
}

// outerHeader returns the header block of a queued copy as it was to leave, and whether the copy is automatic mail.
func (g *Gateway) outerHeader(ctx context.Context, tx *gorm.DB, m queue.Message) (header []byte, automatic bool, err error) {
	payload, err := g.Keeper.OpenReader(ctx, tx, kms.Ref{Kind: kms.Queue, ID: m.ID, Version: 1})
	if err != nil {
		return nil, false, fmt.Errorf("open payload: %w", err)
	}
	defer payload.Close()
	if header, err = headerOf(payload); err != nil {
		return nil, false, fmt.Errorf("read payload: %w", err)
	}
	summary, err := pgpmime.Summarize(header)
	if err != nil {
		return nil, false, fmt.Errorf("read header: %w", err)
	}
	return header, summary.Automatic, nil
}

// maxOuterHeader is the longest header that pgpmime takes, in bytes.
const maxOuterHeader = 256 << 10

// headerOf returns the header of a message, at most maxOuterHeader and a line of it, and reads the rest for the proof that all
// of it is as it was sealed.
func headerOf(message io.Reader) ([]byte, error) {
	r := bufio.NewReader(message)
	var header []byte
	for len(header) <= maxOuterHeader {
		line, err := r.ReadSlice('\n')
		if string(line) == "\r\n" || err == io.EOF {
			break
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
		header = append(header, line...)
	}
	_, err := io.Copy(io.Discard, r)
	return header, err
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
