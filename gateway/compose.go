package gateway

import (
	"bytes"
	"context"
	"fmt"
	"net/mail"
	"strings"

	message "github.com/emersion/go-message/mail"
	"github.com/sealgate/sealgate/gateway/archive"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/gateway/submission"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
)

// Draft is a message written on the page.
type Draft struct {
	GroupID       string
	From          string // "" means the group's first address
	To, Cc, Bcc   []string
	Subject       string
	Text          string
	ReplyTo       string // id of the article answered, or ""
	ToggleSign    groups.Toggle
	ToggleEncrypt groups.Toggle
}

// Compose sends a draft through the same door as Submit and returns the article's id. A refusal is a
// *submission.Refusal, a draft that cannot be sent as it is a *Problem.
func (g *Gateway) Compose(ctx context.Context, a Actor, d Draft) (string, error) {
	if !a.mayUse(d.GroupID) {
		return "", ErrForbidden
	}
	l, err := g.letterOf(ctx, a, d)
	if err != nil {
		return "", err
	}
	if l.mailbox, err = g.outboundMailbox(ctx, l.group); err != nil {
		return "", err
	}
	err = temporary(g.send(ctx, a, l))
	return l.articleID, g.recordRefusal(ctx, a, d.GroupID, l, err)
}

// PlanDraft decides what would happen to a draft: the composer's preview. It asks the same function as Compose.
func (g *Gateway) PlanDraft(ctx context.Context, a Actor, d Draft) (Plan, error) {
	if !a.mayUse(d.GroupID) {
		return Plan{}, ErrForbidden
	}
	l, err := g.letterOf(ctx, a, d)
	if err != nil {
		return Plan{}, err
	}
	return g.planFor(ctx, a, l.group, l.planRequest())
}

func (g *Gateway) letterOf(ctx context.Context, a Actor, d Draft) (letter, error) {
	group, err := g.Groups.Group(ctx, d.GroupID)
	if err != nil {
		return letter{}, notFound(err)
	}
	if d.From, err = senderOf(group, d.From); err != nil {
		return letter{}, err
	}
	l := letter{articleID: newID(), group: group, sign: d.ToggleSign, encrypt: d.ToggleEncrypt}
	l.envelope, err = envelopeOf(d)
	if err != nil {
		return letter{}, err
	}
	thread, err := g.threadOf(ctx, a, d.ReplyTo)
	if err != nil {
		return letter{}, err
	}
	if l.message, err = g.writeDraft(d, thread); err != nil {
		return letter{}, err
	}
	if l.summary, err = pgpmime.Summarize(l.message); err != nil {
		return letter{}, &Problem{Sentence: "The message could not be written; check the addresses and the subject.", Cause: err}
	}
	return l, nil
}

func senderOf(group groups.Group, from string) (string, error) {
	if len(group.Addresses) == 0 {
		return "", &Problem{Sentence: fmt.Sprintf("Group %s has no sender address yet; an administrator can add one.", group.Name)}
	}
	if from == "" {
		return group.Addresses[0], nil
	}
	if !writesAs(group, from) {
		return "", &Problem{Sentence: fmt.Sprintf("Group %s does not write as %s; choose one of its own addresses.", group.Name, from)}
	}
	return from, nil
}

// outboundMailbox is the group's first mailbox with a server to send through.
func (g *Gateway) outboundMailbox(ctx context.Context, group groups.Group) (groups.Mailbox, error) {
	all, err := g.Groups.Mailboxes(ctx)
	if err != nil {
		return groups.Mailbox{}, err
	}
	for _, m := range all {
		if m.GroupID == group.ID && m.Sends() {
			g.ways.remember(m)
			return m, nil
		}
	}
	return groups.Mailbox{}, &Problem{Sentence: fmt.Sprintf("Group %s has no mailbox with a mail server to send through; an administrator can add one.", group.Name)}
}

// envelopeOf checks every address of a draft.
func envelopeOf(d Draft) (submission.Envelope, error) {
	e := submission.Envelope{ReversePath: d.From}
	for _, address := range unique(d.To, d.Cc, d.Bcc) {
		parsed, err := keyring.CanonicalAddress(address)
		if err != nil {
			return e, &Problem{Sentence: fmt.Sprintf("%q is not a mail address; write it as name@example.org.", address), Cause: err}
		}
		e.ForwardPaths = append(e.ForwardPaths, submission.ForwardPath{Address: parsed})
	}
	if len(e.ForwardPaths) == 0 {
		return e, &Problem{Sentence: "Enter at least one recipient."}
	}
	return e, nil
}

// threadOf returns the article that a draft answers; the zero Article when it answers none.
func (g *Gateway) threadOf(ctx context.Context, a Actor, id string) (archive.Article, error) {
	if id == "" {
		return archive.Article{}, nil
	}
	return g.articleFor(ctx, a, id)
}

// writeDraft writes the message. Bcc never enters it.
func (g *Gateway) writeDraft(d Draft, thread archive.Article) ([]byte, error) {
	return g.writeText(d.Text, func(h *message.Header) {
		if thread.MessageID != "" {
			h.SetMsgIDList("References", []string{thread.MessageID})
			h.SetMsgIDList("In-Reply-To", []string{thread.MessageID})
		}
		h.SetSubject(oneLine(d.Subject))
		if len(d.Cc) > 0 {
			h.SetAddressList("Cc", addressList(d.Cc))
		}
		h.SetAddressList("To", addressList(d.To))
		h.SetAddressList("From", addressList([]string{d.From}))
	})
}

// writeText writes a message of plain text with the fields that describe sets. The library encodes, and writes the field
// set last at the top.
func (g *Gateway) writeText(text string, describe func(*message.Header)) ([]byte, error) {
	var h message.Header
	h.Set("Content-Transfer-Encoding", "quoted-printable")
	h.SetContentType("text/plain", map[string]string{"charset": "utf-8"})
	h.Set("MIME-Version", "1.0")
	h.SetMessageID(newID() + "@" + g.Domain)
	h.SetDate(g.Now())
	describe(&h)
	var b bytes.Buffer
	w, err := message.CreateSingleInlineWriter(&b, h)
	if err != nil {
		return nil, fmt.Errorf("write message: %w", err)
	}
	if _, err := w.Write([]byte(crlf(text))); err != nil {
		return nil, fmt.Errorf("write message: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("write message: %w", err)
	}
	return b.Bytes(), nil
}

func addressList(addresses []string) []*mail.Address {
	var list []*mail.Address
	for _, a := range addresses {
		list = append(list, &mail.Address{Address: a})
	}
	return list
}

// crlf gives text typed in a browser the line ends of mail.
func crlf(text string) string {
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	return strings.ReplaceAll(text, "\n", "\r\n")
}
