package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/smarthost"
	"github.com/sealgate/sealgate/gateway/submission"
)

// relayDoor is one listener for mail servers, as configured.
type relayDoor struct {
	address string // host:port, or the path of a unix socket
	relay   submission.Relay
	way     gateway.RelayWay
}

const relayHelp = `such as "127.0.0.1:10025 plain out next=127.0.0.1:10026 trust=127.0.0.1"`

// relayDoor reads "ADDRESS MODE in|out [lmtp] [next=HOST:PORT] [tls=MODE] [trust=WHOM]…".
func (c *config) relayDoor(text string) (relayDoor, error) {
	wrong := func(format string, values ...any) (relayDoor, error) {
		return relayDoor{}, fmt.Errorf("configuration: listen.relay %q: "+format, append([]any{text}, values...)...)
	}
	words := strings.Fields(text)
	if len(words) < 3 || words[2] != "in" && words[2] != "out" {
		return wrong("it must begin with an address, a mode, and in or out, %s", relayHelp)
	}
	d := relayDoor{address: words[0], relay: submission.Relay{Name: words[0], Mode: submission.Mode(words[1])}}
	d.way = gateway.RelayWay{Inbound: words[2] == "in", Next: smarthost.Hop{TLS: smarthost.None, Hello: c.Domain}}
	if !d.isUnix() {
		if _, err := c.endpoint(words[0] + " " + words[1]); err != nil {
			return relayDoor{}, err
		}
	} else if d.relay.Mode != submission.Plain {
		return wrong("a unix socket is plain")
	}
	for _, word := range words[3:] {
		if err := d.option(word); err != nil {
			return wrong("%w", err)
		}
	}
	switch {
	case d.way.Inbound && d.way.Next.Address == "":
		return wrong("in needs next=HOST:PORT, the server that gets the mail")
	case !d.isUnix() && len(d.relay.Networks)+len(d.relay.Certificates) == 0:
		return wrong("say with trust=NETWORK or trust=sha256:KEY who may hand mail over; the world must not")
	}
	return d, nil
}

func (d *relayDoor) isUnix() bool { return strings.Contains(d.address, "/") }

// option reads one word after the direction.
func (d *relayDoor) option(word string) error {
	key, value, _ := strings.Cut(word, "=")
	switch key {
	case "lmtp":
		d.relay.LMTP = true
	case "next":
		if _, _, err := net.SplitHostPort(value); err != nil {
			return errors.New("next must be HOST:PORT")
		}
		d.way.Next.Address = value
	case "tls":
		d.way.Next.TLS = smarthost.TLS(value)
		if value != "none" && value != "starttls" && value != "implicit" {
			return errors.New("tls, of the connection to next, must be none, starttls or implicit")
		}
	case "trust":
		return d.trust(value)
	default:
		return fmt.Errorf("%q is not known; there are lmtp, next=, tls= and trust=", word)
	}
	return nil
}

// trust takes an address, a network, or the SHA-256 of the public key of a TLS client certificate.
func (d *relayDoor) trust(whom string) error {
	if sum, ok := strings.CutPrefix(whom, "sha256:"); ok {
		sum = strings.ToLower(strings.ReplaceAll(sum, ":", ""))
		if len(sum) != 64 || strings.Trim(sum, "0123456789abcdef") != "" {
			return errors.New("trust=sha256: must name 64 hex digits, the SHA-256 of the public key (SPKI) of a client certificate")
		}
		d.relay.Certificates = append(d.relay.Certificates, sum)
		return nil
	}
	if address, err := netip.ParseAddr(whom); err == nil {
		d.relay.Networks = append(d.relay.Networks, netip.PrefixFrom(address, address.BitLen()))
		return nil
	}
	network, err := netip.ParsePrefix(whom)
	if err != nil {
		return fmt.Errorf("trust=%s is neither an address, a network such as 10.0.0.0/8, nor sha256:KEY", whom)
	}
	if network.Bits() == 0 {
		return fmt.Errorf("trust=%s is the whole world", whom)
	}
	d.relay.Networks = append(d.relay.Networks, network.Masked())
	return nil
}

// open opens the listener. A unix socket that a process left behind is taken over.
func (d *relayDoor) open() (net.Listener, error) {
	if !d.isUnix() {
		return net.Listen("tcp", d.address)
	}
	if err := os.MkdirAll(filepath.Dir(d.address), 0o750); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", d.address)
	if errors.Is(err, syscall.EADDRINUSE) && isAbandoned(d.address) {
		if err = os.Remove(d.address); err == nil {
			l, err = net.Listen("unix", d.address)
		}
	}
	if err != nil {
		return nil, err
	}
	return l, os.Chmod(d.address, 0o660) // whoever reaches it is trusted: its owner and group
}

// isAbandoned tells whether a socket is there and nobody answers.
func isAbandoned(path string) bool {
	info, err := os.Stat(path)
	if err != nil || info.Mode()&fs.ModeSocket == 0 {
		return false
	}
	conn, err := net.Dial("unix", path)
	if err == nil {
		conn.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}
