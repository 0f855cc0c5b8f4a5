package discover

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// keyserver serves certificates under the paths of VKS or HKP.
func (w *world) keyserver(pages map[string][]byte) {
	w.serve("keys.test", func(out http.ResponseWriter, r *http.Request) {
		body, ok := pages[r.URL.RequestURI()]
		if !ok {
			http.NotFound(out, r)
			return
		}
		out.Write(body)
	})
}

func TestAKeyserverIsAskedForAnAddress(t *testing.T) {
	body := public(t, newKey(t, "joe+x@example.test", "other@example.test"))
	for server, page := range map[string]string{
		"https://keys.test": "/vks/v1/by-email/joe+x@example.test",
		"hkps://keys.test":  "/pks/lookup?op=get&options=mr&exact=on&search=joe%2Bx%40example.test",
	} {
		t.Run(server, func(t *testing.T) {
			w := newWorld(t)
			w.keyserver(map[string][]byte{page: body})
			f := w.finder(server)
			f.WKD = false
			r, err := f.ByAddress(t.Context(), "joe+x@example.test")
			if err != nil || len(r.Findings) != 1 {
				t.Fatalf("%+v, %v", r, err)
			}
			if got := r.Findings[0].Item.Certificate.Addresses(); len(got) != 1 || got[0] != "joe+x@example.test" {
				t.Errorf("kept %v", got)
			}
		})
	}
}

func TestTheKeyserverComesAfterWKD(t *testing.T) {
	w := newWorld(t)
	w.serve("openpgpkey.example.test", answering(public(t, newKey(t, "joe@example.test")), nil))
	r, err := w.finder("https://keys.test").ByAddress(t.Context(), "joe@example.test")
	if err != nil || len(r.Findings) != 1 || len(r.Asks) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

// withoutUserIDs is what keys.openpgp.org sends of a certificate whose owner verified no address.
func withoutUserIDs(t *testing.T, e *openpgp.Entity) []byte {
	t.Helper()
	packets, err := readPackets(public(t, e))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	dropping := false
	for _, p := range packets {
		if p.Tag != 2 {
			dropping = p.Tag == tagUserID
		}
		if !dropping {
			if err := p.Serialize(&out); err != nil {
				t.Fatal(err)
			}
		}
	}
	return []byte(out.String())
}

func TestARefreshBringsRevocationsAndNoAddress(t *testing.T) {
	joe := newKey(t, "joe@example.test", "new@example.test")
	fingerprint := fingerprintOf(joe)
	if err := joe.Revoke(packet.KeyCompromised, "", &packet.Config{Time: func() time.Time { return noon().Add(-time.Hour) }}); err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string][]byte{"whole": public(t, joe), "without user IDs": withoutUserIDs(t, joe)} {
		for server, page := range map[string]string{
			"https://keys.test": "/vks/v1/by-fingerprint/" + fingerprint, "hkps://keys.test": "/pks/lookup?op=get&options=mr&search=0x" + fingerprint,
		} {
			t.Run(name+" "+server, func(t *testing.T) {
				w := newWorld(t)
				w.keyserver(map[string][]byte{page: body})
				f := w.finder(server)
				f.WKD = false
				r, err := f.Refresh(t.Context(), fingerprint, []string{"joe@example.test"})
				if err != nil || len(r.Findings) != 1 {
					t.Fatalf("%+v, %v", r, err)
				}
				c := r.Findings[0].Item.Certificate
				if !c.Revoked {
					t.Error("the revocation did not come")
				}
				for _, id := range c.UserIDs {
					if id.Address != "joe@example.test" {
						t.Errorf("it brought %s", id.Address)
					}
				}
			})
		}
	}
}

// After a rollover the directory has the new certificate first, and the old one with its revocation.
func TestARefreshFindsTheOldCertificateBesideTheNew(t *testing.T) {
	before, after := newKey(t, "joe@example.test"), newKey(t, "joe@example.test")
	if err := before.Revoke(packet.KeySuperseded, "", &packet.Config{Time: func() time.Time { return noon().Add(-time.Hour) }}); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.serve("openpgpkey.example.test", answering(append(public(t, after), public(t, before)...), nil))
	r, err := w.finder("").Refresh(t.Context(), fingerprintOf(before), []string{"joe@example.test"})
	if err != nil || len(r.Findings) != 1 || !r.Findings[0].Item.Certificate.Revoked {
		t.Errorf("%+v, %v", r, err)
	}
	r, err = w.finder("").Refresh(t.Context(), fingerprintOf(newKey(t, "joe@example.test")), []string{"joe@example.test"})
	if err != nil || len(r.Findings) != 0 || r.Asks[0].Answer != Absent || r.Postponed() {
		t.Errorf("of a certificate that it does not have: %+v, %v", r, err)
	}
}

