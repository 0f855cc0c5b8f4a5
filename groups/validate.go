package groups

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sealgate/sealgate/keyring"
	"golang.org/x/text/unicode/norm"
)

// Limits of one group and of texts, in pieces, characters and bytes.
const (
	maxAddresses = 200
	maxRules     = 1000
	maxOwners    = 20
	maxName      = 100 // characters
	maxUsername  = 320 // characters
	maxCA        = 256 << 10
)

func invalid(field, format string, values ...any) error {
	return &Invalid{Field: field, Sentence: fmt.Sprintf(format, values...)}
}

// canonical checks a group's values and brings them into the form in which they are stored and compared.
func (g Group) canonical() (Group, error) {
	g.Name = canonicalText(g.Name)
	if err := checkText("name", g.Name, 1, maxName); err != nil {
		return Group{}, err
	}
	for _, l := range []struct {
		field string
		level Level
	}{{"sign", g.Sign}, {"encrypt", g.Encrypt}, {"auto_sign", g.AutoSign}, {"auto_encrypt", g.AutoEncrypt}} {
		if err := checkLevel(l.field, l.level); err != nil {
			return Group{}, err
		}
	}
	if g.Mixed != MixedRefuse && g.Mixed != MixedSplit {
		return Group{}, invalid("mixed", "mixed recipients can be handled by refuse or split; choose one of them")
	}
	if err := g.checkForms(); err != nil {
		return Group{}, err
	}
	var err error
	if g.Addresses, err = canonicalAddresses(g.Addresses); err != nil {
		return Group{}, err
	}
	if g.Owners, err = canonicalOwners(g.Owners, g.Addresses); err != nil {
		return Group{}, err
	}
	if g.Content, err = g.Content.canonical(); err != nil {
		return Group{}, err
	}
	if err := g.Retry.check(); err != nil {
		return Group{}, err
	}
	g.DomainRules, err = canonicalRules(g.DomainRules)
	return g, err
}

func checkLevel(field string, l Level) error {
	if !l.valid() {
		return invalid(field, "a level must be off, auto, on or required, not %q", plain(string(l)))
	}
	return nil
}

// canonicalAddresses keeps the order and each address once.
func canonicalAddresses(addresses []string) ([]string, error) {
	if len(addresses) > maxAddresses {
		return nil, invalid("addresses", "a group can have at most %d addresses; make another group", maxAddresses)
	}
	var all []string
	for _, a := range addresses {
		canonical, err := canonicalAddress(a)
		if err != nil {
			return nil, invalid("addresses", "%q is not a mail address; write it as local@domain", plain(a))
		}
		if !slices.Contains(all, canonical) {
			all = append(all, canonical)
		}
	}
	return all, nil
}

// canonicalOwners keeps each owner once; owners are told apart by blanks where they are stored, so none may hold one. The
// group's own addresses are none: a warning to them would become a ticket.
func canonicalOwners(owners, own []string) ([]string, error) {
	if len(owners) > maxOwners {
		return nil, invalid("owners", "a group can have at most %d owners; name a mailing list", maxOwners)
	}
	var all []string
	for _, a := range owners {
		canonical, err := canonicalAddress(a)
		if err != nil || strings.ContainsAny(canonical, " \t") {
			return nil, invalid("owners", "%q is not a mail address for an owner; write it as local@domain", plain(a))
		}
		if slices.Contains(own, canonical) {
			return nil, invalid("owners", "%s is an address of the group itself; name a person, or an address that no ticket system reads", canonical)
		}
		if !slices.Contains(all, canonical) {
			all = append(all, canonical)
		}
	}
	return all, nil
}

// canonicalAddress is the form in which addresses are stored and looked up: A-label domain, all lower case.
func canonicalAddress(address string) (string, error) {
	canonical, err := keyring.CanonicalAddress(strings.TrimSpace(address))
	return keyring.Fold(canonical), err
}

func canonicalRules(rules []DomainRule) ([]DomainRule, error) {
	if len(rules) > maxRules {
		return nil, invalid("rules", "a group can have at most %d domain rules; remove some", maxRules)
	}
	var all []DomainRule
	seen := map[string]bool{}
	for _, r := range rules {
		address, err := canonicalAddress("postmaster@" + strings.TrimSpace(r.Domain))
		domain, ok := strings.CutPrefix(address, "postmaster@")
		if err != nil || !ok {
			return nil, invalid("rules", "%q is not a domain; write it as in example.org", plain(r.Domain))
		}
		if seen[domain] {
			return nil, invalid("rules", "there are two rules for %s; keep one of them", domain)
		}
		seen[domain] = true
		for _, level := range []Level{r.Sign, r.Encrypt} {
			if err := checkLevel("rules", level); err != nil {
				return nil, err
			}
		}
		r.Domain = domain
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b DomainRule) int { return strings.Compare(a.Domain, b.Domain) })
	return all, nil
}

