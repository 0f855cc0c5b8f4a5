package gateway_test

import (
	"bytes"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/keyring"
	"github.com/sealgate/sealgate/keyring/discover"
)

// withKeyserver gives the house a keyserver to upload to, which is asked over TLS.
func (h *house) withKeyserver(serve http.HandlerFunc) {
	internet := bed.NewInternet(h.t)
	internet.Serve("keys.test", serve)
	h.Publishing.Keyserver = "https://keys.test"
	h.Publishing.Network = &discover.Network{Resolver: internet, Roots: internet.Roots, Standing: internet.Standing}
}

// TestUpload is the life of a certificate on a keyserver: it is uploaded, the mail is asked for once, the link in it is
// followed, and later a revocation is uploaded.
func TestUpload(t *testing.T) {
	h := newHouse(t)
	vks := bed.NewVKS()
	h.withKeyserver(vks.ServeHTTP)
	fp := h.own.Fingerprint
	upload := func(want string) {
		t.Helper()
		r, err := h.UploadCertificate(t.Context(), h.admin, fp, "")
		if err != nil || r.Keyserver != "keys.test" || r.Fingerprint != fp || len(r.Addresses) != 1 || r.Addresses[0] != (gateway.UploadedAddress{Address: support, Status: want}) {
			t.Fatalf("%+v, %v; want %s", r, err, want)
		}
	}
	upload("pending")
	upload("pending")
	if mails := vks.Mails(); !slices.Equal(mails, []string{support}) {
		t.Errorf("mails were asked for to %v", mails)
	}
	vks.Confirm(support)
	upload("published")
	h.passes(time.Minute)
	if _, err := h.RevokeKey(t.Context(), h.admin, fp, keyring.Superseded, ""); err != nil {
		t.Fatal(err)
	}
	h.passes(time.Minute)
	upload("published")
	items, err := keyring.Parse(vks.Holds(fp), h.Now())
	if err != nil || len(items) != 1 || !items[0].Certificate.Revoked || items[0].HasSecret {
		t.Errorf("the keyserver holds %+v, %v", items, err)
	}
	if e := h.entries("certificate.uploaded"); len(e) != 4 || e[0].Fingerprint != fp || e[0].Actor != h.admin.Name || e[0].Detail["keyserver"] != "keys.test" {
		t.Errorf("the log holds %+v", e)
	}
}

// TestOnlyOurAddressesAreVerified: nobody outside gets a mail because of our upload, and no customer's certificate leaves.
func TestOnlyOurAddressesAreVerified(t *testing.T) {
	h := newHouse(t)
	vks := bed.NewVKS()
	h.withKeyserver(vks.ServeHTTP)
	h.newGroup("Sales", "sales@desk.test")
	key := newKey(t, "sales@desk.test", 0)
	if err := key.AddUserId("", "", "me@home.test", configAt(newYear)); err != nil {
		t.Fatal(err)
	}
	h.imports(private(t, key), "")
	r, err := h.UploadCertificate(t.Context(), h.admin, fingerprint(key), "")
	if err != nil || len(r.Addresses) != 2 || r.Addresses[0].Status != "unpublished" || r.Addresses[1].Status != "pending" {
		t.Errorf("%+v, %v", r, err)
	}
	if mails := vks.Mails(); !slices.Equal(mails, []string{"sales@desk.test"}) {
		t.Errorf("mails were asked for to %v", mails)
	}
	customer := h.customer("customer@example.org")
	var problem *gateway.Problem
	if _, err := h.UploadCertificate(t.Context(), h.admin, fingerprint(customer), ""); !errors.As(err, &problem) || !strings.Contains(problem.Sentence, "for its owner to decide") {
		t.Errorf("a customer's certificate: %v", err)
	}
	if vks.Holds(fingerprint(customer)) != nil {
		t.Error("a customer's certificate was uploaded")
	}
	if bytes.Contains(vks.Holds(fingerprint(key)), []byte("PRIVATE")) {
		t.Error("a secret key was uploaded")
	}
}

// TestUploadFailsInWords: what the keyserver says reaches the admin; what left is in the log even when the rest fails.
func TestUploadFailsInWords(t *testing.T) {
	for name, c := range map[string]struct {
		keyserver string
		serve     http.HandlerFunc
		want      string
		entries   int
	}{
		"none configured": {"", nil, "set publish.keyserver", 0},
		"no URL":          {"keys.test", nil, `"keys.test" is no keyserver`, 0},
		"at home":         {"https://127.0.0.1", nil, "127.0.0.1 is no public name", 0},
		"HKP":             {"hkps://keys.test", nil, "no keyserver with the VKS interface", 0},
		"refused": {"https://keys.test", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			w.Write([]byte("{\"error\":\"too\\nlarge\"}"))
		}, `it says "too large"`, 0},
		"busy":            {"https://keys.test", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) }, "asks to wait", 0},
		"another's":       {"https://keys.test", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"key_fpr":"AB"}`)) }, "about another certificate", 0},
		"no verification": {"https://keys.test", onlyUploads(bed.NewVKS()), "is on the keyserver, but no mail was asked for", 1},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			if c.serve != nil {
				h.withKeyserver(c.serve)
				h.Publishing.Keyserver = ""
			}
			_, err := h.UploadCertificate(t.Context(), h.admin, h.own.Fingerprint, c.keyserver)
			var problem *gateway.Problem
			if !errors.As(err, &problem) || !strings.Contains(problem.Sentence, c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if e := h.entries("certificate.uploaded"); len(e) != c.entries {
				t.Errorf("the log holds %+v", e)
			}
		})
	}
}

// onlyUploads is a keyserver that sends no mail today.
func onlyUploads(vks *bed.VKS) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "request-verify") {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		vks.ServeHTTP(w, r)
	}
}

// TestUploadedAddressesHaveWords: each state says what to do next.
func TestUploadedAddressesHaveWords(t *testing.T) {
	for status, want := range map[string]string{
		"pending": "arrives as a ticket: open the link", "published": "Others find", "revoked": "learns of the revocation", "unpublished": "no group of ours writes as it",
	} {
		if got := (gateway.UploadedAddress{Status: status}).Sentence(); !strings.Contains(got, want) {
			t.Errorf("%s: %q", status, got)
		}
	}
}
