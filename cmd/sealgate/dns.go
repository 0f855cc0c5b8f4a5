package main

import (
	"fmt"
	"net/netip"

	"github.com/sealgate/sealgate/gateway/smarthost/resolve"
)

// dnsConfig says who is asked about the DNS. Without servers nobody is: then there is neither MX nor DKIM's verification.
type dnsConfig struct {
	Servers    []string `yaml:"servers" env:"SERVERS"`       // addresses, with or without port; "system" for those of the system
	Validating bool     `yaml:"validating" env:"VALIDATING"` // they validate DNSSEC, and nobody else can answer for them
}

// systemServers is where the system names its servers.
const systemServers = "/etc/resolv.conf"

// resolver returns what asks the servers; nil when there are none. A system that names none is no error.
func (c dnsConfig) resolver() (*resolve.Client, error) {
	r := &resolve.Client{Validating: c.Validating}
	for _, server := range c.Servers {
		if server == "system" {
			if system, err := resolve.FromFile(systemServers); err == nil {
				r.Servers = append(r.Servers, system.Servers...)
			}
			continue
		}
		address, err := netip.ParseAddrPort(server)
		if err != nil {
			var plain netip.Addr
			plain, err = netip.ParseAddr(server)
			address = netip.AddrPortFrom(plain, 53)
		}
		if err != nil {
			return nil, fmt.Errorf("configuration: dns.servers: %q is not the address of a name server; write it as 192.0.2.53 or 192.0.2.53:53, or system", server)
		}
		r.Servers = append(r.Servers, address)
	}
	if len(r.Servers) == 0 {
		return nil, nil
	}
	return r, nil
}

// check finds servers that cannot be asked.
func (c dnsConfig) check() error {
	_, err := c.resolver()
	return err
}
