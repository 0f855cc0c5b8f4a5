package submission_test

import (
	"fmt"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/gateway/memory"
	"github.com/sealgate/sealgate/gateway/submission"
)

// TestMessageIsWhatWasSent: dots are unstuffed, long lines pass, nothing is added.
func TestMessageIsWhatWasSent(t *testing.T) {
	d := newDesk(t, nil)
	c := d.ready(t)
	long := strings.Repeat("y", 100_000)
	c.say("DATA", "354")
	c.say("From: support@desk.test\r\n\r\n..dot\r\n"+long+"\r\nfür\r\n.", "250")
	got := d.messages()
	if len(got) != 1 || string(got[0].Message) != "From: support@desk.test\r\n\r\n.dot\r\n"+long+"\r\nfür\r\n" {
		t.Fatalf("%d messages", len(got))
	}
	if got[0].Identity.Login != "support" || got[0].Hello != "client.test" || got[0].Remote != "127.0.0.1" || got[0].TLS {
		t.Errorf("%+v", got[0])
	}
}

// TestEnvelopeIsWhatWasSaid: addresses are quoted again, and the DSN parameters are carried.
func TestEnvelopeIsWhatWasSaid(t *testing.T) {
	d := newDesk(t, nil)
	c := d.dial(t, submission.Implicit)
	c.logIn()
	c.say("MAIL FROM:<> SMTPUTF8 RET=HDRS ENVID=QQ+2B1", "250")
	c.say(`RCPT TO:<"a \"b@"@x.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+2Bb@x.test`, "250")
	c.say("RCPT TO:<dörte@müller.test> ORCPT=utf-8;d\\x{F6}rte@x.test", "250")
	c.say("RCPT TO:<@old.test:c.d@[127.0.0.1]>", "250")
	c.say("DATA", "354")
	c.say(letter+".", "250")
	want := submission.Envelope{
		SMTPUTF8: true, EnvID: "QQ+1", Ret: "HDRS",
		ForwardPaths: []submission.ForwardPath{
			{Address: `"a \"b@"@x.test`, Notify: "SUCCESS,DELAY", ORcpt: "RFC822;a+b@x.test"},
			{Address: "dörte@müller.test", ORcpt: "UTF-8;dörte@x.test"},
			{Address: "c.d@[127.0.0.1]"},
		},
	}
	if got := d.messages()[0]; fmt.Sprintf("%+v", got.Envelope) != fmt.Sprintf("%+v", want) || !got.TLS {
		t.Errorf("got  %+v\nwant %+v", got.Envelope, want)
	}
}

// TestSwaks sends with a client that people use, over each protected listener, by each mechanism.
func TestSwaks(t *testing.T) {
	bed.Need(t, "swaks")
	d := newDesk(t, nil)
	for mode, flag := range map[submission.Mode]string{submission.Implicit: "--tls-on-connect", submission.StartTLS: "--tls"} {
		for _, mechanism := range []string{"PLAIN", "LOGIN"} {
			host, port, _ := net.SplitHostPort(d.addresses[mode])
			out, err := exec.CommandContext(t.Context(), "swaks", "--server", host, "--port", port, flag, "--auth", mechanism,
				"--auth-user", "support", "--auth-password", "desk-password", "--from", "support@desk.test", "--to", "a@x.test").CombinedOutput()
			if err != nil || !strings.Contains(string(out), "250 2.0.0 accepted as article-") {
				t.Errorf("%s %s: %v\n%s", mode, mechanism, err, out)
			}
		}
	}
	if got := d.messages(); len(got) != 4 || !got[0].TLS {
		t.Errorf("%d messages", len(got))
	}
}

// TestManySessions: each reply belongs to its own message.
func TestManySessions(t *testing.T) {
	const sessions, each = 20, 5
	d := newDesk(t, func(s *submission.Server) { s.Memory = memory.NewBudget(4096) })
	var all sync.WaitGroup
	for n := range sessions {
		c := d.dial(t, submission.Plain)
		all.Go(func() { c.sendMany(n, each) })
	}
	all.Wait()
	seen := map[string]int{}
	for _, m := range d.messages() {
		seen[string(m.Message)]++
		if want := "to-" + strings.TrimSpace(strings.TrimPrefix(string(m.Message), "X-Number: ")) + "@x.test"; m.Envelope.ForwardPaths[0].Address != want {
			t.Errorf("%q went to %v", m.Message, m.Envelope.ForwardPaths)
		}
	}
	if len(seen) != sessions*each {
		t.Errorf("%d different messages, want %d", len(seen), sessions*each)
	}
}

// sendMany does not use want: it runs beside the test.
func (c *client) sendMany(n, each int) {
	fmt.Fprintf(c, "HELO x\r\nAUTH PLAIN %s\r\n", plainLogin("support", "desk-password"))
	for i := range each {
		fmt.Fprintf(c, "MAIL FROM:<support@desk.test>\r\nRCPT TO:<to-%d-%d@x.test>\r\nDATA\r\nX-Number: %d-%d\r\n.\r\n", n, i, n, i)
	}
	for accepted := 0; accepted < each; {
		reply, err := c.r.ReadString('\n')
		if err != nil || reply[0] > '3' {
			c.t.Errorf("session %d: %q, %v", n, reply, err)
			return
		}
		if strings.Contains(reply, "accepted as") {
			accepted++
		}
	}
}
