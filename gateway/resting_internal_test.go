package gateway

import (
	"testing"

	"github.com/sealgate/sealgate/groups"
)

// What is wrong for one mailbox alone, its login or its policy, must not stop others that send to the same server.
func TestDestinationsOfMailboxes(t *testing.T) {
	hop := func(login, address, username string, out groups.NextHop) groups.Mailbox {
		return groups.Mailbox{Login: login, SMTP: groups.Upstream{Address: address, Username: username}, Out: out}
	}
	for _, c := range []struct {
		mailbox groups.Mailbox
		address string
		want    string
	}{
		{hop("a", "mail.test:25", "", groups.NextHop{}), "ann@Red.test", "mail.test:25"},
		{hop("support", "mail.test:587", "u", groups.NextHop{}), "ann@red.test", "mail.test:587 as support"},
		{hop("billing", "mail.test:587", "", groups.NextHop{Login: groups.LoginPresented}), "ann@red.test", "mail.test:587 as billing"},
		{hop("sales", "mail.test:587", "", groups.NextHop{Login: groups.LoginOAuth}), "ann@red.test", "mail.test:587 as sales"},
		{hop("a", "", "", groups.NextHop{Route: groups.Exchanges}), "ann@Red.test", "red.test"},
		{hop("a", "", "", groups.NextHop{Route: groups.Exchanges, Policy: "auto"}), "bob@bücher.test", "xn--bcher-kva.test"},
		{hop("a", "", "", groups.NextHop{Route: groups.Exchanges, Policy: "verified"}), "ann@red.test", "red.test (verified)"},
		{hop("a", "", "", groups.NextHop{Route: groups.Exchanges, Policy: "verified"}), "ann", ""},
	} {
		if got := wayTo(wayOf(c.mailbox), c.address); got != c.want {
			t.Errorf("%s from %+v: %q, want %q", c.address, c.mailbox.Out, got, c.want)
		}
	}
}
