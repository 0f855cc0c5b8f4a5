package gateway_test

import (
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/groups"
	"pgregory.net/rapid"
)

func TestTheControlHeaderDecidesAndNeverLeaves(t *testing.T) {
	cases := []struct {
		policy string
		want   pgpmime.Protection
	}{
		{"encrypt=on; sign=on", pgpmime.SignedEncrypted},
		{"encrypt=on; sign=off", pgpmime.Encrypted},
		{"sign=on; encrypt=off", pgpmime.Signed},
		{"sign=off; encrypt=off", pgpmime.Clear},
		{"ENCRYPT=ON", pgpmime.Encrypted},
		{"encrypt=auto", pgpmime.Clear},
	}
	for _, c := range cases {
		t.Run(c.policy, func(t *testing.T) {
			h := newHouse(t, encrypt(groups.Off), sign(groups.Off))
			carl := h.customer("carl@customer.test")
			h.sent(letter{to: []string{"carl@customer.test"}, fields: []string{"Sealgate-Policy: " + c.policy, "Sealgate-Note: mine"}})
			left := h.copyFor("carl@customer.test")
			if left.Protection != c.want {
				t.Errorf("left %s, want %s", left.Protection, c.want)
			}
			inside := left.payload
			if c.want == pgpmime.Encrypted || c.want == pgpmime.SignedEncrypted {
				inside = string(left.openedBy(carl).Message)
			}
			for _, s := range []string{left.payload, inside} {
				if strings.Contains(s, "Sealgate-Policy") || strings.Contains(s, "Sealgate-Note") {
					t.Errorf("a control header left:\n%s", s)
				}
			}
		})
	}
}

func TestAnUnreadableToggleIsRefused(t *testing.T) {
	h := newHouse(t, subjectTags)
	h.customer("carl@customer.test")
	h.refused(letter{to: []string{"carl@customer.test"}, fields: []string{"Sealgate-Policy: encrypt=yes"}})
	h.refused(letter{to: []string{"carl@customer.test"}, fields: []string{"Sealgate-Policy: encrypt=on", "Sealgate-Policy: encrypt=off"}})
	h.refused(letter{to: []string{"carl@customer.test"}, subject: "[encrpyt] Hello"})
	h.refused(letter{to: []string{"carl@customer.test"}, subject: "[encrypt] [noencrypt] Hello"})
}

func TestASubjectTagDecidesAndIsTakenOut(t *testing.T) {
	h := newHouse(t, encrypt(groups.Off), subjectTags)
	carl := h.customer("carl@customer.test")
	id := h.sent(letter{to: []string{"carl@customer.test"}, subject: "[encrypt] Your contract"})
	left := h.copyFor("carl@customer.test")
	opened := left.openedBy(carl)
	if left.Protection != pgpmime.SignedEncrypted || opened.Subject != "Your contract" {
		t.Errorf("left %s with the subject %q", left.Protection, opened.Subject)
	}
	if strings.Contains(left.payload+string(opened.Message), "[encrypt]") {
		t.Error("the tag left")
	}
	if article, err := h.Archive.Get(t.Context(), id); err != nil || article.Subject != "Your contract" {
		t.Errorf("the article's subject is %q (%v)", article.Subject, err)
	}
}

func TestASubjectTagIsWordsWhereTheGroupDoesNotAllowIt(t *testing.T) {
	h := newHouse(t, encrypt(groups.Off), sign(groups.Off))
	h.customer("carl@customer.test")
	h.sent(letter{to: []string{"carl@customer.test"}, subject: "[encrypt] Your contract"})
	if c := h.copyFor("carl@customer.test"); c.Protection != pgpmime.Clear || !strings.Contains(c.header(), "Subject: [encrypt] Your contract") {
		t.Errorf("left %s:\n%s", c.Protection, c.header())
	}
}

func TestTheHeaderWinsOverTheTag(t *testing.T) {
	h := newHouse(t, encrypt(groups.Off), subjectTags)
	h.customer("carl@customer.test")
	h.sent(letter{to: []string{"carl@customer.test"}, subject: "[noencrypt] Hello", fields: []string{"Sealgate-Policy: encrypt=on"}})
	if c := h.copyFor("carl@customer.test"); c.Protection != pgpmime.SignedEncrypted {
		t.Errorf("left %s", c.Protection)
	}
}

