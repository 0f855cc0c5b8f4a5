package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

const otherCustomer = "client@desk.test"

// senders are several mail programs that submit at once, each message under a token of its own. Whatever fails is not
// sent again, so that every repetition at the next hop is one of the gateway.
type senders struct {
	addresses []string // of the gateways; each connection goes to one of them
	auditor   *auditor
	chance    *chance
	pause     time.Duration // the longest between two messages of one sender
	number    int           // of senders; 0 means 4

	running sync.WaitGroup
	stop    context.CancelFunc
}

// start sends until halt is called or the test ends.
func (s *senders) start(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	s.stop = stop
	t.Cleanup(s.halt)
	if s.number == 0 {
		s.number = 4
	}
	for n := range s.number {
		s.running.Go(func() { s.run(ctx, n) })
	}
}

// halt waits until nobody sends any more.
func (s *senders) halt() {
	s.stop()
	s.running.Wait()
}

func (s *senders) run(ctx context.Context, n int) {
	for attempt := 0; ctx.Err() == nil; {
		c, err := connectToGateway(ctx, s.addresses[s.chance.below(len(s.addresses))])
		if err != nil {
			s.rest(ctx)
			continue
		}
		for alive := true; alive && ctx.Err() == nil; {
			attempt++
			alive = s.send(c, fmt.Sprintf("token-%d-%d", n, attempt))
			s.rest(ctx)
		}
		c.Close()
	}
}

// send submits one message and tells whether the connection can be used again.
func (s *senders) send(c *smtp.Client, token string) bool {
	recipients := []string{customer}
	if s.chance.below(4) == 0 {
		recipients = append(recipients, otherCustomer)
	}
	err := c.SendMail(support, recipients, strings.NewReader(tortureMessage(token, recipients, s.size())))
	var answer *smtp.SMTPError
	switch {
	case err == nil:
		s.auditor.acknowledge(token, recipients)
	case errors.As(err, &answer) && answer.Code >= 500:
		s.auditor.refuse(token, err)
	case errors.As(err, &answer):
		s.auditor.postpone()
	}
	return err == nil
}

// size is a body's length: most are short, some are of 50 KB, few of 1 MB.
func (s *senders) size() int {
	switch n := s.chance.below(100); {
	case n < 80:
		return 100
	case n < 99:
		return 50 << 10
	}
	return 1 << 20
}

func (s *senders) rest(ctx context.Context) {
	if s.pause > 0 {
		await(ctx, time.Duration(s.chance.below(int(s.pause))))
	}
}

// await waits, but not longer than ctx.
func await(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func connectToGateway(ctx context.Context, address string) (*smtp.Client, error) {
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	c := smtp.NewClient(conn)
	if err := c.Auth(sasl.NewPlainClient("", "support", gatewayPassword)); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func tortureMessage(token string, recipients []string, size int) string {
	line := tortureCanary + " of " + token + "\r\n"
	return "From: support@desk.test\r\nTo: " + strings.Join(recipients, ", ") + "\r\nSubject: torture\r\nMessage-ID: <" + token + "@desk.test>\r\n" +
		"Date: Mon, 02 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n" +
		strings.Repeat(line, size/len(line)+1)
}

// chance draws numbers for many goroutines from a seed that can be given again.
type chance struct {
	mu     sync.Mutex
	source *rand.Rand
}

// newChance draws from SEALGATE_TEST_SEED, or from a new seed; either is logged.
func newChance(t *testing.T) *chance {
	t.Helper()
	seed := tortureNumber(t, "SEALGATE_TEST_SEED", int(rand.Uint32()))
	t.Logf("SEALGATE_TEST_SEED=%d draws the same numbers again", seed)
	return &chance{source: rand.New(rand.NewPCG(uint64(seed), 0))}
}

// below draws a number from 0 to n-1.
func (c *chance) below(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.source.IntN(n)
}

// pick draws a time from 0 to longest.
func (c *chance) pick(longest time.Duration) time.Duration {
	return time.Duration(c.below(int(longest)))
}
