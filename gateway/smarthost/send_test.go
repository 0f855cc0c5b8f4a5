package smarthost_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/gateway/smarthost"
)

// TestAnswersBecomeResults: what the hop says at each step becomes the right outcome for each recipient.
func TestAnswersBecomeResults(t *testing.T) {
	for name, c := range map[string]struct {
		script scripted
		want   string
	}{
		"taken":                  {polite(), "a relayed 2.0.0, b relayed 2.0.0"},
		"forwarded":              {polite().with("RCPT", "251 will forward"), "a relayed 2.0.0, b relayed 2.0.0"},
		"one refused":            {polite().with("RCPT", "550 5.1.1 no such user", "250 ok"), "a failed 5.1.1, b relayed 2.0.0"},
		"one deferred":           {polite().with("RCPT", "250 ok", "450 4.2.1 later"), "a relayed 2.0.0, b deferred 4.2.1"},
		"one each":               {polite().with("RCPT", "550 5.1.1 no", "452 4.5.3 too many"), "a failed 5.1.1, b deferred 4.5.3"},
		"all refused":            {polite().with("RCPT", "550 no"), "a failed 5.0.0, b failed 5.0.0"},
		"sender refused":         {polite().with("MAIL", "553 5.7.1 not you"), "a failed 5.7.1, b failed 5.7.1"},
		"odd code":               {polite().with("MAIL", "999 9.9.9 x"), "a deferred 4.0.0, b deferred 4.0.0"},
		"2xx out of order":       {polite().with("MAIL", "235 2.7.0 logged in"), "a deferred 4.0.0, b deferred 4.0.0"},
		"busy":                   {polite().with("MAIL", "451 4.3.2 busy"), "a deferred 4.3.2, b deferred 4.3.2"},
		"content refused":        {polite().with(".", "554 5.6.0 spam"), "a failed 5.6.0, b failed 5.6.0"},
		"disk full there":        {polite().with(".", "452 4.3.1 full"), "a deferred 4.3.1, b deferred 4.3.1"},
		"DATA refused":           {polite().with("DATA", "503 5.5.1 no"), "a failed 5.5.1, b failed 5.5.1"},
		"DATA deferred":          {polite().with("DATA", "451 later"), "a deferred 4.0.0, b deferred 4.0.0"},
		"wrong class":            {polite().with(".", "550 2.0.0 odd"), "a failed 5.0.0, b failed 5.0.0"},
		"no greeting":            {polite().with("", ""), "a deferred 4.4.2, b deferred 4.4.2"},
		"greeting 554":           {polite().with("", "554 go away"), "a deferred 4.4.2, b deferred 4.4.2"},
		"greeting 421":           {polite().with("", "421 busy"), "a deferred 4.4.2, b deferred 4.4.2"},
		"EHLO and HELO 550":      {polite().with("EHLO", "550 bad name"), "a deferred 4.4.2, b deferred 4.4.2"},
		"only HELO":              {polite().with("EHLO", "502 what").with("HELO", "250 hop.test"), "a relayed 2.0.0, b relayed 2.0.0"},
		"garbage":                {polite().with("", "\x00\xff garbage"), "a deferred 4.4.2, b deferred 4.4.2"},
		"garbage at RCPT":        {polite().with("RCPT", "250 ok", "hello?"), "a deferred 4.4.2, b deferred 4.4.2"},
		"endless greeting":       {polite().with("", "flood"), "a deferred 4.4.2, b deferred 4.4.2"},
		"cut at MAIL":            {polite().with("MAIL", ""), "a deferred 4.4.2, b deferred 4.4.2"},
		"cut at second RCPT":     {polite().with("RCPT", "250 ok", ""), "a deferred 4.4.2, b deferred 4.4.2"},
		"refused, then cut":      {polite().with("RCPT", "550 5.1.1 no", ""), "a failed 5.1.1, b deferred 4.4.2"},
		"cut at DATA":            {polite().with("DATA", ""), "a deferred 4.4.2, b deferred 4.4.2"},
		"reply lost":             {polite().with(".", ""), "a uncertain 4.4.2, b uncertain 4.4.2"},
		"reset after the dot":    {polite().with(".", "reset"), "a uncertain 4.4.2, b uncertain 4.4.2"},
		"garbage after the dot":  {polite().with(".", "\xff"), "a uncertain 4.4.2, b uncertain 4.4.2"},
		"half a reply":           {polite().with(".", "250-taken, then cut"), "a uncertain 4.4.2, b uncertain 4.4.2"},
		"354 after the dot":      {polite().with(".", "354 more"), "a uncertain 4.4.2, b uncertain 4.4.2"},
		"taken by another code":  {polite().with(".", "251 2.1.5 taken"), "a relayed 2.1.5, b relayed 2.1.5"},
		"reply lost for one":     {polite().with("RCPT", "550 5.1.1 no", "250 ok").with(".", ""), "a failed 5.1.1, b uncertain 4.4.2"},
		"cut after the reply":    {polite().with("QUIT", ""), "a relayed 2.0.0, b relayed 2.0.0"},
		"too small":              {polite().with("EHLO", "250-hop.test\r\n250 SIZE 20"), "a failed 5.3.4, b failed 5.3.4"},
		"size without a number":  {polite().with("EHLO", "250-hop.test\r\n250 SIZE"), "a relayed 2.0.0, b relayed 2.0.0"},
		"no limit":               {polite().with("EHLO", "250-hop.test\r\n250 SIZE 0"), "a relayed 2.0.0, b relayed 2.0.0"},
		"nothing offered at all": {polite().with("EHLO", "250 hop.test"), "a relayed 2.0.0, b relayed 2.0.0"},
	} {
		t.Run(name, func(t *testing.T) {
			address, _ := c.script.serve(t)
			if got := outcomes(smarthost.Send(t.Context(), hopTo(address), envelope("a", "b"), outgoing(t, message))); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestWhatAHopCannotTake fails before anything is sent, and only for those who need it.
func TestWhatAHopCannotTake(t *testing.T) {
	const small, utf8 = "250 hop.test", "250-hop.test\r\n250-8BITMIME\r\n250 SMTPUTF8"
	body8, header8 := strings.Replace(message, "answer", "Änderung", 1), strings.Replace(message, "words", "Wörter", 1)
	for name, c := range map[string]struct {
		offers, text, want string
		envelope           smarthost.Envelope
	}{
		"8-bit body":                 {small, body8, "a failed 5.6.3", envelope("a")},
		"8-bit body, offered":        {utf8, body8, "a relayed 2.0.0", envelope("a")},
		"one address":                {small, message, "a relayed 2.0.0, dörte@x.test failed 5.6.7", envelope("a", "dörte@x.test")},
		"one address, offered":       {utf8, message, "a relayed 2.0.0, dörte@x.test relayed 2.0.0", envelope("a", "dörte@x.test")},
		"the reverse-path":           {small, message, "a failed 5.6.7", smarthost.Envelope{ReversePath: "ü@x.test", Recipients: envelope("a").Recipients}},
		"the header":                 {small, header8, "a failed 5.6.7", smarthost.Envelope{SMTPUTF8: true, Recipients: envelope("a").Recipients}},
		"said, but needed by nobody": {small, message, "a relayed 2.0.0", smarthost.Envelope{SMTPUTF8: true, Recipients: envelope("a").Recipients}},
	} {
		t.Run(name, func(t *testing.T) {
			address, received := polite().with("EHLO", c.offers).serve(t)
			if got := outcomes(smarthost.Send(t.Context(), hopTo(address), c.envelope, outgoing(t, c.text))); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			said := received()
			if strings.Contains(c.want, "failed 5.6") && !strings.Contains(c.want, "relayed") && strings.Contains(said, "DATA") {
				t.Errorf("it was sent:\n%s", said)
			}
			if want := c.offers == utf8 && strings.Contains(c.want, "dörte"); strings.Contains(said, "SMTPUTF8") != want {
				t.Errorf("MAIL says SMTPUTF8 is %v:\n%s", !want, said)
			}
		})
	}
}

// TestWhatIsSent: the envelope and the message arrive as they are, dots stuffed, and nothing is added but the final dot.
func TestWhatIsSent(t *testing.T) {
	address, received := polite().with("EHLO", "250-hop.test\r\n250-8BITMIME\r\n250-SIZE 1000000\r\n250-DSN\r\n250 AUTH PLAIN").serve(t)
	hop := hopTo(address)
	hop.Username, hop.Password = "u", "p"
	e := envelope(`"a <b> c"@x.test`, "d@x.test")
	e.EnvID, e.Ret = "Q+1", "HDRS"
	e.Recipients[0].Notify, e.Recipients[0].ORcpt = "SUCCESS,DELAY", "RFC822;o+1@x.test"
	e.Recipients[1].Notify, e.Recipients[1].ORcpt = "NEVER,FAILURE,ODD", "odd;x"
	if got := outcomes(smarthost.Send(t.Context(), hop, e, outgoing(t, message))); strings.Count(got, "relayed") != 2 {
		t.Error(got)
	}
	want := "EHLO sealgate.test\r\nAUTH PLAIN AHUAcA==\r\n" +
		fmt.Sprintf("MAIL FROM:<support@desk.test> BODY=8BITMIME SIZE=%d RET=HDRS ENVID=Q+2B1\r\n", len(message)) +
		"RCPT TO:<\"a <b> c\"@x.test> NOTIFY=SUCCESS,DELAY ORCPT=RFC822;o+2B1@x.test\r\nRCPT TO:<d@x.test> NOTIFY=NEVER\r\n" +
		"DATA\r\n" + strings.Replace(message, "\r\n.dot", "\r\n..dot", 1) + ".\r\nQUIT\r\n"
	if got := received(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestNothingUnprotectedLeaves: the zero Outgoing and bare line ends fail before any connection.
func TestNothingUnprotectedLeaves(t *testing.T) {
	for name, o := range map[string]pgpmime.Outgoing{
		"zero": {}, "bare CR": outgoing(t, "From: a\r\n\r\nx\rMAIL\r\n"), "bare LF": outgoing(t, "From: a\r\n\r\nx\n.\nMAIL\r\n"),
		"two CRs": outgoing(t, "From: a\r\n\r\nx\r\r\n"), "CR at the end": outgoing(t, "From: a\r\n\r\nx\r"),
	} {
		if got := outcomes(smarthost.Send(t.Context(), hopTo("127.0.0.1:1"), envelope("a"), o)); got != "a failed 5.6.0" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestInjectedCommands: an address never says more than an address.
func TestInjectedCommands(t *testing.T) {
	for _, evil := range []string{"a@x> NOTIFY=NEVER", "a@x>\r\nRCPT TO:<b@x", "a@x\nDATA", "a b@x", "a\x00@x", `"a@x`, `"a"b"@x`, `"a\`, ""} {
		address, received := polite().serve(t)
		if got := smarthost.Send(t.Context(), hopTo(address), envelope("fine", evil), outgoing(t, message)); outcomes(got[:1]) != "fine relayed 2.0.0" ||
			got[1].Outcome != smarthost.Failed || got[1].Code != "5.1.3" {
			t.Errorf("%q: %+v", evil, got)
		}
		if said := received(); strings.Count(said, "RCPT") != 1 {
			t.Errorf("%q was said:\n%s", evil, said)
		}
	}
	address, received := polite().serve(t)
	e := envelope("a")
	e.ReversePath = "a@x>\r\nRSET"
	if got := outcomes(smarthost.Send(t.Context(), hopTo(address), e, outgoing(t, message))); got != "a failed 5.1.7" {
		t.Error(got)
	}
	if said := received(); strings.Contains(said, "RSET") {
		t.Errorf("it was said:\n%s", said)
	}
}

// TestRepliesAreSafeToShow: on one line, bounded, without control characters.
func TestRepliesAreSafeToShow(t *testing.T) {
	address, _ := polite().with("RCPT", "550-5.1.1 no \x1b[2Juser\r\n550-5.1.1 really\tnot\r\n550 5.1.1 "+strings.Repeat("x", 1500)).serve(t)
	got := smarthost.Send(t.Context(), hopTo(address), envelope("a"), outgoing(t, message))[0].Reply
	if !strings.HasPrefix(got, "550 no ?[2Juser really not xxx") || len(got) > 500 {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}

// TestCancelEndsAnAttempt: a hop that hangs does not hold us, at any step.
func TestCancelEndsAnAttempt(t *testing.T) {
	for step, want := range map[string]string{
		"": "a deferred 4.4.2", "EHLO": "a deferred 4.4.2", "MAIL": "a deferred 4.4.2", "RCPT": "a deferred 4.4.2",
		"DATA": "a deferred 4.4.2", ".": "a uncertain 4.4.2", "QUIT": "a relayed 2.0.0",
	} {
		t.Run("at "+step, func(t *testing.T) {
			address, _ := polite().with(step, "hang").serve(t)
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			hop := hopTo(address)
			hop.Timeout = time.Minute
			if got := outcomes(smarthost.Send(ctx, hop, envelope("a"), outgoing(t, message))); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

// TestTimeoutsEndAnAttempt: neither does one that nobody cancels, before TLS and in the middle of a message too.
func TestTimeoutsEndAnAttempt(t *testing.T) {
	large := message + strings.Repeat(strings.Repeat("x", 76)+"\r\n", 200_000) // more than the sockets hold
	for name, c := range map[string]struct {
		script scripted
		tls    smarthost.TLS
		text   string
		want   string
	}{
		"greeting":                 {polite().with("", "hang"), smarthost.None, message, "a deferred 4.4.2"},
		"greeting before STARTTLS": {polite().with("", "hang"), smarthost.StartTLS, message, "a deferred 4.4.2"},
		"STARTTLS":                 {polite().with("EHLO", "250-hop.test\r\n250 STARTTLS").with("STARTTLS", "hang"), smarthost.StartTLS, message, "a deferred 4.4.2"},
		"TLS":                      {polite().with("", "hang"), smarthost.Implicit, message, "a deferred 4.7.5"},
		"the final dot":            {polite().with(".", "hang"), smarthost.None, message, "a uncertain 4.4.2"},
		"in the message":           {polite().with("EHLO", "250-hop.test\r\n250 8BITMIME").with("DATA", "354 read no more"), smarthost.None, large, "a deferred 4.4.2"},
	} {
		t.Run(name, func(t *testing.T) {
			address, _ := c.script.serve(t)
			hop := hopTo(address)
			hop.TLS, hop.Timeout = c.tls, 100*time.Millisecond
			if got := outcomes(smarthost.Send(t.Context(), hop, envelope("a"), outgoing(t, c.text))); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
