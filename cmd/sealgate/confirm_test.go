package main

import (
	"strings"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// TestConfirmationsWalk: a ticket system asks for a confirmation. From a Postfix that offers DSN it gets Postfix's; from one
// that does not, Sealgate tells that there will be none (RFC 3461, section 5.2.2). Both come back into the mailbox as mail.
func TestConfirmationsWalk(t *testing.T) {
	s := newSite(t, nil)
	s.confirmed("ticket-1")
	ticket := s.ticket()
	first := string(s.waitForTickets(ticket, 1)[0].body)
	for _, want := range []string{"Reporting-MTA: dns; smarthost.desk.test", "Original-Envelope-Id: ticket-1", "The.Customer@desk.test", "Successful Mail Delivery"} {
		if !strings.Contains(first, want) {
			t.Errorf("Postfix's confirmation has no %q:\n%s", want, first)
		}
	}
	if n := s.logged("message.told"); n != 0 {
		t.Errorf("%d notifications of ours beside Postfix's", n)
	}

	s.postfix.Set(t, "smtpd_discard_ehlo_keywords=dsn")
	s.confirmed("ticket-2")
	second := string(s.waitForTickets(ticket, 2)[1].body)
	for _, want := range []string{
		"Subject: Relayed message", "Action: relayed", "Original-Envelope-Id: ticket-2", "Original-Recipient: rfc822; The.Customer@desk.test",
		"Final-Recipient: rfc822; " + customer, "Reporting-MTA: dns; localhost", "Sealgate-Encryption: decrypted",
	} {
		if !strings.Contains(second, want) {
			t.Errorf("the notification has no %q:\n%s", want, second)
		}
	}
	if strings.Contains(second, "the text of it") {
		t.Errorf("the notification holds the message:\n%s", second)
	}
}

// confirmed submits a message to the customer and asks for a confirmation.
func (s *site) confirmed(envelope string) {
	s.t.Helper()
	c, err := smtp.Dial(s.address("submission", "plain"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	message := "From: " + support + "\r\nTo: " + customer + "\r\nSubject: " + envelope + "\r\nMessage-ID: <" + envelope + "@desk.test>\r\n\r\nthe text of it\r\n"
	for _, step := range []func() error{
		func() error { return c.Auth(sasl.NewPlainClient("", "support", gatewayPassword)) },
		func() error {
			return c.Mail(support, &smtp.MailOptions{EnvelopeID: envelope, Return: smtp.DSNReturnFull})
		},
		func() error {
			return c.Rcpt(customer, &smtp.RcptOptions{
				Notify: []smtp.DSNNotify{smtp.DSNNotifySuccess}, OriginalRecipientType: smtp.DSNAddressTypeRFC822, OriginalRecipient: "The.Customer@desk.test",
			})
		},
		func() error {
			w, err := c.Data()
			if err != nil {
				return err
			}
			if _, err := w.Write([]byte(message)); err != nil {
				return err
			}
			return w.Close()
		},
		c.Quit,
	} {
		if err := step(); err != nil {
			s.t.Fatal(err)
		}
	}
}
