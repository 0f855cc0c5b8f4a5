package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sealgate/sealgate/gateway/activity"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/gateway/smarthost"
	"github.com/sealgate/sealgate/gateway/submission"
	"github.com/sealgate/sealgate/groups"
	"gorm.io/gorm"
)

// RelayWay is one way through Sealgate for mail servers. Nothing that a message says of itself chooses it: mail from the
// world must never be taken for a group's own, and signed.
type RelayWay struct {
	Inbound bool          // to our groups; otherwise from them
	Next    smarthost.Hop // gets what is passed on while the neighbour waits; without an Address nothing is
}

// Relay begins a message of a trusted mail server: the SMTP server's Backend.Relay for doors by their name.
func (g *Gateway) Relay(ways map[string]RelayWay) func(context.Context, submission.Peer, submission.Envelope) (submission.Passage, error) {
	return func(_ context.Context, peer submission.Peer, e submission.Envelope) (submission.Passage, error) {
		way, ok := ways[peer.Door]
		if !ok {
			return nil, fmt.Errorf("relay: no way is configured for door %q", peer.Door)
		}
		p := passing{g, way, peer.Door, peer, e}
		if way.Inbound {
			return &inwards{passing: p}, nil
		}
		return &outwards{p}, nil
	}
}

// passing is one message on its way through.
type passing struct {
	*Gateway
	way      RelayWay
	door     string
	peer     submission.Peer
	envelope submission.Envelope
}

// Close implements submission.Passage.
func (p *passing) Close() {}

// outwards carries mail from groups: through plan, protect and the queue, as what a ticket system submits, but without
// toggles, because nobody logged in. What no group writes is passed on as it is.
type outwards struct{ passing }

// Recipient implements submission.Passage.
func (o *outwards) Recipient(_ context.Context, to submission.ForwardPath) error {
	o.envelope.ForwardPaths = append(o.envelope.ForwardPaths, to)
	return nil
}

// Message implements submission.Passage.
func (o *outwards) Message(ctx context.Context, message []byte) (string, []error) {
	summary, err := pgpmime.Summarize(message)
	if err != nil || len(summary.From) != 1 {
		return o.passOn(ctx, message, message)
	}
	group, err := o.Groups.GroupBySender(ctx, summary.From[0])
	if errors.Is(err, groups.ErrNotFound) {
		return o.passOn(ctx, message, message)
	}
	if err != nil {
		return "", []error{fmt.Errorf("relay: find group: %w", err)}
	}
	l := letter{articleID: newID(), group: group, envelope: o.envelope, message: message, summary: summary}
	l.summary.Verify = false // an exemption for whoever is logged in
	actor := Actor{Name: "relay:" + o.door, Groups: []string{group.ID}}
	if err = o.send(ctx, actor, l); err != nil {
		return "", []error{marked(o.recordRefusal(ctx, actor, group.ID, l, temporary(err)))}
	}
	return "accepted as " + l.articleID, []error{nil}
}

// send finds the mailbox whose server carries the group's mail.
func (o *outwards) send(ctx context.Context, a Actor, l letter) (err error) {
	if l.summary.Received > maxHops {
		return tooManyHops()
	}
	if l.rounds, err = o.roundsOf(ctx, l.message, l.summary.MessageID); err != nil {
		return err
	}
	if l.mailbox, err = o.outboundMailbox(ctx, l.group); err != nil {
		return &submission.Refusal{Code: 451, Enhanced: [3]int{4, 3, 5}, Sentence: oneLine(err.Error()), Cause: err}
	}
	return o.Gateway.send(ctx, a, l)
}

// inwards carries mail to groups: opened, stripped and stamped, then to the next server while the one in front waits. That
// one keeps the message until the next one has it.
type inwards struct {
	passing
	group groups.Group // of the recipients; the zero one is nobody's
	learn func()       // looks for certificates in what was relayed, or nil
}

// Close implements submission.Passage. The neighbour has its answer by now.
func (i *inwards) Close() {
	if i.learn != nil {
		i.learn()
	}
}

// Recipient implements submission.Passage. One message is opened for one group: recipients of another come again.
func (i *inwards) Recipient(ctx context.Context, to submission.ForwardPath) error {
	group, err := i.Groups.GroupBySender(ctx, canonical(to.Address))
	if err != nil && !errors.Is(err, groups.ErrNotFound) {
		return fmt.Errorf("relay: find group: %w", err)
	}
	if len(i.envelope.ForwardPaths) > 0 && group.ID != i.group.ID {
		return &submission.Refusal{Code: 452, Enhanced: [3]int{4, 5, 3}, Sentence: "recipients of one group at a time; send this one again by itself"}
	}
	i.group, i.envelope.ForwardPaths = group, append(i.envelope.ForwardPaths, to)
	return nil
}

// Message implements submission.Passage.
func (i *inwards) Message(ctx context.Context, message []byte) (string, []error) {
	if i.group.ID == "" {
		return i.passOn(ctx, message, message)
	}
	opened, domains, err := i.openArrived(ctx, i.group.ID, message)
	if err != nil {
		return "", []error{temporary(err)}
	}
	words, errs := i.passOn(ctx, opened.Message, message)
	if !arrived(errs) {
		return words, errs
	}
	// The next server has it: what fails from here on must not make the neighbour send it again.
	lasting, cancel := context.WithTimeout(context.WithoutCancel(ctx), archiveWithin)
	defer cancel()
	if err := i.keep(lasting, message, opened, domains); err != nil {
		i.Log.ErrorContext(ctx, "keep relayed article", "relay", i.door, "error", err)
	}
	return words, errs
}