func TestAnAgentCannotSwitchOffWhatIsRequired(t *testing.T) {
	for name, l := range map[string]letter{
		"by header": {fields: []string{"Sealgate-Policy: encrypt=off"}},
		"by tag":    {subject: "[noencrypt] Hello"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, encrypt(groups.Required), subjectTags)
			carl := h.customer("carl@customer.test")
			l.to = []string{"nobody@customer.test"}
			h.refused(l)
			l.to = []string{"carl@customer.test"}
			h.sent(l)
			c := h.copyFor("carl@customer.test")
			if strings.Contains(c.payload, canary) || !strings.Contains(string(c.openedBy(carl).Message), canary) {
				t.Errorf("left %s", c.Protection)
			}
		})
	}
}

func TestAReplyIntoAThreadThatCameEncryptedIsEncrypted(t *testing.T) {
	h := newHouse(t, encrypt(groups.Off), sign(groups.Off))
	h.customer("carl@customer.test")
	if err := h.Receive(t.Context(), arrival(h.box, 1, fromCustomer(t, "secret@customer.test", h.own.Entity))); err != nil {
		t.Fatal(err)
	}
	if err := h.Receive(t.Context(), arrival(h.box, 2, fromCustomer(t, "plain@customer.test"))); err != nil {
		t.Fatal(err)
	}
	for parent, refused := range map[string]bool{"secret@customer.test": true, "plain@customer.test": false} {
		for _, field := range []string{"In-Reply-To: <" + parent + ">", "References: <first@customer.test>\r\n <" + parent + ">"} {
			_, err := h.submit(letter{to: []string{"nobody@customer.test"}, fields: []string{field}})
			if (err != nil) != refused {
				t.Errorf("%s to one without a certificate: %v", field, err)
			}
		}
	}
	h.sent(letter{to: []string{"carl@customer.test"}, fields: []string{"In-Reply-To: <secret@customer.test>"}})
	if c := h.copyFor("carl@customer.test"); c.Protection != pgpmime.Encrypted {
		t.Errorf("the reply left %s", c.Protection)
	}
}

// Whatever is missing and whatever is asked for: what must be encrypted never stands in clear in the queue.
func TestNothingMakesRequiredMailLeaveInClear(t *testing.T) {
	houses := map[groups.Mixed]*house{}
	for _, mixed := range []groups.Mixed{groups.MixedRefuse, groups.MixedSplit} {
		h := newHouse(t, encrypt(groups.Required), subjectTags, func(g *groups.Group) { g.Mixed = mixed; g.AutoEncrypt = groups.Required })
		h.customer("carl@customer.test")
		h.customer("carla@customer.test")
		h.customerExpired("expired@customer.test")
		h.customerRevoked("revoked@customer.test")
		h.customerBlocked("blocked@customer.test")
		houses[mixed] = h
	}
	addresses := rapid.SliceOfN(rapid.SampledFrom([]string{
		"carl@customer.test", "carla@customer.test", "CARL@customer.test", "nobody@customer.test", "expired@customer.test",
		"revoked@customer.test", "blocked@customer.test", `"carl"@customer.test`, "carl@xn--mller-kva.test", support,
	}), 0, 3)
	optional := func(values ...string) *rapid.Generator[string] { return rapid.SampledFrom(append(values, "")) }
	rapid.Check(t, func(r *rapid.T) {
		h := houses[rapid.SampledFrom([]groups.Mixed{groups.MixedRefuse, groups.MixedSplit}).Draw(r, "mixed")]
		l := letter{
			to: append(addresses.Draw(r, "to"), "carla@customer.test"), cc: addresses.Draw(r, "cc"), bcc: addresses.Draw(r, "bcc"),
			subject: optional("[noencrypt] Hello", "[nosign] Hello", "[encrypt] Hello").Draw(r, "subject"),
		}
		for _, field := range []string{
			optional("Sealgate-Policy: encrypt=off; sign=off", "Sealgate-Policy: encrypt=auto", "Sealgate-Policy: encrypt=on").Draw(r, "policy"),
			optional("Auto-Submitted: auto-replied", "Precedence: bulk").Draw(r, "automatic"),
			optional(strings.Join(verification(), "\r\n")).Draw(r, "verify"),
		} {
			if field != "" {
				l.fields = append(l.fields, field)
			}
		}
		seen := map[string]bool{}
		for _, c := range h.copies() {
			seen[c.ID] = true
		}
		_, err := h.submit(l)
		for _, c := range h.copies() {
			if !seen[c.ID] && strings.Contains(c.payload, canary) {
				r.Fatalf("the body stands in clear in a copy to %v (%v)", c.addresses(), err)
			}
		}
	})
}
