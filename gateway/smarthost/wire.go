package smarthost

import (
	"errors"
	"io"
	"net"
	"strings"
	"time"
)

// maxAnswers bounds what a hop may say to us on one connection, in bytes, TLS included.
const maxAnswers = 1 << 20

var errTooMuch = errors.New("the mail server says too much")

// wire is the socket, below TLS. The library sets deadlines for commands and none for the message; here every write has
// one, and reading is bounded.
type wire struct {
	net.Conn
	timeout time.Duration
	heard   int
	broken  bool // something was not written whole, so a final dot behind it never left
}

// Read implements net.Conn.
func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if w.heard += n; w.heard > maxAnswers {
		return 0, errTooMuch
	}
	return n, err
}

// Write implements net.Conn.
func (w *wire) Write(p []byte) (int, error) {
	if err := w.SetWriteDeadline(time.Now().Add(w.timeout)); err != nil {
		w.broken = true
		return 0, err
	}
	n, err := w.Conn.Write(p)
	w.broken = w.broken || err != nil
	return n, err
}

// greeted is a connection whose greeting was read before TLS; the library insists on reading one.
type greeted struct {
	net.Conn
	greeting io.Reader
}

func newGreeted(conn net.Conn) *greeted {
	return &greeted{Conn: conn, greeting: strings.NewReader("220 under TLS\r\n")}
}

// Read implements net.Conn.
func (g *greeted) Read(p []byte) (int, error) {
	if n, _ := g.greeting.Read(p); n > 0 {
		return n, nil
	}
	return g.Conn.Read(p)
}
