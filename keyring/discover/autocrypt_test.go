package discover

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/keyring"
)

func field(t *testing.T, addr string, e *openpgp.Entity, attributes string) string {
	t.Helper()
	return " addr=" + addr + "; " + attributes + "keydata=" + base64.StdEncoding.EncodeToString(public(t, e))
}

func all() Look { return Look{Autocrypt: true, Attached: true, Gossip: true} }

func TestWhichAutocryptFieldCounts(t *testing.T) {
	joe := newKey(t, "joe@example.test")
	good := field(t, "Joe@Example.TEST", joe, "prefer-encrypt=mutual; _hint=x; ")
	other := field(t, "other@example.test", newKey(t, "other@example.test"), "")
	folded := good[:120] + "\r\n " + good[120:200] + "\r\n\t" + good[200:]
	from := []string{"joe@example.test"}
	cases := map[string]struct {
		mail  Mail
		taken bool
	}{
		"one":                       {Mail{From: from, Autocrypt: []string{good}}, true},
		"folded":                    {Mail{From: from, Autocrypt: []string{folded}}, true},
		"none":                      {Mail{From: from}, false},
		"two valid":                 {Mail{From: from, Autocrypt: []string{good, good}}, false},
		"one valid, one broken":     {Mail{From: from, Autocrypt: []string{"addr=x", good}}, true},
		"one valid, one for others": {Mail{From: from, Autocrypt: []string{other, good}}, true},
		"for another address":       {Mail{From: from, Autocrypt: []string{other}}, false},
		"two senders":               {Mail{From: []string{"joe@example.test", "x@example.test"}, Autocrypt: []string{good}}, false},
		"no sender":                 {Mail{Autocrypt: []string{good}}, false},
		"a report":                  {Mail{From: from, Report: true, Autocrypt: []string{good}}, false},
		"unknown critical":          {Mail{From: from, Autocrypt: []string{field(t, "joe@example.test", joe, "strange=1; ")}}, false},
		"too large":                 {Mail{From: from, Autocrypt: []string{field(t, "joe@example.test", joe, "_pad="+strings.Repeat("a", 11<<10)+"; ")}}, false},
		"without keydata":           {Mail{From: from, Autocrypt: []string{"addr=joe@example.test"}}, false},
		"without addr":              {Mail{From: from, Autocrypt: []string{"keydata=AAAA"}}, false},
		"addr twice":                {Mail{From: from, Autocrypt: []string{"addr=joe@example.test;" + good}}, false},
		"not base64":                {Mail{From: from, Autocrypt: []string{"addr=joe@example.test; keydata=%%%"}}, false},
		"the key of another":        {Mail{From: from, Autocrypt: []string{field(t, "joe@example.test", newKey(t, "x@example.test"), "")}}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			in := FromMail(c.mail, all(), noon())
			if taken := in.Direct != nil; taken != c.taken || taken != (len(in.Findings) == 1) {
				t.Fatalf("taken %v, %d findings, %v", taken, len(in.Findings), in.Why)
			}
			if c.taken && (in.Findings[0].Source != keyring.Autocrypt || !in.Mutual || in.Direct.Item.Certificate.Fingerprint != fingerprintOf(joe)) {
				t.Errorf("%+v", in)
			}
		})
	}
}

func TestGossipIsOnlyAboutTheMessagesOwnRecipients(t *testing.T) {
	ann := newKey(t, "ann@example.test")
	m := Mail{
		From: []string{"joe@example.test"}, To: []string{"ann@example.test", "bob@example.test"},
		Gossip: []string{
			field(t, "ann@example.test", ann, "prefer-encrypt=mutual; "), field(t, "ann@example.test", newKey(t, "ann@example.test"), ""),
			field(t, "eve@example.test", newKey(t, "eve@example.test"), ""), "addr=bob@example.test; keydata=",
		},
	}
	in := FromMail(m, all(), noon())
	if len(in.Findings) != 1 || in.Findings[0].Source != keyring.Gossip || in.Findings[0].Item.Certificate.Fingerprint != fingerprintOf(ann) || in.Mutual {
		t.Errorf("%+v", in)
	}
	if in := FromMail(m, Look{Autocrypt: true, Attached: true}, noon()); len(in.Findings) != 0 {
		t.Errorf("taken while gossip is off: %+v", in)
	}
}

