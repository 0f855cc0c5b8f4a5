package resolve

import (
	"context"
	"encoding/hex"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// ask puts one question to the servers and reads the records of its type.
func ask[T any](ctx context.Context, c *Client, name string, kind uint16, read func(dns.RR) (T, bool)) (Reply[T], error) {
	failed := func(reason string, err error) (Reply[T], error) {
		return Reply[T]{}, &Error{Name: name, Type: dns.TypeToString[kind], Reason: reason, Err: err}
	}
	if _, ok := dns.IsDomainName(name); !ok || name == "" {
		return Reply[T]{}, ErrNoName // what cannot be a name does not exist
	}
	answer, err := c.exchange(ctx, name, kind)
	switch {
	case err != nil:
		return failed("no name server answered", err)
	case answer.Rcode == dns.RcodeNameError:
		return Reply[T]{Authenticated: c.believes(answer)}, ErrNoName
	case answer.Rcode != dns.RcodeSuccess:
		return failed("the name server says "+dns.RcodeToString[answer.Rcode], nil)
	case len(answer.Answer) > maxRecords:
		return failed("it has more than "+strconv.Itoa(maxRecords)+" records", nil)
	}
	owner, err := behindAliases(answer.Answer, dns.CanonicalName(name))
	if err != nil {
		return failed(err.Error(), nil)
	}
	reply := Reply[T]{Name: plain(owner), Authenticated: c.believes(answer)}
	for _, rr := range answer.Answer {
		if rr.Header().Rrtype != kind || dns.CanonicalName(rr.Header().Name) != owner {
			continue
		}
		record, ok := read(rr)
		if !ok {
			return failed("a record makes no sense", nil)
		}
		reply.Records = append(reply.Records, record)
	}
	return reply, nil
}

// believes tells whether an answer counts as authenticated.
func (c *Client) believes(answer *dns.Msg) bool { return c.Validating && answer.AuthenticatedData }

// exchange returns the first answer that says something, else the last one that does not.
func (c *Client) exchange(ctx context.Context, name string, kind uint16) (*dns.Msg, error) {
	var last *dns.Msg
	err := errors.New("no name server is configured")
	for range rounds {
		for _, server := range c.Servers {
			answer, failure := c.askServer(ctx, server, name, kind)
			switch {
			case failure != nil:
				err = failure
			case answer.Rcode == dns.RcodeSuccess || answer.Rcode == dns.RcodeNameError:
				return answer, nil
			default:
				last = answer
			}
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
		}
	}
	if last != nil {
		return last, nil
	}
	return nil, err
}

// askServer asks one server by UDP, and by TCP where the answer did not fit. The AD bit in the question asks for AD in
// the answer (RFC 6840, section 5.7); DO is not set, because the signatures themselves are of no use here.
func (c *Client) askServer(ctx context.Context, server netip.AddrPort, name string, kind uint16) (*dns.Msg, error) {
	question := new(dns.Msg)
	question.SetQuestion(dns.Fqdn(name), kind)
	question.SetEdns0(udpSize, false)
	question.AuthenticatedData = true
	for _, network := range []string{"udp", "tcp"} {
		answer, err := c.exchangeOver(ctx, network, server, question)
		if err != nil {
			return nil, err
		}
		if !answer.Truncated {
			return answer, nil
		}
	}
	return nil, errors.New("the answer does not fit, not even by TCP")
}

func (c *Client) exchangeOver(ctx context.Context, network string, server netip.AddrPort, question *dns.Msg) (*dns.Msg, error) {
	timeout := c.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	client := &dns.Client{Net: network, Timeout: timeout, UDPSize: udpSize, Dialer: &net.Dialer{Timeout: timeout}}
	answer, _, err := client.ExchangeContext(ctx, question, server.String())
	if err != nil {
		return nil, err
	}
	if len(answer.Question) != 1 || !sameQuestion(answer.Question[0], question.Question[0]) {
		return nil, errors.New("the name server answered another question")
	}
	return answer, nil
}

func sameQuestion(a, b dns.Question) bool {
	return strings.EqualFold(a.Name, b.Name) && a.Qtype == b.Qtype && a.Qclass == b.Qclass
}

// behindAliases follows the CNAME records of an answer.
func behindAliases(records []dns.RR, name string) (string, error) {
	for range maxAliases {
		next := ""
		for _, rr := range records {
			if alias, ok := rr.(*dns.CNAME); ok && dns.CanonicalName(alias.Hdr.Name) == name {
				next = dns.CanonicalName(alias.Target)
			}
		}
		if next == "" {
			return name, nil
		}
		name = next
	}
	return "", errors.New("its aliases do not end")
}

// plain is a name without its last dot, in lower case; the root is "".
func plain(name string) string { return strings.TrimSuffix(dns.CanonicalName(name), ".") }

// joined joins the strings of a TXT record, which the library gives in the form of zone files.
func joined(parts []string) string {
	var b strings.Builder
	for _, part := range parts {
		for i := 0; i < len(part); i++ {
			n, width := unescaped(part[i:])
			b.WriteByte(n)
			i += width - 1
		}
	}
	return b.String()
}

// unescaped reads one byte, which may be written as \X or \DDD.
func unescaped(s string) (b byte, width int) {
	if s[0] != '\\' || len(s) < 2 {
		return s[0], 1
	}
	if len(s) >= 4 {
		if n, err := strconv.ParseUint(s[1:4], 10, 8); err == nil {
			return byte(n), 4
		}
	}
	return s[1], 2
}

func association(r *dns.TLSA) (TLSA, bool) {
	data, err := hex.DecodeString(r.Certificate)
	return TLSA{Usage: r.Usage, Selector: r.Selector, Matching: r.MatchingType, Data: data}, err == nil
}
