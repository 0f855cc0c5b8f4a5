package mailbox

import (
	"net"
	"sync"
	"time"
)

// helloTime is how long a new connection may take until the library sets its own deadlines: the TLS handshake.
const helloTime = 30 * time.Second

// gate is a listener that lets in as many connections as there are slots, and knows those that are open.
type gate struct {
	net.Listener
	slots         chan struct{}
	plainGreeting bool // the first bytes are IMAP, not TLS

	mu    sync.Mutex
	conns map[*gatedConn]struct{}
	open  sync.WaitGroup
}

// Accept turns away what is too much with a BYE.
func (g *gate) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case g.slots <- struct{}{}:
		default:
			g.turnAway(c)
			continue
		}
		// A deadline that cannot be set shows at the first read.
		_ = c.SetReadDeadline(time.Now().Add(helloTime))
		return g.admit(c), nil
	}
}

func (g *gate) turnAway(c net.Conn) {
	if g.plainGreeting && c.SetWriteDeadline(time.Now().Add(time.Second)) == nil {
		_, _ = c.Write([]byte("* BYE Too many connections; try again later\r\n"))
	}
	c.Close()
}

func (g *gate) admit(c net.Conn) net.Conn {
	admitted := &gatedConn{Conn: c, gate: g}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.conns[admitted] = struct{}{}
	g.open.Add(1)
	return admitted
}

// drain cuts every connection and waits until all are given up.
func (g *gate) drain() {
	g.mu.Lock()
	var left []*gatedConn
	for c := range g.conns {
		left = append(left, c)
	}
	g.mu.Unlock()
	for _, c := range left {
		// Only the socket: the connection counts as given up when its goroutine closes it.
		c.Conn.Close()
	}
	g.open.Wait()
}

// gatedConn gives its slot back when it is closed.
type gatedConn struct {
	net.Conn
	gate *gate
	once sync.Once
}

// Close may be called more than once.
func (c *gatedConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() {
		<-c.gate.slots
		c.gate.mu.Lock()
		delete(c.gate.conns, c)
		c.gate.mu.Unlock()
		c.gate.open.Done()
	})
	return err
}
