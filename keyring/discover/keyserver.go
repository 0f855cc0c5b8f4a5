package discover

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/sealgate/sealgate/keyring"
)

// CheckKeyserver tells whether a keyserver's URL can be used, in a sentence for the administrator.
func CheckKeyserver(server string) error {
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "https" && u.Scheme != "hkps" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return fmt.Errorf("%q is no keyserver: write https://HOST for one with the VKS interface, hkps://HOST for one with HKP", server)
	}
	return checkURL("https://" + u.Host)
}

// keyserver is the host of the configured keyserver and what it speaks.
func (f *Finder) keyserver() (host string, hkp bool) {
	if rest, ok := strings.CutPrefix(f.Keyserver, "hkps://"); ok {
		return strings.TrimSuffix(rest, "/"), true
	}
	return strings.TrimSuffix(strings.TrimPrefix(f.Keyserver, "https://"), "/"), false
}

func (f *Finder) keyserverByAddress(ctx context.Context, address string, r *Report) {
	host, hkp := f.keyserver()
	target := "https://" + host + "/vks/v1/by-email/" + url.PathEscape(address)
	if hkp {
		target = "https://" + host + "/pks/lookup?op=get&options=mr&exact=on&search=" + url.QueryEscape(address)
	}
	body, err := f.fetch(ctx, host, target)
	var items []*keyring.Item
	if err == nil {
		items, err = forAddress(body, address, f.now())
	}
	r.add(keyring.Keyserver, target, findings(keyring.Keyserver, address, target, items), err)
}

// Refresh asks for newer signatures of a known certificate: the keyserver, and the web key directories of its first three
// addresses. What comes holds only user IDs whose address is among known: a refresh brings revocations, expiries and
// subkeys, never an address, and never another certificate.
func (f *Finder) Refresh(ctx context.Context, fingerprint string, known []string) (Report, error) {
	if !isFingerprint(fingerprint) {
		return Report{}, fmt.Errorf("%q is no fingerprint; write 40 or 64 hexadecimal digits", fingerprint)
	}
	var r Report
	if f.WKD {
		for _, address := range known[:min(len(known), maxRefreshed)] {
			f.wkd(ctx, address, &r, f.among(known, func(c *keyring.Certificate) bool { return c.Fingerprint == fingerprint }))
		}
	}
	if f.Keyserver == "" {
		return r, nil
	}
	host, hkp := f.keyserver()
	target := "https://" + host + "/vks/v1/by-fingerprint/" + fingerprint
	if hkp {
		target = "https://" + host + "/pks/lookup?op=get&options=mr&search=0x" + fingerprint
	}
	f.byKey(ctx, host, target, known, &r, func(items []*keyring.Item) ([]*keyring.Item, error) {
		return withFingerprint(items, fingerprint)
	})
	return r, nil
}

// among chooses of a web key directory's answer, which may hold several certificates, those that are wanted.
func (f *Finder) among(known []string, wanted func(*keyring.Certificate) bool) choice {
	return func(body []byte) ([]*keyring.Item, error) {
		items, err := only(body, f.now(), isOneOf(known))
		if err != nil {
			return nil, err
		}
		items = slices.DeleteFunc(items, func(i *keyring.Item) bool { return !wanted(i.Certificate) })
		if len(items) == 0 {
			return nil, fmt.Errorf("it has other certificates for this address: %w", ErrAbsent)
		}
		return items[:1], nil
	}
}

// maxRefreshed is how many addresses of a certificate are asked for in a refresh.
const maxRefreshed = 3

// ByKeyID asks for the certificate of a signer who is known by key id only, 16 hexadecimal digits, and by the address that
// the message is from: the web key directory of the address, and when that has no such key, the keyserver. The certificate
// that comes must hold a key with this id; of its user IDs only those of the address are kept.
func (f *Finder) ByKeyID(ctx context.Context, keyID, address string) (Report, error) {
	if !isKeyID(keyID) {
		return Report{}, fmt.Errorf("%q is no key id; write 16 hexadecimal digits", keyID)
	}
	canonical, err := keyring.CanonicalAddress(address)
	if err != nil {
		return Report{}, fmt.Errorf("%q is %w; write it as local@domain", address, err)
	}
	var r Report
	if f.WKD {
		f.wkd(ctx, canonical, &r, f.among([]string{canonical}, func(c *keyring.Certificate) bool { return holds(c, keyID) }))
	}
	if len(r.Findings) > 0 || f.Keyserver == "" {
		return r, nil
	}
	host, hkp := f.keyserver()
	target := "https://" + host + "/vks/v1/by-keyid/" + keyID
	if hkp {
		target = "https://" + host + "/pks/lookup?op=get&options=mr&search=0x" + keyID
	}
	f.byKey(ctx, host, target, []string{canonical}, &r, func(items []*keyring.Item) ([]*keyring.Item, error) {
		return withKeyID(items, keyID)
	})
	return r, nil
}

// byKey asks for one key, keeps the user IDs of the known addresses, and has what came checked again.
func (f *Finder) byKey(ctx context.Context, host, target string, known []string, r *Report, check func([]*keyring.Item) ([]*keyring.Item, error)) {
	body, err := f.fetch(ctx, host, target)
	var items []*keyring.Item
	if err == nil {
		items, err = only(body, f.now(), isOneOf(known))
	}
	if err == nil {
		items, err = check(items)
	}
	address := ""
	if len(known) == 1 {
		address = known[0]
	}
	r.add(keyring.Keyserver, target, findings(keyring.Keyserver, address, target, items), err)
}

func isOneOf(known []string) func(string) bool {
	return func(address string) bool {
		for _, k := range known {
			if isAddress(k)(address) {
				return true
			}
		}
		return false
	}
}

func withKeyID(items []*keyring.Item, keyID string) ([]*keyring.Item, error) {
	for _, i := range items {
		if holds(i.Certificate, keyID) {
			return []*keyring.Item{i}, nil
		}
	}
	return nil, fmt.Errorf("it holds no key with this id: %w", ErrUnusable)
}

// holds tells whether one of a certificate's keys has this id.
func holds(c *keyring.Certificate, keyID string) bool {
	return c.KeyID == keyID || slices.ContainsFunc(c.Subkeys, func(s keyring.Subkey) bool { return s.KeyID == keyID })
}

func isFingerprint(s string) bool {
	return regexp.MustCompile(`^([0-9A-F]{40}|[0-9A-F]{64})$`).MatchString(s)
}

func isKeyID(s string) bool { return regexp.MustCompile(`^[0-9A-F]{16}$`).MatchString(s) }
