package main

import (
	"strings"
	"testing"

	"github.com/sealgate/sealgate/keyring/publish"
)

// TestPublishedCommand says for each address what everybody may read, and where.
func TestPublishedCommand(t *testing.T) {
	k := newKeyDesk(t, "sqlite:data/sealgate.db")
	k.fails("", []string{"published"}, "no group writes as this")
	must(t, "", "-c", k.config, "group", "save", "Support", "--address", "support@desk.test", "--address", "sales@desk.test")
	fp := strings.TrimSpace(k.do("", "generate", "support@desk.test"))
	k.imported("customer@example.org")
	out := k.do("", "published")
	for _, want := range []string{
		"support@desk.test  usable  " + fp, "page: /keys/support@desk.test\n",
		"https://openpgpkey.desk.test/.well-known/openpgpkey/desk.test/hu/" + publish.Hash("support") + "?l=support\n",
		"or: https://desk.test/.well-known/openpgpkey/hu/" + publish.Hash("support") + "?l=support\n",
		"sales@desk.test  nothing is published: make its key with sealgate key generate sales@desk.test\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "customer") {
		t.Errorf("a customer is published:\n%s", out)
	}
	k.do("", "revoke", fp, "--reason", "retired", "--yes")
	k.says("support@desk.test  revoked  "+fp, "published", "Support@desk.test")
	second := strings.TrimSpace(k.do("", "generate", "support@desk.test"))
	k.says("support@desk.test  usable  "+second+"\n    and, as revoked, "+fp, "published", "support@desk.test")
	k.fails("", []string{"published", "nobody@desk.test"}, "no group writes as this")
}
