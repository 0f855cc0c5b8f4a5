package submission_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/memory"
	"github.com/sealgate/sealgate/gateway/submission"
)

func TestOversizeByLength(t *testing.T) {
	d := newDesk(t, nil)
	c := d.ready(t)
	c.say("DATA", "354")
	c.send(strings.Repeat(strings.Repeat("x", 998)+"\r\n", 1100) + ".\r\n")
	c.want("552 5.3.4")
	c.envelope()
	c.send("BDAT 2000000 LAST\r\n" + strings.Repeat("chunk of bytes\r\n", 125_000))
	c.want("552 5.3.4")
	c.say("NOOP", "250")
	if len(d.messages()) != 0 {
		t.Error("an oversize message was taken")
	}
}

// TestListenersGuardPasswords: in clear on loopback only, and never without a certificate where one is needed.
func TestListenersGuardPasswords(t *testing.T) {
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := &submission.Server{}
	for mode, want := range map[submission.Mode]string{
		submission.Plain: "loopback", submission.StartTLS: "certificate", submission.Implicit: "certificate", "": "unknown mode",
	} {
		if err := s.Serve(t.Context(), l, mode); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("mode %q on all addresses: %v, want %q", mode, err, want)
		}
	}
}

func TestTooManyConnections(t *testing.T) {
	d := newDesk(t, func(s *submission.Server) { s.MaxConnections = 1 })
	first := d.dial(t, submission.Plain)
	turnedAway, err := net.Dial("tcp", d.addresses[submission.StartTLS]) // the limit is the server's, not the listener's
	if err != nil {
		t.Fatal(err)
	}
	defer turnedAway.Close()
	reply := make([]byte, 9)
	if n, err := turnedAway.Read(reply); err != nil || string(reply[:n]) != "421 4.3.2" {
		t.Errorf("the second heard %q, %v", reply[:n], err)
	}
	first.say("QUIT", "221")
	first.wantEnd() // and its place is free
	d.dial(t, submission.Plain).say("QUIT", "221")
}

// TestFailedLogins: after ten, even the right password must wait, and the backend is not asked.
func TestFailedLogins(t *testing.T) {
	asked := 0
	d := newDesk(t, func(s *submission.Server) {
		authenticate := s.Backend.Authenticate
		s.Backend.Authenticate = func(ctx context.Context, p submission.Presented, remote string) (submission.Identity, error) {
			asked++
			return authenticate(ctx, p, remote)
		}
	})
	c := d.dial(t, submission.Plain)
	c.say("HELO x", "250")
	for range 10 {
		c.say("AUTH PLAIN "+plainLogin("support", "wrong"), "535 5.7.8 login or password is wrong")
	}
	c.say("AUTH PLAIN "+plainLogin("support", "desk-password"), "454 4.7.0 too many failed logins")
	if asked != 10 {
		t.Errorf("the backend was asked %d times", asked)
	}
	c.say("AUTH PLAIN "+plainLogin("other", "wrong"), "535") // another mailbox of the same ticket system
	if l := d.log.String(); strings.Contains(l, "desk-password") || strings.Contains(l, "wrong\x00") {
		t.Errorf("a password is in the log: %s", l)
	}
}

// TestABrokenLoginIsNotAWrongOne: when the database is away nobody is told that the password is wrong.
func TestABrokenLoginIsNotAWrongOne(t *testing.T) {
	d := newDesk(t, func(s *submission.Server) {
		s.Backend.Authenticate = func(context.Context, submission.Presented, string) (submission.Identity, error) {
			return submission.Identity{}, errors.New("database secret-name is away")
		}
	})
	c := d.dial(t, submission.Plain)
	c.say("HELO x", "250")
	if got := c.say("AUTH PLAIN "+plainLogin("support", "desk-password"), "454 4.7.0"); strings.Contains(got, "secret-name") {
		t.Errorf("said %q", got)
	}
}

// TestStrangersSayLittle: before its login a client cannot make us keep much.
func TestStrangersSayLittle(t *testing.T) {
	c := newDesk(t, nil).dial(t, submission.Plain)
	line := strings.Repeat("x", 100_000)
	c.Write([]byte("HELO " + line)) //nolint:errcheck // the server may have hung up already
	c.wantReplyThenEnd()
}

func TestLongLoginsAreWrong(t *testing.T) {
	c := newDesk(t, func(s *submission.Server) {
		s.Backend.Authenticate = func(context.Context, submission.Presented, string) (submission.Identity, error) {
			return submission.Identity{Login: "anyone"}, nil
		}
	}).dial(t, submission.Plain)
	c.say("HELO x", "250")
	c.say("AUTH PLAIN "+plainLogin(strings.Repeat("l", 300), "p"), "535")
	c.say("AUTH PLAIN "+plainLogin("l", strings.Repeat("p", 3000)), "535")
	c.say("AUTH PLAIN "+plainLogin("l", "p"), "235")
}

