package discover

import (
	"encoding/base64"
	"strings"
	"testing"
)

func FuzzParseHeader(f *testing.F) {
	f.Add("addr=a@example.test; prefer-encrypt=mutual; keydata=AAAA")
	f.Add("addr=a@example.test; _x=1;;keydata=AA\r\n AA")
	f.Add("=;=;addr")
	f.Fuzz(func(t *testing.T, value string) {
		h, err := ParseHeader(value)
		if err == nil && (h.Address == "" || len(h.KeyData) == 0 || len(value) > maxAutocrypt) {
			t.Errorf("taken: %+v", h)
		}
	})
}

func FuzzForAddress(f *testing.F) {
	key := public(f, newKey(f, "joe@example.test", "other@example.test"))
	f.Add(key)
	f.Add(key[:len(key)/2])
	f.Add([]byte("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n"))
	f.Add([]byte("<html>"))
	f.Fuzz(func(t *testing.T, body []byte) {
		items, err := forAddress(body, "joe@example.test", noon())
		if (err == nil) == (len(items) == 0) {
			t.Fatalf("%d items, %v", len(items), err)
		}
		for _, i := range items {
			if i.HasSecret {
				t.Error("a secret key was taken")
			}
			for _, id := range i.Certificate.UserIDs {
				if id.Address != "joe@example.test" {
					t.Errorf("kept %q", id.Text)
				}
			}
		}
	})
}

func FuzzFromMail(f *testing.F) {
	keydata := base64.StdEncoding.EncodeToString(public(f, newKey(f, "joe@example.test")))
	f.Add("joe@example.test", "addr=joe@example.test; keydata="+keydata, "addr=ann@example.test; keydata="+keydata)
	f.Add("", "", "")
	f.Fuzz(func(t *testing.T, from, direct, gossip string) {
		m := Mail{From: []string{from}, To: []string{"ann@example.test"}, Autocrypt: []string{direct}, Gossip: []string{gossip}, Attached: [][]byte{[]byte(direct)}}
		for _, finding := range FromMail(m, all(), noon()).Findings {
			if !strings.EqualFold(finding.Address, from) && finding.Address != "ann@example.test" {
				t.Errorf("found one for %q", finding.Address)
			}
		}
	})
}

func FuzzCheckURL(f *testing.F) {
	f.Add("https://keys.test/")
	f.Add("https://[::1]:443/")
	f.Add("https://a.test:443@127.0.0.1/")
	f.Fuzz(func(t *testing.T, target string) {
		if checkURL(target) == nil && !strings.HasPrefix(strings.ToLower(target), "https:") {
			t.Errorf("%q may be asked", target)
		}
	})
}
