package groups

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// anyRequest draws requests of every kind, unknown levels and rules without effect included.
func anyRequest() *rapid.Generator[Request] {
	level := rapid.SampledFrom([]Level{Off, Auto, On, Required, "", "banana"})
	toggle := rapid.SampledFrom([]Toggle{Unset, ToggleOn, ToggleOff})
	domain := rapid.SampledFrom([]string{"a.test", "b.test", "xn--bro-hoa.test", "büro.test"})
	rule := rapid.Custom(func(t *rapid.T) DomainRule {
		return DomainRule{Domain: domain.Draw(t, "domain"), Sign: level.Draw(t, "sign"), Encrypt: level.Draw(t, "encrypt")}
	})
	recipient := rapid.Custom(func(t *rapid.T) Recipient {
		return Recipient{
			Address:   fmt.Sprintf("%c@%s", rapid.RuneFrom([]rune("abcdü")).Draw(t, "local"), domain.Draw(t, "at")),
			Encrypted: rapid.Bool().Draw(t, "encrypted"),
			Problem:   rapid.String().Draw(t, "problem"),
		}
	})
	return rapid.Custom(func(t *rapid.T) Request {
		return Request{
			HouseSign: level.Draw(t, "house sign"), HouseEncrypt: level.Draw(t, "house encrypt"),
			Sign: level.Draw(t, "sign"), Encrypt: level.Draw(t, "encrypt"),
			Rules:           rapid.SliceOfN(rule, 0, 3).Draw(t, "rules"),
			Mixed:           rapid.SampledFrom([]Mixed{MixedRefuse, MixedSplit, ""}).Draw(t, "mixed"),
			ThreadEncrypted: rapid.Bool().Draw(t, "thread"),
			Content:         rapid.SampledFrom([]string{"", "it is marked private"}).Draw(t, "content"),
			ToggleSign:      toggle.Draw(t, "toggle sign"), ToggleEncrypt: toggle.Draw(t, "toggle encrypt"),
			ByAdmin: rapid.Bool().Draw(t, "admin"), CanSign: rapid.Bool().Draw(t, "can sign"),
			SignProblem: rapid.String().Draw(t, "sign problem"),
			Recipients:  rapid.SliceOfN(recipient, 0, 4).Draw(t, "recipients"),
		}
	})
}

// worse returns r with one thing added or broken that must not weaken protection.
func worse(t *rapid.T, r Request) Request {
	r.Rules, r.Recipients = slices.Clone(r.Rules), slices.Clone(r.Recipients)
	switch rapid.IntRange(0, 6).Draw(t, "what breaks") {
	case 0:
		r.Rules = append(r.Rules, anyRequest().Draw(t, "another").Rules...)
	case 1:
		for i := range r.Recipients {
			r.Recipients[i].Encrypted = r.Recipients[i].Encrypted && rapid.Bool().Draw(t, "still there")
		}
	case 2:
		r.Recipients = append(r.Recipients, anyRequest().Draw(t, "another").Recipients...)
	case 3:
		r.CanSign = false
	case 4:
		r.ThreadEncrypted = true
	case 6:
		r.HouseEncrypt = stronger(r.HouseEncrypt, On)
	case 5:
		r.Content = "its subject matches x"
	}
	return r
}

func stronger(a, b Level) Level {
	if a == "" || rank(b) > rank(a) {
		return b
	}
	return a
}

func TestNothingMissingEverTurnsProtectionOff(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := anyRequest().Draw(t, "request")
		after := worse(t, before)
		was, is := Decide(before), Decide(after)
		if rank(is.Encrypt.Level) < rank(was.Encrypt.Level) || rank(is.Sign.Level) < rank(was.Sign.Level) {
			t.Fatalf("a level fell: %+v, then %+v", was, is)
		}
		// What auto switched on may end with the certificate; what a level or a person switched on may not.
		if was.Encrypt.Do && was.Encrypt.Level != Auto && !is.Encrypt.Do {
			t.Fatalf("encryption was switched off: %+v, then %+v", was, is)
		}
		if was.Encrypt.Do && before.ToggleEncrypt == ToggleOn && !is.Encrypt.Do {
			t.Fatalf("the agent's choice was dropped: %+v, then %+v", was, is)
		}
		if was.Sign.Do && was.Sign.Level != Auto && !is.Sign.Do {
			t.Fatalf("signing was switched off: %+v, then %+v", was, is)
		}
	})
}

func TestWhatMayLeaveIsProtectedForEverybody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := anyRequest().Draw(t, "request")
		d := Decide(r)
		if len(d.Refusals) > 0 {
			return
		}
		if d.Sign.Do && !r.CanSign {
			t.Fatalf("signing without a key is not refused: %+v", d)
		}
		if d.Encrypt.Do && len(r.Recipients) == len(d.Notices) {
			t.Fatalf("nobody gets the message: %+v", d)
		}
		for _, to := range r.Recipients {
			noticed := slices.Contains(d.Notices, to.Address)
			if d.Encrypt.Do && !to.Encrypted && !noticed {
				t.Fatalf("%s would get it in clear: %+v", to.Address, d)
			}
			if noticed && !d.Encrypt.Do {
				t.Fatalf("%s gets a notice about a clear message: %+v", to.Address, d)
			}
		}
	})
}

func TestOnlyAToggleSwitchesOffAndOnlyAnAdminWhatIsRequired(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := anyRequest().Draw(t, "request")
		d := Decide(r)
		for _, c := range []struct {
			ruling Ruling
			asked  Toggle
		}{{d.Encrypt, r.ToggleEncrypt}, {d.Sign, r.ToggleSign}} {
			if rank(c.ruling.Level) >= rank(On) && !c.ruling.Do && c.asked != ToggleOff {
				t.Fatalf("off without a toggle: %+v", c.ruling)
			}
			if c.ruling.Level == Required && !c.ruling.Do && !r.ByAdmin {
				t.Fatalf("an agent switched off what is required: %+v", c.ruling)
			}
			if c.ruling.Because == "" || c.ruling.Rule == "" {
				t.Fatalf("a ruling without a reason: %+v", c.ruling)
			}
		}
	})
}

func TestSentencesArePlain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Decide(anyRequest().Draw(t, "request"))
		texts := append(sentences(d), d.Sign.Because, d.Encrypt.Because)
		for _, text := range texts {
			for _, c := range []byte(text) {
				if c < ' ' || c > '~' {
					t.Fatalf("not printable ASCII: %q", text)
				}
			}
		}
	})
}
