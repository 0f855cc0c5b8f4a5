package web

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/sealgate/sealgate/groups"
)

// TestScheduleByPageAndAPI: page and API say a group's schedule in the same words, keep it where it is not named, and
// tell what is wrong with one.
func TestScheduleByPageAndAPI(t *testing.T) {
	b := newBench(t)
	p := b.program(b.person("root", groups.Admin))
	values := map[string]any{
		"name": "Support", "addresses": []string{support}, "sign": "on", "encrypt": "on", "auto_sign": "auto", "auto_encrypt": "auto", "mixed": "refuse",
		"retry": map[string]any{"lifetime": "2d", "warn_after": "90m"},
	}
	var saved groupJSON
	p.call("POST", "/groups", values, &saved).says(t, http.StatusOK, `"retry":{"lifetime":"2d","warn_after":"90m"}`)
	path := "/groups/" + saved.ID
	delete(values, "retry")
	p.call("PUT", path, values, nil).says(t, http.StatusOK, `"retry":{"lifetime":"2d","warn_after":"90m"}`)
	for words, retry := range map[string]any{
		"is no span of time":                     map[string]any{"first_wait": "soon"},
		"How long mail is tried must be between": map[string]any{"lifetime": "99d"},
	} {
		values["retry"] = retry
		p.call("PUT", path, values, nil).says(t, http.StatusUnprocessableEntity, words)
	}

	v := b.as("root")
	v.get(path).says(t, http.StatusOK, `name="retry_lifetime" value="2d"`, `name="retry_warn_after" value="90m"`, `name="retry_first_wait" value=""`)
	form := url.Values{
		"name": {"Support"}, "addresses": {support}, "sign": {"on"}, "encrypt": {"on"}, "auto_sign": {"on"}, "auto_encrypt": {"on"},
		"mixed": {"refuse"}, "hide_subject": {"off"}, "inline_in": {"off"}, "retry_lifetime": {"1h"}, "retry_first_wait": {"2m"}, "retry_longest_wait": {"30m"},
	}
	v.submit(path, path, form).says(t, http.StatusOK, "The group is saved")
	g, err := b.gateway.Groups.Group(t.Context(), saved.ID)
	if want := (groups.Retry{Lifetime: time.Hour, FirstWait: 2 * time.Minute, LongestWait: 30 * time.Minute}); err != nil || g.Retry != want {
		t.Errorf("stored %+v (%v)", g.Retry, err)
	}
	form.Set("retry_lifetime", "a week")
	v.submit(path, path, form).says(t, http.StatusUnprocessableEntity, "is no span of time")
}
