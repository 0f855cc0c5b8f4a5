package main

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/sealgate/sealgate/migrations/dbtest"
)

// cutter is a way to PostgreSQL that can be cut.
type cutter struct {
	server string

	mu     sync.Mutex
	open   map[*cuttable]bool
	armed  bool // the next COMMIT gets through, and its answer does not
	cuts   int
	unsaid int // of them, between COMMIT and its answer
}

// cuttable is one connection through the cutter.
type cuttable struct {
	client, server net.Conn
	committed      bool // its next answer is lost
}

// startCutter returns the way, and the database's address by it.
func startCutter(t *testing.T, database string) (*cutter, string) {
	t.Helper()
	address, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{server: address.Host, open: map[*cuttable]bool{}}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { c.carry(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		c.cut()
		serving.Wait()
	})
	address.Host = l.Addr().String()
	return c, address.String()
}

// cut ends every connection at once.
func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cuts++
	for p := range c.open {
		p.end()
	}
}

// cutNextCommit lets the next COMMIT through, and ends its connection before the answer.
func (c *cutter) cutNextCommit() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.armed = true
}

func (p *cuttable) end() {
	p.client.Close()
	p.server.Close()
}

// carry carries both ways until one ends.
func (c *cutter) carry(client net.Conn) {
	server, err := net.Dial("tcp", c.server)
	if err != nil {
		client.Close()
		return
	}
	p := &cuttable{client: client, server: server}
	c.mu.Lock()
	c.open[p] = true
	c.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { defer p.end(); pump(client, server, func(b []byte) bool { c.look(p, b); return true }) })
	both.Go(func() { defer p.end(); pump(server, client, func([]byte) bool { return !c.loses(p) }) })
	both.Wait()
	c.mu.Lock()
	delete(c.open, p)
	c.mu.Unlock()
}

// pump copies while pass agrees.
func pump(from io.Reader, to io.Writer, pass func([]byte) bool) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && pass(buffer[:n]) {
			if _, err := to.Write(buffer[:n]); err == nil {
				continue
			}
		}
		if err != nil || n > 0 {
			return
		}
	}
}

// look notices a COMMIT on its way, if one is to be cut.
func (c *cutter) look(p *cuttable, sent []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.armed && bytes.Contains(bytes.ToLower(sent), []byte("commit")) {
		c.armed, p.committed = false, true
	}
}

// loses tells whether an answer is lost.
func (c *cutter) loses(p *cuttable) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.committed {
		c.cuts++
		c.unsaid++
	}
	return p.committed
}

// TestCutDatabaseConnectionsLoseNothing: the way to PostgreSQL is cut at random instants, and between COMMIT and its
// answer.
func TestCutDatabaseConnectionsLoseNothing(t *testing.T) {
	t.Parallel()
	chance, auditor, folder := newChance(t), newAuditor(), t.TempDir()
	direct := dbtest.Postgres(t)
	furnish(t, folder, direct, startNextHop(t, auditor).address)
	cutter, database := startCutter(t, direct)
	v := newVictim(t, auditor, folder, database)
	v.start()
	senders := &senders{addresses: []string{v.submission}, auditor: auditor, chance: chance, pause: 50 * time.Millisecond}
	senders.start(t)
	cuts := tortureNumber(t, "SEALGATE_TEST_CUTS", 10) * 3
	for n := range cuts {
		from := time.Now()
		if n%2 == 0 {
			cutter.cut()
		} else {
			cutter.cutNextCommit()
		}
		instant(t, auditor, chance)
		auditor.interrupt(from, time.Now())
		progress(t, auditor, "cuts", n+1, cuts)
	}
	acceptsAgain(t, auditor, "the last cut")
	senders.halt()
	waitForArrivals(t, v, 3*time.Minute)
	v.stop()
	t.Logf("%d connections were cut between COMMIT and its answer", cutter.unsaid)
	if cutter.unsaid == 0 {
		t.Error("no answer to COMMIT was lost")
	}
	report(t, "database cut", auditor.conclude(t), cuts)
}

// TestOneOfTwoNodesIsKilled: two gateways work on one PostgreSQL, and one of them is killed again and again.
func TestOneOfTwoNodesIsKilled(t *testing.T) {
	t.Parallel()
	chance, auditor, folder := newChance(t), newAuditor(), t.TempDir()
	database := dbtest.Postgres(t)
	furnish(t, folder, database, startNextHop(t, auditor).address)
	steady, victim := newVictim(t, auditor, folder, database), newVictim(t, auditor, folder, database)
	steady.start()
	victim.start()
	senders := &senders{addresses: []string{steady.submission, victim.submission}, auditor: auditor, chance: chance, pause: 50 * time.Millisecond}
	senders.start(t)
	kills := tortureNumber(t, "SEALGATE_TEST_KILLS", 20)
	for n := range kills {
		instant(t, auditor, chance)
		victim.killed(nil)
		progress(t, auditor, "kills", n+1, kills)
	}
	senders.halt()
	waitForArrivals(t, steady, 3*time.Minute)
	report(t, "kill -9 of one of two nodes", auditor.conclude(t), kills)
}
