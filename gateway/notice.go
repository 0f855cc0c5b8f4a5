package gateway

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/groups"
)

// notices makes one content-free notice for each recipient that cannot read an encrypted message. It holds nothing of
// the message: not its subject, not its other recipients.
func (g *Gateway) notices(p Plan, message []byte, signer *openpgp.Entity) ([]outCopy, error) {
	summary, err := pgpmime.Summarize(message)
	if err != nil {
		return nil, malformed(err)
	}
	var copies []outCopy
	for _, address := range p.Decision.Notices {
		r := p.request(signer, p.Group.ReadsInline(address))
		r.Protection = pgpmime.Clear
		if signer != nil {
			r.Protection = pgpmime.Signed
		}
		o, err := g.protectFor(g.notice(summary.From[0], address), r)
		if err != nil {
			return nil, err
		}
		copies = append(copies, outCopy{recipients: []string{address}, outgoing: o})
	}
	return copies, nil
}

func (g *Gateway) notice(from, to string) []byte {
	return textMessage([][2]string{
		{"From", "<" + from + ">"},
		{"To", "<" + to + ">"},
		{"Subject", "An encrypted message could not be sent to you"},
		{"Message-ID", "<" + newID() + "@" + g.Domain + ">"},
		{"Date", g.Now().Format(time.RFC1123Z)},
		{"Auto-Submitted", "auto-generated"},
	}, "A message from "+from+" was sent to you encrypted, but we have no OpenPGP certificate for your address.\n\n"+
		"Please send us your certificate (public key), and we will send the message again.\n")
}

// textMessage builds a plain ASCII message with CRLF line ends. Values come from us or were parsed as addresses.
func textMessage(fields [][2]string, text string) []byte {
	var b bytes.Buffer
	for _, f := range fields {
		fmt.Fprintf(&b, "%s: %s\r\n", f[0], oneLine(f[1]))
	}
	b.WriteString("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n")
	b.WriteString(strings.ReplaceAll(text, "\n", "\r\n"))
	return b.Bytes()
}

// verificationText replaces the body of a channel verification mail, so that the exemption can carry no content.
const verificationText = "This mail checks that sending and receiving work for this mailbox.\n" +
	"Sealgate replaced its text; the ticket system looks at its header only.\n"

// maxVerificationSubject bounds the only text of a verification mail that leaves as the client wrote it: its token.
const maxVerificationSubject = 120

// sendVerification relays a ticket system's channel verification mail (X-Zammad-Verify) without encryption, because it
// must come back with its subject token readable. Everything but the token is replaced by words of ours.
func (g *Gateway) sendVerification(ctx context.Context, a Actor, l letter) error {
	if len(l.summary.Subject) > maxVerificationSubject {
		return refuse(550, 0, "the subject of a channel verification mail is longer than 120 bytes; run the channel set-up again")
	}
	message, err := pgpmime.Verification(l.message, verificationText)
	if err != nil {
		return malformed(err)
	}
	o, err := g.protectFor(message, pgpmime.ProtectRequest{Protection: pgpmime.Clear})
	if err != nil {
		return err
	}
	p := Plan{Group: l.group}
	p.Decision.Encrypt.Rule, p.Decision.Sign.Rule = verificationRule, verificationRule
	r := l.planRequest()
	for _, address := range unique(r.Visible, r.Hidden) {
		p.Recipients = append(p.Recipients, PlannedRecipient{Address: address})
	}
	copies := []outCopy{{recipients: addressesOf(p.Recipients), outgoing: o}}
	return g.commit(ctx, a, l, p, l.summary.MessageID, message, copies)
}

const verificationRule groups.Rule = "channel verification"