// canonical checks a mailbox's values.
func (m Mailbox) canonical() (Mailbox, error) {
	m.Login = canonicalLogin(m.Login)
	if err := checkLoginName("login", m.Login); err != nil {
		return Mailbox{}, err
	}
	var err error
	if m.IMAP, err = m.IMAP.canonical("imap", "IMAP"); err != nil {
		return Mailbox{}, err
	}
	if m.SMTP, err = m.SMTP.canonical("smtp", "SMTP"); err != nil {
		return Mailbox{}, err
	}
	m.Out, err = m.nextHop()
	return m, err
}

// canonical checks the values of an upstream server; without an address nothing else of it is kept.
func (u Upstream) canonical(field, name string) (Upstream, error) {
	u.Address = strings.ToLower(strings.TrimSpace(u.Address))
	if u.Address == "" {
		return Upstream{}, nil
	}
	host, port, err := net.SplitHostPort(u.Address)
	number, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil || number == 0 || !isHost(host) {
		return Upstream{}, invalid(field+"_address", "%q is not the address of an %s server; write it as host:port, such as mail.example.org:%d",
			plain(u.Address), name, map[string]int{"IMAP": 993, "SMTP": 465}[name])
	}
	opportunistic := u.TLS == TLSOpportunistic && field == "smtp"
	switch {
	case u.TLS != TLSImplicit && u.TLS != TLSStart && u.TLS != TLSNone && !opportunistic:
		return Upstream{}, invalid(field+"_tls", "the %s server's TLS must be implicit, starttls or none; choose one of them", name)
	case u.TLS == TLSNone && !isLoopback(host):
		return Upstream{}, invalid(field+"_tls", "without TLS passwords and mail would cross the network in clear; choose implicit or starttls for %s, none is for servers on this machine only", plain(host))
	}
	if err := checkText(field+"_username", u.Username, 0, maxUsername); err != nil {
		return Upstream{}, err
	}
	u.CA = strings.TrimSpace(u.CA)
	return u, checkCA(field+"_ca", u.CA)
}

// isHost tells whether host is an IP address or a domain name.
func isHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	_, err := canonicalAddress("postmaster@" + host)
	return err == nil
}

// isLoopback is for names that never leave this machine: 127.0.0.0/8, ::1 and localhost (RFC 6761, section 6.3).
func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.Unmap().IsLoopback()
}

func checkCA(field, text string) error {
	if text == "" {
		return nil
	}
	rest := []byte(text)
	for len(text) <= maxCA && len(strings.TrimSpace(string(rest))) > 0 {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil || block.Type != "CERTIFICATE" {
			break
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			break
		}
		if len(strings.TrimSpace(string(rest))) == 0 {
			return nil
		}
	}
	return invalid(field, "the certificate authority must be one or several PEM certificates; paste the whole file, from BEGIN CERTIFICATE to END CERTIFICATE")
}

// canonicalText trims a text and composes its characters.
func canonicalText(text string) string { return strings.TrimSpace(norm.NFC.String(text)) }

// canonicalLogin is the form of logins: two that differ in case only would be mistaken for each other.
func canonicalLogin(login string) string { return strings.ToLower(canonicalText(login)) }

func checkText(field, text string, shortest, longest int) error {
	switch n := utf8.RuneCountInString(text); {
	case n < shortest:
		return invalid(field, "the %s is empty; fill it in", words(field))
	case n > longest:
		return invalid(field, "the %s is too long; use at most %d characters", words(field), longest)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, isInvisible):
		return invalid(field, "the %s has control or invisible characters; type it again without them", words(field))
	}
	return nil
}

// checkLoginName accepts letters, digits and . _ - + @, which no protocol needs to quote.
func checkLoginName(field, name string) error {
	if err := checkText(field, name, 1, maxName); err != nil {
		return err
	}
	for _, c := range name {
		if !unicode.IsLetter(c) && !unicode.IsMark(c) && !unicode.IsDigit(c) && !strings.ContainsRune("._-+@", c) {
			return invalid(field, "the %s may have letters, digits and . _ - + @ only; %q is none of them", words(field), c)
		}
	}
	return nil
}

func words(field string) string { return strings.ReplaceAll(field, "_", " ") }

func isInvisible(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}
