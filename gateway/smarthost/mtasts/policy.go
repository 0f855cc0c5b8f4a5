// Package mtasts finds the MTA-STS policies of domains (RFC 8461).
//
// A domain enters; its policy leaves: which mail servers it has and whether mail may go to others, or without verified
// TLS. A policy is announced by a TXT record, fetched by HTTPS, and then kept for as long as it says itself: whoever
// suppresses the record or the web server later changes nothing. A domain never seen before whose policy cannot be had
// has none; that is the limit of the protocol, not of this package.
package mtasts

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Mode is what a policy asks for.
type Mode string

// The modes. The zero Policy has NoPolicy.
const (
	NoPolicy Mode = ""
	None     Mode = "none"    // the domain gives its policy up
	Testing  Mode = "testing" // nothing is refused
	Enforce  Mode = "enforce"
)

// Policy is a domain's policy as it was fetched.
type Policy struct {
	ID      string // of the TXT record that announced it
	Mode    Mode
	MX      []string      // patterns, in lower case
	MaxAge  time.Duration // from Fetched
	Fetched time.Time
}

// Limits of what is read.
const (
	maxPolicy   = 64 << 10 // bytes; RFC 8461, section 3.3 suggests this
	maxPatterns = 500
	maxMaxAge   = 31557600 // seconds; section 3.2
)

// Parse reads a policy file (RFC 8461, section 3.2). Unknown keys are left alone, and so is a known one that comes again.
func Parse(text string) (Policy, error) {
	if len(text) > maxPolicy {
		return Policy{}, fmt.Errorf("the policy has more than %d bytes", maxPolicy)
	}
	p, seen := Policy{}, map[string]bool{}
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSuffix(line, "\r")
		if strings.Trim(line, " \t") == "" {
			continue
		}
		key, value, found := strings.Cut(line, ":")
		if !found {
			return Policy{}, errors.New("a line of the policy has no colon")
		}
		key, value = strings.Trim(key, " \t"), strings.Trim(value, " \t")
		if key != "mx" && seen[key] {
			continue
		}
		seen[key] = true
		if err := p.set(key, value); err != nil {
			return Policy{}, err
		}
	}
	return p, p.complete(seen)
}

func (p *Policy) set(key, value string) error {
	switch key {
	case "version":
		if value != "STSv1" {
			return fmt.Errorf("the policy's version is %.20q, and only STSv1 is known", value)
		}
	case "mode":
		p.Mode = Mode(value)
		if p.Mode != None && p.Mode != Testing && p.Mode != Enforce {
			return fmt.Errorf("the policy's mode %.20q is unknown", value)
		}
	case "max_age":
		seconds, err := strconv.ParseUint(value, 10, 34)
		if err != nil {
			return fmt.Errorf("the policy's max_age %.20q is no number of seconds", value)
		}
		p.MaxAge = time.Duration(min(seconds, maxMaxAge)) * time.Second
	case "mx":
		return p.addPattern(strings.ToLower(value))
	}
	return nil
}

func (p *Policy) addPattern(pattern string) error {
	if len(p.MX) == maxPatterns {
		return fmt.Errorf("the policy names more than %d mail servers", maxPatterns)
	}
	if !hostname(strings.TrimPrefix(pattern, "*.")) {
		return fmt.Errorf("the policy's mx %.80q is no host name", pattern)
	}
	p.MX = append(p.MX, pattern)
	return nil
}

func (p *Policy) complete(seen map[string]bool) error {
	switch {
	case !seen["version"] || !seen["mode"] || !seen["max_age"]:
		return errors.New("the policy lacks version, mode or max_age")
	case p.Mode != None && len(p.MX) == 0:
		return errors.New("the policy names no mail server")
	}
	return nil
}

// hostname tells whether s is made of labels of letters, digits and hyphens.
func hostname(s string) bool {
	if len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}

// Names tells whether a mail server is one of the policy's. A star stands for exactly one label, the leftmost (section 4.1).
func (p Policy) Names(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return slices.ContainsFunc(p.MX, func(pattern string) bool {
		if below, starred := strings.CutPrefix(pattern, "*."); starred {
			first, rest, _ := strings.Cut(host, ".")
			return first != "" && rest == below
		}
		return host == pattern
	})
}

// Patterns lists the first few servers of the policy for people.
func (p Policy) Patterns() string {
	if len(p.MX) > 3 {
		return strings.Join(p.MX[:3], ", ") + " and others"
	}
	return strings.Join(p.MX, ", ")
}

// validAt tells whether the policy may still be used.
func (p Policy) validAt(now time.Time) bool {
	return p.Mode != NoPolicy && !now.Before(p.Fetched.Add(-time.Hour)) && now.Before(p.Fetched.Add(p.MaxAge))
}
