package gateway

import (
	"testing"

	"github.com/sealgate/sealgate/groups"
)

// A login that is refused must not stop other mailboxes that send through the same server.
func TestDestinationsOfMailboxes(t *testing.T) {
	for want, m := range map[string]groups.Mailbox{
		"":                           {Login: "a", Out: groups.NextHop{Route: groups.Exchanges}},
		"mail.test:25":               {Login: "a", SMTP: groups.Upstream{Address: "mail.test:25"}},
		"mail.test:587 as support":   {Login: "support", SMTP: groups.Upstream{Address: "mail.test:587", Username: "u"}},
		"mail.test:587 as billing":   {Login: "billing", SMTP: groups.Upstream{Address: "mail.test:587"}, Out: groups.NextHop{Login: groups.LoginPresented}},
		"mail.test:587 as marketing": {Login: "marketing", SMTP: groups.Upstream{Address: "mail.test:587"}, Out: groups.NextHop{Login: groups.LoginOAuth}},
	} {
		if got := fixedDestination(m); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
