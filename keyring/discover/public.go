package discover

import "net/netip"

// notPublic are ranges of the IANA special-purpose registries that netip does not name, and those through which an IPv4
// address hides in an IPv6 one.
func notPublic() []string {
	return []string{
		"0.0.0.0/8",       // this network
		"100.64.0.0/10",   // shared by providers
		"192.0.0.0/24",    // protocol assignments
		"192.0.2.0/24",    // documentation
		"192.88.99.0/24",  // 6to4 relays
		"198.18.0.0/15",   // benchmarks
		"198.51.100.0/24", // documentation
		"203.0.113.0/24",  // documentation
		"240.0.0.0/4",     // reserved, broadcast
		"2001::/23",       // Teredo and other protocol assignments
		"2001:db8::/32",   // documentation
		"2002::/16",       // 6to4
		"3fff::/20",       // documentation
	}
}

// isPublic tells whether an address may be asked. Of IPv6 only global unicast (2000::/3) is, so that mapped IPv4
// (::ffff:0:0/96), NAT64 (64:ff9b::/96), unique local, link-local and loopback addresses are out as a whole.
func isPublic(a netip.Addr) bool {
	switch {
	case !a.IsValid(), a.Zone() != "", a.Is4In6():
		return false
	case a.IsPrivate(), a.IsLoopback(), a.IsUnspecified(), a.IsMulticast(), a.IsLinkLocalUnicast():
		return false // link-local holds the metadata services of clouds, 169.254.169.254
	case a.Is6() && !netip.MustParsePrefix("2000::/3").Contains(a):
		return false
	}
	for _, p := range notPublic() {
		if netip.MustParsePrefix(p).Contains(a) {
			return false
		}
	}
	return true
}
