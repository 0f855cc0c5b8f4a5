package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/groups"
)

// TestFormsByCommand: the command line chooses how a group's mail looks under the names of page and API, changes only
// what is named, and says what does not go together.
func TestFormsByCommand(t *testing.T) {
	config := writeConfig(t, "domain: sealgate.test\n")
	save := func(options ...string) groups.Group {
		t.Helper()
		must(t, "", append([]string{"-c", config, "group", "save", "Support", "--address", support}, options...)...)
		var all []groups.Group
		if err := json.Unmarshal([]byte(must(t, "", "-c", config, "group", "list", "--json")), &all); err != nil {
			t.Fatal(err)
		}
		return all[0]
	}
	g := save()
	if g.HideSubject || g.KeepTicket || g.AttachKey || !g.Autocrypt || g.InlineIn != groups.InlineWhole {
		t.Errorf("a new group has %+v", g)
	}
	g = save("--hide-subject", "--keep-ticket", "--attach-key", "--no-autocrypt", "--inline-in", "any", "--rule", "court.test:on:on", "--rule", "old.test:off:off:inline")
	if !g.HideSubject || !g.KeepTicket || !g.AttachKey || g.Autocrypt || g.InlineIn != groups.InlineAny ||
		len(g.DomainRules) != 2 || g.DomainRules[0].Inline || !g.DomainRules[1].Inline {
		t.Errorf("all named: %+v", g)
	}
	if again := save("--sign", "on"); !again.HideSubject || !again.KeepTicket || !again.AttachKey || again.Autocrypt || again.InlineIn != groups.InlineAny || !again.DomainRules[1].Inline {
		t.Errorf("what was not named changed: %+v", again)
	}
	if g = save("--retry-for", "2d", "--warn-after", "90m"); g.Retry != (groups.Retry{Lifetime: 48 * time.Hour, WarnAfter: 90 * time.Minute}) {
		t.Errorf("a schedule: %+v", g.Retry)
	}
	if g = save("--warn-after", "0", "--first-wait", "2m"); g.Retry != (groups.Retry{Lifetime: 48 * time.Hour, FirstWait: 2 * time.Minute}) {
		t.Errorf("a part of it: %+v", g.Retry)
	}
	if g = save("--no-hide-subject"); g.HideSubject || g.KeepTicket {
		t.Errorf("a readable subject: %+v", g)
	}
	for want, options := range map[string][]string{
		"only where the subject is hidden": {"--keep-ticket"},
		"is no span of time":               {"--retry-for", "a week"},
		"DOMAIN:SIGN:ENCRYPT:inline":       {"--rule", "old.test:on:on:mime"},
	} {
		out, code := sealgate(t, "", append([]string{"-c", config, "group", "save", "Support"}, options...)...)
		if code != 1 || !strings.Contains(out, want) {
			t.Errorf("%v: exit %d\n%s", options, code, out)
		}
	}
	if out := must(t, "", "-c", config, "activity", "list"); !strings.Contains(out, "inline_in=any hide_subject keep_ticket attach_key inline=old.test") {
		t.Errorf("the log does not tell the forms:\n%s", out)
	}
}
