package sop

import (
	"slices"

	"github.com/sealgate/sealgate/gateway/pgpmime/armor"
)

// runMergeCerts adds to the certificates on standard input what other copies of them say. No others come out.
func runMergeCerts(i *invocation) error {
	content, err := i.standardInput()
	if err != nil {
		return err
	}
	base, err := i.loadCertificates(content, "")
	if err != nil {
		return err
	}
	others, err := i.certificates(i.arguments)
	if err != nil {
		return err
	}
	var all []byte
	for n, l := range base {
		if !slices.ContainsFunc(base[:n], l.isSame) {
			all = append(all, l.mergedWith(slices.Concat(base[n+1:], others)).bytes()...)
		}
	}
	return i.emit(armor.PublicKey, all)
}

func (l *loaded) isSame(other *loaded) bool { return l.Fingerprint == other.Fingerprint }

// mergedWith is the certificate with everything that other copies of it hold and it does not.
func (l *loaded) mergedWith(others []*loaded) transferable {
	merged := l.packets
	for _, other := range others {
		if !l.isSame(other) {
			continue
		}
		merged = merged.plus(other.packets.public())
	}
	return merged
}

// plus adds components and signatures that are new. The head of a component is compared without its secret.
func (t transferable) plus(other transferable) transferable {
	heads := t.public()
	for _, c := range other {
		n := slices.IndexFunc(heads, func(h component) bool { return samePacket(h.head, c.head) })
		if n < 0 {
			t, heads = append(t, c), append(heads, c)
			continue
		}
		for _, s := range c.tail {
			t[n].add(s)
		}
	}
	return t
}