func TestAnotherCertificateThanAskedForIsRefused(t *testing.T) {
	asked, other := newKey(t, "joe@example.test"), newKey(t, "joe@example.test")
	w := newWorld(t)
	w.serve("keys.test", answering(public(t, other), nil))
	f := w.finder("https://keys.test")
	if r, err := f.Refresh(t.Context(), fingerprintOf(asked), []string{"joe@example.test"}); err != nil || len(r.Findings) != 0 {
		t.Errorf("by fingerprint: %+v, %v", r, err)
	}
	if r, err := f.ByKeyID(t.Context(), asked.PrimaryKey.KeyIdString(), "joe@example.test"); err != nil || len(r.Findings) != 0 {
		t.Errorf("by key id: %+v, %v", r, err)
	}
	if r, err := f.ByKeyID(t.Context(), other.PrimaryKey.KeyIdString(), "joe@example.test"); err != nil || len(r.Findings) != 1 {
		t.Errorf("by its own key id: %+v, %v", r, err)
	}
}

func TestUploadReportsTokenAndStatus(t *testing.T) {
	w := newWorld(t)
	var got map[string]string
	w.serve("keys.test", func(out http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/vks/v1/upload" && json.Unmarshal(body, &got) == nil {
			io.WriteString(out, `{"token":"tok","key_fpr":"ABCD","status":{"a@example.test":"unpublished"}}`)
			return
		}
		if r.URL.Path == "/vks/v1/request-verify" && strings.Contains(string(body), `"tok"`) {
			io.WriteString(out, `{"token":"tok","key_fpr":"ABCD","status":{"a@example.test":"pending"}}`)
			return
		}
		http.Error(out, "", http.StatusBadRequest)
	})
	f := w.finder("https://keys.test")
	u, err := f.Upload(t.Context(), []byte("-----BEGIN"))
	if err != nil || u.Token != "tok" || u.Status["a@example.test"] != "unpublished" || got["keytext"] != "-----BEGIN" {
		t.Fatalf("%+v, %v", u, err)
	}
	if u, err = f.RequestVerification(t.Context(), u.Token, []string{"a@example.test"}); err != nil || u.Status["a@example.test"] != "pending" {
		t.Errorf("%+v, %v", u, err)
	}
	if _, err := w.finder("hkps://keys.test").Upload(t.Context(), nil); err == nil {
		t.Error("an HKP server was used for an upload")
	}
}

func TestTheKeyserverOfTheConfigurationIsChecked(t *testing.T) {
	for server, good := range map[string]bool{
		"https://keys.openpgp.org": true, "hkps://keyserver.test/": true,
		"http://keys.test": false, "hkp://keys.test": false, "https://127.0.0.1": false, "https://keys.test:11371": false,
		"https://keys.test/path": false, "keys.test": false, "https://localhost": false,
	} {
		if err := CheckKeyserver(server); (err == nil) != good {
			t.Errorf("%s: %v", server, err)
		}
	}
}

func TestASilentDomainIsLeftAlone(t *testing.T) {
	now := noon()
	p := newPatience(func() time.Time { return now })
	failure := errors.New("no answer")
	for range breakAfter {
		if err := p.allow("dead.test"); err != nil {
			t.Fatal(err)
		}
		p.tell("dead.test", 0, failure)
	}
	if err := p.allow("dead.test"); !errors.Is(err, ErrLater) {
		t.Errorf("asked again at once: %v", err)
	}
	if err := p.allow("other.test"); err != nil {
		t.Errorf("another domain: %v", err)
	}
	now = now.Add(breakFor)
	if err := p.allow("dead.test"); err != nil {
		t.Errorf("after ten minutes: %v", err)
	}
	p.tell("dead.test", 0, failure)
	if err := p.allow("dead.test"); !errors.Is(err, ErrLater) {
		t.Errorf("one more failure did not close it again: %v", err)
	}
	now = now.Add(breakFor)
	p.tell("dead.test", 0, ErrAbsent)
	if err := p.allow("dead.test"); err != nil {
		t.Errorf("after an answer: %v", err)
	}
}

func TestADomainIsAskedAtMostSoOften(t *testing.T) {
	now := noon()
	p := newPatience(func() time.Time { return now })
	for range burst {
		if err := p.allow("a.test"); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.allow("a.test"); !errors.Is(err, ErrLater) {
		t.Errorf("more than the burst: %v", err)
	}
	now = now.Add(refill)
	if err := p.allow("a.test"); err != nil {
		t.Errorf("after a while: %v", err)
	}
	if err := p.allow("a.test"); !errors.Is(err, ErrLater) {
		t.Errorf("two after one refill: %v", err)
	}
	p.tell("b.test", 5*time.Minute, ErrLater)
	if err := p.allow("b.test"); !errors.Is(err, ErrLater) {
		t.Error("Retry-After was not kept")
	}
}
