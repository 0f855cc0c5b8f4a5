package web

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"testing"

	"github.com/sealgate/sealgate/groups"
)

// formsOf is how a group's mail looks, in one line.
func formsOf(g groups.Group) string {
	return fmt.Sprintf("hide_subject=%t keep_ticket=%t attach_key=%t autocrypt=%t inline_in=%s shadow=%t content=%v",
		g.HideSubject, g.KeepTicket, g.AttachKey, g.Autocrypt, g.InlineIn, g.Shadow, g.Content)
}

const (
	freshForms  = "hide_subject=false keep_ticket=false attach_key=false autocrypt=true inline_in=whole shadow=false content={[] [] false}"
	chosenForms = "hide_subject=true keep_ticket=true attach_key=true autocrypt=false inline_in=any shadow=true content={[diagnosis] [*.dcm] true}"
)

// TestFormsByAPI: a program that names none of the forms changes none, so that one from before there were any exposes
// no subject; one that names them gets them back under the same names.
func TestFormsByAPI(t *testing.T) {
	b := newBench(t)
	p := b.program(b.person("root", groups.Admin))
	values := map[string]any{"name": "Support", "addresses": []string{support}, "sign": "on", "encrypt": "on", "auto_sign": "auto", "auto_encrypt": "auto", "mixed": "refuse"}
	var saved groupJSON
	p.call("POST", "/groups", values, &saved).says(t, http.StatusOK, `"autocrypt":true`, `"hide_subject":false`, `"inline_in":"whole"`)
	path := "/groups/" + saved.ID
	with := func(more map[string]any) map[string]any {
		all := map[string]any{}
		for _, m := range []map[string]any{values, more} {
			for key, value := range m {
				all[key] = value
			}
		}
		return all
	}
	chosen := map[string]any{
		"hide_subject": true, "keep_ticket": true, "attach_key": true, "autocrypt": false, "inline_in": "any", "shadow": true,
		"content": map[string]any{"subjects": []string{"diagnosis"}, "files": []string{"*.dcm"}, "sensitivity": true},
	}
	for _, step := range []struct {
		name   string
		body   map[string]any
		status int
		want   string
	}{
		{"nothing named", with(nil), 200, freshForms},
		{"number of nothing", with(map[string]any{"keep_ticket": true}), 422, freshForms},
		{"unknown", with(map[string]any{"inline_in": "some"}), 422, freshForms},
		{"all named", with(chosen), 200, chosenForms},
		{"nothing named again", with(nil), 200, chosenForms},
		{"subject readable", with(map[string]any{"hide_subject": false}), 200, "hide_subject=false keep_ticket=false attach_key=true autocrypt=false inline_in=any shadow=true content={[diagnosis] [*.dcm] true}"},
		{"a pattern for everything", with(map[string]any{"content": map[string]any{"files": []string{"*"}}}), 422, "hide_subject=false keep_ticket=false attach_key=true autocrypt=false inline_in=any shadow=true content={[diagnosis] [*.dcm] true}"},
	} {
		if a := p.call("PUT", path, step.body, nil); a.status != step.status {
			t.Errorf("%s: %d, want %d\n%s", step.name, a.status, step.status, a.body)
		}
		g, err := b.gateway.Groups.Group(t.Context(), saved.ID)
		if err != nil || formsOf(g) != step.want {
			t.Errorf("%s: stored %s (%v)\nwant %s", step.name, formsOf(g), err, step.want)
		}
	}

	rules := []map[string]any{{"domain": "court.test", "sign": "on", "encrypt": "on"}, {"domain": "old.test", "sign": "off", "encrypt": "off", "inline": true}}
	p.call("PUT", path, with(map[string]any{"domain_rules": rules}), nil).says(t, http.StatusOK, `"domain":"old.test","sign":"off","encrypt":"off","inline":true`)
	p.call("GET", "/groups", nil, nil).says(t, http.StatusOK, `{"domain":"court.test","sign":"on","encrypt":"on"}`, `"inline":true`, `"inline_in":"any"`)
	p.call("PUT", "/groups/nothing", with(map[string]any{"name": "Ghost", "addresses": []string{}}), nil).says(t, http.StatusNotFound)
	agent := b.program(b.person("agent", groups.Agent, saved.ID))
	agent.call("PUT", path, values, nil).says(t, http.StatusForbidden)
}

// TestFormsByPage: the page shows what is stored, chooses the same for a new group as the API does, and what is saved
// as it is shown stays as it was.
func TestFormsByPage(t *testing.T) {
	b := newBench(t)
	b.person("root", groups.Admin)
	v := b.as("root")
	v.get("/groups/new").says(t, http.StatusOK, `name="hide_subject" value="off" checked`, `name="autocrypt" value="1" checked`, `name="inline_in" value="whole" checked`)
	for i, want := range []groups.Group{
		{Autocrypt: true, InlineIn: groups.InlineWhole},
		{HideSubject: true, AttachKey: true, InlineIn: groups.InlineOff, Shadow: true, Content: groups.ContentRules{Subjects: []string{"a", "b c"}, Files: []string{"*.dcm"}, Sensitivity: true}},
		{HideSubject: true, KeepTicket: true, Autocrypt: true, InlineIn: groups.InlineAny},
	} {
		want.Name, want.Addresses = fmt.Sprintf("Team %d", i), []string{fmt.Sprintf("team%d@desk.test", i)}
		want.Sign, want.Encrypt, want.AutoSign, want.AutoEncrypt, want.Mixed = groups.On, groups.On, groups.Auto, groups.Auto, groups.MixedRefuse
		saved, err := b.gateway.SaveGroup(t.Context(), admin(), want)
		if err != nil {
			t.Fatal(err)
		}
		path := "/groups/" + saved.ID
		v.submit(path, path, shown(t, v.get(path).body)).says(t, http.StatusOK, "The group is saved")
		g, err := b.gateway.Groups.Group(t.Context(), saved.ID)
		if err != nil || formsOf(g) != formsOf(want) {
			t.Errorf("stored %s (%v)\nwant %s", formsOf(g), err, formsOf(want))
		}
	}
}

// shown are the values that the form of a group would send without a touch.
func shown(t *testing.T, page string) url.Values {
	t.Helper()
	form := url.Values{}
	for _, f := range regexp.MustCompile(`<input[^>]* name="([a-z_]+)" value="([^"]*)" checked`).FindAllStringSubmatch(page, -1) {
		form.Add(f[1], f[2])
	}
	for _, f := range regexp.MustCompile(`(?s)<select name="([a-z_]+)".*?</select>`).FindAllStringSubmatch(page, -1) {
		chosen := regexp.MustCompile(`value="([^"]*)" selected`).FindStringSubmatch(f[0])
		if chosen == nil {
			chosen = []string{"", ""}
		}
		form.Add(f[1], chosen[1])
	}
	for _, f := range regexp.MustCompile(`(?s)<textarea name="([a-z_]+)"[^>]*>(.*?)</textarea>`).FindAllStringSubmatch(page, -1) {
		form.Set(f[1], f[2])
	}
	form.Set("name", regexp.MustCompile(`name="name"[^>]* value="([^"]*)"`).FindStringSubmatch(page)[1])
	return form
}
