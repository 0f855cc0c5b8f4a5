package resolve

import (
	"bytes"
	"testing"

	"github.com/miekg/dns"
)

// FuzzText: a TXT record's bytes come out as they went in, whatever they are.
func FuzzText(f *testing.F) {
	f.Add([]byte(`v=STSv1; id="1\;\065`))
	f.Add([]byte{0, 255, '\\', '"', 10})
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) == 0 || len(text) > 255 {
			return
		}
		owner := []byte{1, 'a', 0, 0, 16, 0, 1, 0, 0, 0, 0, 0, byte(len(text) + 1), byte(len(text))}
		if len(text) == 255 {
			owner[11], owner[12] = 1, 0
		}
		rr, _, err := dns.UnpackRR(append(owner, text...), 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := joined(rr.(*dns.TXT).Txt); !bytes.Equal([]byte(got), text) {
			t.Fatalf("%q came out as %q", text, got)
		}
	})
}

// FuzzAliases: no set of records makes the search for the owner endless.
func FuzzAliases(f *testing.F) {
	f.Add([]byte("abbcca"))
	f.Fuzz(func(t *testing.T, pairs []byte) {
		var records []dns.RR
		for i := 0; i+1 < len(pairs) && i < 200; i += 2 {
			owner, target := string('a'+pairs[i]%26)+".test.", string('a'+pairs[i+1]%26)+".test."
			records = append(records, &dns.CNAME{Hdr: dns.RR_Header{Name: owner, Rrtype: dns.TypeCNAME}, Target: target})
		}
		if name, err := behindAliases(records, "a.test."); (name == "") == (err == nil) {
			t.Fatalf("%q, %v", name, err)
		}
	})
}