// TestMemoryBudget: a message waits for memory while another is being submitted, and not for ever.
func TestMemoryBudget(t *testing.T) {
	d := newDesk(t, func(s *submission.Server) {
		s.Memory, s.MemoryWait = memory.NewBudget(int64(len(letter))), 50*time.Millisecond
	})
	inside, goOn := make(chan struct{}), make(chan struct{})
	d.answer = func(submission.Submission) error { inside <- struct{}{}; <-goOn; return nil }
	first, second := d.ready(t), d.ready(t)
	first.say("DATA", "354")
	first.send(letter + ".\r\n")
	<-inside
	second.say("DATA", "354")
	second.say(letter+".", "451 4.3.2")
	close(goOn)
	first.want("250")
	go func() { <-inside }()
	second.envelope()
	second.say("DATA", "354")
	second.say("X: larger than the whole budget\r\n"+letter+".", "250")
}

// TestFullDisk: the spool stands on a file system of 64 KiB.
func TestFullDisk(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "small")
	d := newDesk(t, func(s *submission.Server) { s.Spool = newSpool(t, folder) })
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder).CombinedOutput(); err != nil {
		t.Skipf("PEER-MISSING: mount (needs the tests to run as root): %s", out)
	}
	defer func() {
		if out, err := exec.Command("umount", folder).CombinedOutput(); err != nil {
			t.Errorf("umount: %s", out)
		}
	}()
	c := d.ready(t)
	c.say("DATA", "354")
	c.say("From: a\r\n\r\n"+strings.Repeat(strings.Repeat("x", 98)+"\r\n", 4000)+".", "452 4.3.1")
	c.envelope()
	c.say("DATA", "354")
	c.say(letter+".", "250") // nothing of the first is left on the disk
	c.say("QUIT", "221")
}

// TestTimeouts: a client that stops is told so; one that is slow over a long message is not.
func TestTimeouts(t *testing.T) {
	const timeout = time.Second
	d := newDesk(t, func(s *submission.Server) { s.Timeout = timeout })
	silent := d.dial(t, submission.Plain)
	slow := d.ready(t)
	slow.say("DATA", "354")
	tick := time.NewTicker(timeout / 5)
	defer tick.Stop()
	for range 8 { // twice the timeout in all
		<-tick.C
		slow.send("X-Slow: yes\r\n")
	}
	slow.say(letter+".", "250")
	silent.want("421 4.4.2")
	stopped := d.ready(t)
	stopped.say("DATA", "354")
	stopped.send("From: support@desk.test\r\n")
	stopped.wantReplyThenEnd()
	if len(d.messages()) != 1 {
		t.Error("half a message was submitted")
	}
}

// wantReplyThenEnd reads whatever comes until the server closes.
func (c *client) wantReplyThenEnd() {
	c.t.Helper()
	for {
		if _, err := c.r.ReadString('\n'); err != nil {
			if c.isOpen(err) {
				c.t.Fatal("the connection is still open")
			}
			return
		}
	}
}

// TestAnswersAtData: refusals are said as they are, on one line of ASCII; unknown errors give nothing away.
func TestAnswersAtData(t *testing.T) {
	refusal := func(code int, sentence string) error {
		return fmt.Errorf("wrapped: %w", &submission.Refusal{Code: code, Enhanced: [3]int{5, 7, 1}, Sentence: sentence})
	}
	const trouble = "451 4.3.0 the mail gateway has a problem; nothing was lost, try again later (its log names session "
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"accepted":         {nil, "250 2.0.0 accepted as article-1"},
		"refused":          {refusal(550, "not sent: no usable certificate for a@x.test"), "550 5.7.1 not sent: no usable certificate for a@x.test"},
		"odd words":        {refusal(550, "für\r\n250 ok"), "550 5.7.1 f?r  250 ok"},
		"long":             {refusal(550, strings.Repeat("x", 5000)), "550 5.7.1 " + strings.Repeat("x", 397) + "..."},
		"unknown":          {errors.New("disk at sector 7 with secret-word"), trouble},
		"refusing by 250":  {refusal(250, "ok"), trouble},
		"classes disagree": {refusal(450, "later"), trouble},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, nil)
			d.answer = func(submission.Submission) error { return c.err }
			dialogue := d.ready(t)
			dialogue.say("DATA", "354")
			got := dialogue.say(letter+".", "")
			if got != c.want && (c.want != trouble || !strings.HasPrefix(got, trouble)) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if id := strings.TrimSuffix(strings.TrimPrefix(got, trouble), ")"); c.want == trouble && !strings.Contains(d.log.String(), "session="+id) {
				t.Errorf("session %s is not in the log:\n%s", id, d.log)
			}
		})
	}
}