func TestAttachedKeysCountForTheSenderOnly(t *testing.T) {
	joe, ann := newKey(t, "joe@example.test", "boss@example.test"), newKey(t, "ann@example.test")
	m := Mail{From: []string{"joe@example.test"}, Attached: [][]byte{public(t, ann), public(t, joe), []byte("noise")}}
	in := FromMail(m, all(), noon())
	if len(in.Findings) != 1 || in.Findings[0].Source != keyring.Attachment || len(in.Why) != 2 {
		t.Fatalf("%+v", in)
	}
	if got := in.Findings[0].Item.Certificate.Addresses(); len(got) != 1 || got[0] != "joe@example.test" {
		t.Errorf("kept %v", got)
	}
	m.From = append(m.From, "ann@example.test")
	if in := FromMail(m, all(), noon()); len(in.Findings) != 0 {
		t.Error("taken from a message with two senders")
	}
}

func TestASecretKeyIsNeverTaken(t *testing.T) {
	var b strings.Builder
	if err := newKey(t, "joe@example.test").SerializePrivateWithoutSigning(&b, nil); err != nil {
		t.Fatal(err)
	}
	in := FromMail(Mail{From: []string{"joe@example.test"}, Attached: [][]byte{[]byte(b.String())}}, all(), noon())
	if len(in.Findings) != 0 || len(in.Why) != 1 || !strings.Contains(in.Why[0].Error(), "secret key") {
		t.Errorf("%+v", in)
	}
}

func TestAutocryptStateMovesOnlyForward(t *testing.T) {
	day := 24 * time.Hour
	p := Peer{Address: "joe@example.test"}.Seen(noon(), "A", true)
	if late := p.Seen(noon().Add(-day), "B", false); late != p {
		t.Errorf("an older message changed it: %+v", late)
	}
	if p.Stale() || p.Seen(noon().Add(35*day), "", false).Stale() {
		t.Error("stale too early")
	}
	gone := p.Seen(noon().Add(35*day+time.Second), "", false)
	if !gone.Stale() || gone.Fingerprint != "A" {
		t.Errorf("%+v", gone)
	}
	if back := gone.Seen(noon().Add(36*day), "C", false); back.Stale() || back.Fingerprint != "C" {
		t.Errorf("%+v", back)
	}
	g := p.Heard(noon(), "G").Heard(noon().Add(-day), "H")
	if g.Gossiped != "G" || g.Fingerprint != "A" {
		t.Errorf("gossip: %+v", g)
	}
}

func TestForHowLongAKeyWasNotSeen(t *testing.T) {
	day := 24 * time.Hour
	p := Peer{Address: "joe@example.test"}
	if p.Unseen(noon()) != 0 {
		t.Error("a key that was never shown is unseen")
	}
	p = p.Seen(noon(), "A", true)
	for since, want := range map[time.Duration]int{0: 0, 35 * day: 0, 35*day + 1: 35, 50*day + time.Hour: 50} {
		if got := p.Unseen(noon().Add(since)); got != want {
			t.Errorf("after %s: %d days", since, got)
		}
	}
}

// What an old message shows may be out of use by now: what its mailbox held when we first looked into it, say.
func TestWhatAnOldMessageShowsIsStale(t *testing.T) {
	joe := newKey(t, "joe@example.test")
	for age, stale := range map[time.Duration]bool{time.Hour: false, 35 * 24 * time.Hour: false, 36 * 24 * time.Hour: true} {
		m := Mail{
			From: []string{"joe@example.test"}, Date: noon().Add(-age), Received: noon(),
			Autocrypt: []string{field(t, "joe@example.test", joe, "")}, Attached: [][]byte{public(t, joe)},
		}
		in := FromMail(m, all(), noon())
		if len(in.Findings) != 2 || in.Findings[0].Stale != stale || in.Findings[1].Stale != stale {
			t.Errorf("of %s ago: %+v", age, in.Findings)
		}
	}
}

func TestADateInTheFutureCountsAsNow(t *testing.T) {
	m := Mail{Date: noon().Add(time.Hour), Received: noon()}
	if !m.Effective().Equal(noon()) {
		t.Error(m.Effective())
	}
	if m.Date = noon().Add(-time.Hour); !m.Effective().Equal(m.Date) {
		t.Error(m.Effective())
	}
}