// archiveWithin bounds what happens after the next server took a message and before the neighbour is told.
const archiveWithin = 30 * time.Second

func arrived(errs []error) bool {
	for _, err := range errs {
		if err == nil {
			return true
		}
	}
	return false
}

// keep stores a relayed message as an article of its group.
func (i *inwards) keep(ctx context.Context, original []byte, opened pgpmime.Opened, domains DomainSignatures) error {
	article := i.inArticle(opened, domains)
	article.GroupID = i.group.ID
	content := contentOf(&article, original, opened)
	if err := i.Keeper.Ready(ctx); err != nil {
		return err
	}
	entry := receivedEntry("message.received", article, opened.Verdict)
	entry.Detail["relay"] = i.door
	err := i.change(ctx, entry, func(tx *gorm.DB) error { return i.Archive.Put(ctx, tx, article, content, opened.WaitingFor) })
	if err == nil {
		i.learn = func() { i.learnFrom(context.WithoutCancel(ctx), article, original, opened) }
	}
	return err
}

// passOn hands a message to the next server as it is, under one more trace field and marker, and tells the neighbour what it
// said. came is the message as it arrived.
func (p *passing) passOn(ctx context.Context, message, came []byte) (string, []error) {
	if p.way.Next.Address == "" {
		return "", []error{refuse(550, 1, "no group writes as this sender, and this relay passes nothing else on; add the address to a group")}
	}
	if trace(message) > maxHops {
		return "", []error{tooManyHops()}
	}
	marker, err := p.nextMarker(ctx, came)
	if err != nil {
		return "", []error{temporary(err)}
	}
	o, err := pgpmime.Restore(pgpmime.Clear, append([]byte(marker+p.received()), message...))
	if err != nil {
		return "", []error{malformed(err)}
	}
	e := smarthost.Envelope{ReversePath: p.envelope.ReversePath, SMTPUTF8: p.envelope.SMTPUTF8, RequireTLS: p.envelope.RequireTLS, EnvID: p.envelope.EnvID, Ret: p.envelope.Ret}
	for _, to := range p.envelope.ForwardPaths {
		e.Recipients = append(e.Recipients, smarthost.Recipient(to))
	}
	var errs []error
	words := ""
	entry := activity.Entry{Actor: "relay:" + p.door, Act: "message.passed", Detail: map[string]string{}}
	for _, r := range smarthost.Send(ctx, p.way.Next, e, o) {
		errs = append(errs, answerOf(r))
		entry.Detail["to "+r.Address] = oneLine(string(r.Outcome) + ": " + r.Code + " " + r.Reply)
		if r.Outcome == smarthost.Relayed {
			words = r.Reply
		} else {
			entry.Outcome = activity.Failed
		}
	}
	if err := p.change(context.WithoutCancel(ctx), entry, nil); err != nil {
		p.Log.ErrorContext(ctx, "log relayed message", "relay", p.door, "error", err)
	}
	return words, errs
}

// received is our trace field (RFC 5321, section 4.4).
func (p *passing) received() string {
	with := "ESMTP"
	if p.peer.LMTP {
		with = "LMTP"
	}
	if p.peer.TLS {
		with += "S"
	}
	from := plainWord(p.peer.Hello)
	if p.peer.Remote != "" {
		from += " ([" + p.peer.Remote + "])"
	}
	return fmt.Sprintf("Received: from %s\r\n\tby %s with %s id %s;\r\n\t%s\r\n", from, p.Domain, with, newID(), p.Now().Format(time.RFC1123Z))
}

// plainWord keeps what a host name may hold of what a neighbour calls itself.
func plainWord(name string) string {
	name = strings.Map(func(r rune) rune {
		if strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]_", r) {
			return r
		}
		return -1
	}, name)
	if name == "" {
		return "unknown"
	}
	return name
}

// trace counts the trace fields of a header, however broken the rest is.
func trace(message []byte) (n int) {
	for line := range strings.Lines(string(message[:min(len(message), maxTrace)])) {
		if strings.TrimRight(line, "\r\n") == "" {
			break
		}
		if len(line) > 9 && strings.EqualFold(line[:9], "received:") {
			n++
		}
	}
	return n
}

// maxTrace is how much of a message is looked at for trace fields.
const maxTrace = 256 << 10

// answerOf turns what the next server said to one recipient into what the neighbour is told; nil when it took it.
func answerOf(r smarthost.Result) error {
	if r.Outcome == smarthost.Relayed {
		return nil
	}
	refusal := &submission.Refusal{Code: 451, Enhanced: enhanced(r.Code, 4), Sentence: "the next server says: " + oneLine(ascii(r.Reply))}
	if r.Outcome == smarthost.Failed {
		refusal.Code, refusal.Enhanced = 550, enhanced(r.Code, 5)
	}
	return refusal
}

// enhanced reads an enhanced status code, and gives it the class of the reply.
func enhanced(code string, class int) [3]int {
	var read, subject, detail int
	if n, err := fmt.Sscanf(code, "%d.%d.%d", &read, &subject, &detail); err != nil || n != 3 {
		return [3]int{class, 0, 0}
	}
	return [3]int{class, subject, detail}
}
