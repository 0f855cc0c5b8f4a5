package bed

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// TestVKSKeepsItsRules: no mail without a token of this keyserver, none to an address that is not in the certificate, none
// twice, and nothing is found by an address that was not confirmed.
func TestVKSKeepsItsRules(t *testing.T) {
	k := NewVKS()
	certificate := armoredFor(t, "a@desk.test")
	ask := func(path string, question map[string]any) (status int, token, state string) {
		t.Helper()
		body, err := json.Marshal(question)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodPost, "/vks/v1/"+path, bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		k.ServeHTTP(w, r)
		var answer struct {
			Token  string
			Status map[string]string
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatalf("%s: %s", path, w.Body)
		}
		return w.Code, answer.Token, answer.Status["a@desk.test"]
	}
	found := func() int {
		w := httptest.NewRecorder()
		k.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/vks/v1/by-email/a@desk.test", nil))
		return w.Code
	}
	if status, _, _ := ask("upload", map[string]any{"keytext": "no key"}); status != http.StatusBadRequest {
		t.Errorf("what is no key: %d", status)
	}
	status, token, state := ask("upload", map[string]any{"keytext": certificate})
	if status != http.StatusOK || state != "unpublished" || found() != http.StatusNotFound {
		t.Fatalf("upload: %d, %s", status, state)
	}
	for name, question := range map[string]map[string]any{
		"a wrong token":     {"token": "x", "addresses": []string{"a@desk.test"}},
		"another's address": {"token": token, "addresses": []string{"b@desk.test"}},
	} {
		if status, _, _ := ask("request-verify", question); status != http.StatusBadRequest {
			t.Errorf("%s: %d", name, status)
		}
	}
	for range 2 {
		if _, _, state := ask("request-verify", map[string]any{"token": token, "addresses": []string{"a@desk.test"}}); state != "pending" || found() != http.StatusNotFound {
			t.Errorf("before the link was followed: %s", state)
		}
	}
	if got := strings.Join(k.Mails(), " "); got != "a@desk.test" {
		t.Errorf("mails to %s", got)
	}
	if k.Confirm("a@desk.test"); found() != http.StatusOK {
		t.Error("a confirmed address is not found")
	}
}

func armoredFor(t *testing.T, address string) string {
	t.Helper()
	key, err := openpgp.NewEntity("", "", address, nil)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w, err := armor.Encode(&b, openpgp.PublicKeyType, nil)
	if err == nil {
		err = key.Serialize(w)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
