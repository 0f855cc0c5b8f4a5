package submission

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
)

// Client is whom a trusted neighbour has a message from, as it told with XFORWARD or XCLIENT. What it did not tell is
// "". The words are printable ASCII without blanks.
type Client struct {
	Name     string
	Address  string // an IP address, as netip writes it
	Protocol string // SMTP or ESMTP
	Hello    string
	Login    string // XCLIENT only
}

// The attributes that Postfix documents for the two commands; those that we keep nothing of are taken too.
const (
	forwardAttributes = "NAME ADDR PORT PROTO HELO IDENT SOURCE"
	clientAttributes  = "NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT"
)

// maxCommand is the longest command line: RFC 5321, section 4.5.3.1.4 asks for 512 bytes, extensions for more.
const maxCommand = 4 << 10

// interpreter reads a neighbour's commands before the library does, which knows neither XFORWARD nor XCLIENT: it answers
// those itself, in order, and hands on everything else, never more than one line at a time. So the library has answered
// a line before the next is looked at. It stands below the library on connections without TLS.
type interpreter struct {
	r        *bufio.Reader
	answer   func(string) error
	greeting string // said again after XCLIENT

	pending []byte // read, and not handed on yet
	partial bool   // the rest of a line follows
	chunk   int64  // bytes of a BDAT chunk that follow
	greeted bool   // EHLO or LHLO was handed on: its reply names our extensions
	mailing bool   // between MAIL and its end

	mu       sync.Mutex
	forward  Client // of the next message
	standing Client // by XCLIENT, until the end of the connection
}

func newInterpreter(conn net.Conn, greeting string) *interpreter {
	return &interpreter{
		r:        bufio.NewReaderSize(conn, maxCommand),
		answer:   func(line string) error { _, err := io.WriteString(conn, line+"\r\n"); return err },
		greeting: greeting,
	}
}

// read returns at most one line, or a part of it. data tells that a message is being received: then nothing is a command.
func (i *interpreter) read(p []byte, data bool) (int, error) {
	for len(i.pending) == 0 {
		ours, err := i.next(data)
		if err != nil && len(i.pending) == 0 {
			return 0, err
		}
		if ours {
			i.pending = i.pending[:0]
		}
	}
	n := copy(p, i.pending)
	i.pending = i.pending[n:]
	return n, nil
}

// next makes the next line, or a part of a message, pending; ours tells that it was answered here.
func (i *interpreter) next(data bool) (ours bool, err error) {
	if data || i.chunk > 0 {
		return false, i.piece()
	}
	line, err := i.r.ReadSlice('\n')
	i.pending = append(i.pending[:0], line...)
	whole := err == nil
	if errors.Is(err, bufio.ErrBufferFull) {
		err = nil
	}
	if i.partial || !whole {
		i.partial = !whole
		return false, err
	}
	return i.interpret(strings.TrimRight(string(line), "\r\n"))
}

// piece makes what is there of a message pending, up to the next LF or the end of the chunk.
func (i *interpreter) piece() error {
	if _, err := i.r.Peek(1); err != nil {
		return err
	}
	ready, err := i.r.Peek(i.r.Buffered())
	if err != nil {
		return err
	}
	if i.chunk > 0 {
		ready = ready[:min(int64(len(ready)), i.chunk)]
		i.chunk -= int64(len(ready))
	} else if end := bytes.IndexByte(ready, '\n'); end >= 0 {
		ready = ready[:end+1]
	}
	i.pending = append(i.pending[:0], ready...)
	_, err = i.r.Discard(len(ready))
	return err
}

// interpret answers XFORWARD and XCLIENT, and notes what the others mean for us.
func (i *interpreter) interpret(line string) (ours bool, err error) {
	verb, rest, _ := strings.Cut(line, " ")
	switch strings.ToUpper(verb) {
	case "XFORWARD":
		return true, i.told(rest, forwardAttributes, false)
	case "XCLIENT":
		return true, i.told(rest, clientAttributes, true)
	case "EHLO", "LHLO":
		i.greeted, i.mailing = true, false
	case "HELO", "RSET":
		i.mailing = false
	case "MAIL":
		i.mailing = true
	case "BDAT":
		size, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
		if n, err := strconv.ParseUint(size, 10, 32); err == nil {
			i.chunk = int64(n)
		}
	}
	return false, nil
}

