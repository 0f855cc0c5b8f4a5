package smarthost

import (
	"io"
	"net"
	"regexp"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

// FuzzAnswers lets a hop say any bytes: there is one result for each recipient, with an enhanced status code of the
// outcome's class and words that are safe to show, and "relayed" only where the hop answered.
func FuzzAnswers(f *testing.F) {
	const hello = "220 hop\r\n250-hop\r\n250-SIZE 100\r\n250 DSN\r\n"
	for _, seed := range []string{
		hello + "250 ok\r\n250 ok\r\n550 5.1.1 no\r\n354 go\r\n250 2.0.0 taken\r\n221 bye\r\n",
		hello + "250 ok\r\n421 4.3.2 bye\r\n", "554 5.7.1 no\r\n", "220-\r\n220 \x1b\r\n250\r\n", hello + "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n999 9.9.9 x\r\n",
	} {
		f.Add([]byte(seed))
	}
	code, safe := regexp.MustCompile(`^(relayed 2|deferred 4|uncertain 4|failed 5)\.\d{1,3}\.\d{1,3}$`), regexp.MustCompile(`^[ -~]{0,600}$`)
	f.Fuzz(func(t *testing.T, says []byte) {
		ours, theirs := net.Pipe()
		defer ours.Close()
		go io.Copy(io.Discard, theirs)                     //nolint:errcheck // until the pipe is closed
		go func() { theirs.Write(says); theirs.Close() }() //nolint:errcheck // until the pipe is closed
		c := &connection{wire: &wire{Conn: ours, timeout: 10 * time.Second}}
		c.client = smtp.NewClient(c.wire)
		e := Envelope{ReversePath: "a@x.test", Recipients: []Recipient{{Address: "b@x.test", Notify: "NEVER"}, {Address: "c@x.test"}}}
		var results []Result
		if err := c.client.Hello("sealgate.test"); err != nil {
			results = all(e, classify("connect", greetingProblem(err)))
		} else {
			results = c.send(e, []byte("From: a\r\n\r\nwords\r\n"))
		}
		for i, r := range results {
			if r.Address != e.Recipients[i].Address || !code.MatchString(string(r.Outcome)+" "+r.Code) || !safe.MatchString(r.Reply) {
				t.Fatalf("result %d is %+v", i, r)
			}
			if r.Outcome == Relayed && len(says) < len("220 \r\n250 \r\n250 \r\n250 \r\n354 \r\n250 \r\n") {
				t.Fatalf("relayed by %q", says)
			}
		}
		if len(results) != len(e.Recipients) {
			t.Fatalf("%d results", len(results))
		}
	})
}
