// Package dnstest is a small real DNS server on loopback for tests: records in the form of zone files enter, answers by
// UDP and TCP leave.
package dnstest

import (
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
	"github.com/sealgate/sealgate/gateway/smarthost/resolve"
)

// Server answers from its records, as a resolver does that validated all of them. It is safe for concurrent use.
type Server struct {
	address netip.AddrPort

	mu       sync.Mutex
	records  []dns.RR
	broken   map[string]int
	unsigned map[string]bool
}

// Start starts one that ends with the test.
func Start(t testing.TB, records ...string) *Server {
	t.Helper()
	s := &Server{broken: map[string]int{}, unsigned: map[string]bool{}}
	s.Set(t, records...)
	tcp, udp := listen(t)
	s.address = netip.MustParseAddrPort(tcp.Addr().String())
	for _, server := range []*dns.Server{{Listener: tcp, Handler: s}, {PacketConn: udp, Handler: s}} {
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		go server.ActivateAndServe() //nolint:errcheck // it ends with the test
		<-started
		t.Cleanup(func() { server.Shutdown() }) //nolint:errcheck // the test is over
	}
	return s
}

// listen takes one port for both transports; somebody else may have the second one.
func listen(t testing.TB) (net.Listener, net.PacketConn) {
	t.Helper()
	for range 10 {
		tcp, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if udp, err := net.ListenPacket("udp", tcp.Addr().String()); err == nil {
			return tcp, udp
		}
		tcp.Close()
	}
	t.Fatal("no port is free for both UDP and TCP")
	return nil, nil
}

// Set replaces all records.
func (s *Server) Set(t testing.TB, records ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records = nil
	for _, record := range records {
		rr, err := dns.NewRR(record)
		if err != nil {
			t.Fatalf("record %q: %v", record, err)
		}
		s.records = append(s.records, rr)
	}
}

// Break makes questions about a name end with a response code; 0 mends it.
func (s *Server) Break(name string, code int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken[dns.CanonicalName(name)] = code
}

// Unsigned makes answers about a name unauthenticated.
func (s *Server) Unsigned(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsigned[dns.CanonicalName(name)] = true
}

// Client is a client of this server alone, and believes it.
func (s *Server) Client() *resolve.Client {
	return &resolve.Client{Servers: []netip.AddrPort{s.address}, Validating: true}
}

// ServeDNS implements dns.Handler.
func (s *Server) ServeDNS(w dns.ResponseWriter, question *dns.Msg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := question.Question[0]
	name, signed, known := dns.CanonicalName(asked.Name), true, false
	answer := new(dns.Msg)
	answer.SetReply(question)
	for range 4 { // aliases
		signed = signed && !s.unsigned[name]
		answer.Rcode = s.broken[name]
		next := ""
		for _, rr := range s.records {
			switch owner := dns.CanonicalName(rr.Header().Name); {
			case owner != name:
				known = known || strings.HasSuffix(owner, "."+name)
				continue
			case rr.Header().Rrtype == asked.Qtype:
				answer.Answer = append(answer.Answer, rr)
			case rr.Header().Rrtype == dns.TypeCNAME:
				answer.Answer = append(answer.Answer, rr)
				next = dns.CanonicalName(rr.(*dns.CNAME).Target)
			}
			known = true
		}
		if next == "" {
			break
		}
		name = next
	}
	if !known && answer.Rcode == 0 {
		answer.Rcode = dns.RcodeNameError
	}
	answer.AuthenticatedData = signed && question.AuthenticatedData
	if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
		answer.Truncate(dns.MinMsgSize)
	}
	w.WriteMsg(answer) //nolint:errcheck // the client asks again
}
