package web

import (
	"bytes"
	"net/http"
	"testing"
	"time"

	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
)

// TestMinimalCertificate: page and API give the certificate without what is of no use any more, and it still serves.
func TestMinimalCertificate(t *testing.T) {
	b := newBench(t)
	b.desk(nil)
	b.person("root", groups.Admin)
	own := b.certificateOf(support)
	for years := range 3 {
		b.clock.Add(time.Minute)
		if _, err := b.gateway.ExtendKey(t.Context(), admin(), own.Fingerprint, b.clock.Now().AddDate(4+years, 0, 0)); err != nil {
			t.Fatal(err)
		}
	}
	v, p := b.as("root"), b.program(b.person("robot", groups.Admin))
	at := "/keyring/" + own.Fingerprint
	v.get(at).says(t, http.StatusOK, `href="`+at+`/public.asc?minimal=yes"`)
	whole, small := v.get(at+"/public.asc"), v.get(at+"/public.asc?minimal=yes")
	if len(small.body) >= len(whole.body) {
		t.Errorf("minimal has %d octets, the whole %d", len(small.body), len(whole.body))
	}
	binary := v.get(at + "/public.pgp?minimal=yes")
	api := p.call("GET", "/certificates/"+own.Fingerprint+"/export?minimal=true&binary=true", nil, nil)
	if binary.status != http.StatusOK || binary.body != api.body {
		t.Errorf("page and API differ: %d and %d octets", len(binary.body), len(api.body))
	}
	items, err := keyring.Parse([]byte(small.body), b.clock.Now())
	if err != nil || len(items) != 1 || items[0].Err != nil || items[0].HasSecret {
		t.Fatalf("%+v, %v", items, err)
	}
	if c := items[0].Certificate; !c.Expires.Equal(b.certificateOf(support).Expires) || !bytes.Equal(c.Entity.PrimaryKey.Fingerprint, own.Entity.PrimaryKey.Fingerprint) {
		t.Errorf("the minimal certificate ends %v", c.Expires)
	}
}