// told takes the attributes of one command.
func (i *interpreter) told(rest, known string, standing bool) error {
	if i.mailing {
		return i.answer("503 5.5.1 a message is under way; say this before MAIL")
	}
	i.mu.Lock()
	c := i.forward
	if standing {
		c = i.standing
	}
	i.mu.Unlock()
	for _, attribute := range strings.Fields(rest) {
		name, value, ok := strings.Cut(attribute, "=")
		if !ok || !strings.Contains(" "+known+" ", " "+strings.ToUpper(name)+" ") {
			return i.answer("501 5.5.4 " + printable(name) + " is no attribute that we know")
		}
		if err := c.set(strings.ToUpper(name), value); err != nil {
			return i.answer("501 5.5.4 " + err.Error())
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if standing {
		i.standing = c
		return i.answer(i.greeting)
	}
	i.forward = c
	return i.answer("250 2.0.0 noted")
}

// current is what is known about the next message's client; XFORWARD counts for one message only.
func (i *interpreter) current() Client {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.forward != (Client{}) {
		return i.forward
	}
	return i.standing
}

func (i *interpreter) endMessage() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.forward, i.mailing = Client{}, false
}

// set takes one attribute, xtext (RFC 3461, section 4) as Postfix writes it.
func (c *Client) set(name, value string) error {
	value, err := fromXtext(value)
	if err != nil {
		return err
	}
	if strings.EqualFold(value, "[UNAVAILABLE]") || strings.EqualFold(value, "[TEMPUNAVAIL]") {
		value = ""
	}
	switch name {
	case "NAME":
		c.Name = value
	case "HELO":
		c.Hello = value
	case "LOGIN":
		c.Login = value
	case "PROTO":
		c.Protocol = strings.ToUpper(value)
	case "ADDR":
		if c.Address, err = ipAddress(value); err != nil {
			return err
		}
	}
	return nil
}

func ipAddress(value string) (string, error) {
	if value == "" {
		return "", nil
	}
	if len(value) > 5 && strings.EqualFold(value[:5], "ipv6:") {
		value = value[5:]
	}
	address, err := netip.ParseAddr(value)
	if err != nil {
		return "", errors.New("ADDR is no IP address")
	}
	return address.Unmap().String(), nil
}

// maxAttribute is longer than any host name or address (RFC 5321, section 4.5.3.1).
const maxAttribute = 255

func fromXtext(value string) (string, error) {
	var b strings.Builder
	for rest := value; rest != ""; {
		c := rest[0]
		switch {
		case c == '+' && len(rest) >= 3:
			decoded, err := hex.DecodeString(rest[1:3])
			if err != nil {
				return "", errors.New("a value is no xtext")
			}
			c, rest = decoded[0], rest[3:]
		case c == '+':
			return "", errors.New("a value is no xtext")
		default:
			rest = rest[1:]
		}
		if c <= ' ' || c > '~' {
			return "", errors.New("a value holds a blank or a control character")
		}
		b.WriteByte(c)
	}
	if b.Len() > maxAttribute {
		return "", errors.New("a value is too long")
	}
	return b.String(), nil
}

// extensions puts our two lines behind the first line of the reply to EHLO.
func (i *interpreter) extensions(reply []byte) []byte {
	if !i.greeted {
		return reply
	}
	i.greeted = false
	if !strings.HasPrefix(string(reply), "250-") {
		return reply
	}
	return fmt.Appendf(append([]byte(nil), reply...), "250-XFORWARD %s\r\n250-XCLIENT %s\r\n", forwardAttributes, clientAttributes)
}

// client is whom the neighbour has the next message from.
func (c *connection) client() Client {
	if c.interpreter == nil {
		return Client{}
	}
	return c.interpreter.current()
}

// Write implements net.Conn.
func (c *connection) Write(p []byte) (int, error) {
	if c.interpreter == nil {
		return c.Conn.Write(p)
	}
	if _, err := c.Conn.Write(c.interpreter.extensions(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// take reads from the client, through the interpreter where there is one.
func (c *connection) take(p []byte, receiving bool) (int, error) {
	if c.interpreter == nil {
		return c.Conn.Read(p)
	}
	return c.interpreter.read(p, receiving)
}

// greeting is what the library says at the beginning.
func (d *door) greeting() string {
	protocol := "ESMTP"
	if d.relay.LMTP {
		protocol = "LMTP"
	}
	return "220 " + d.server.Domain + " " + protocol + " Service Ready"
}
