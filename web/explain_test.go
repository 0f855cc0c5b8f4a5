package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/queue"
	"github.com/sealgate/sealgate/groups"
)

// TestHowItWasDecided: the article's page keeps the record, and the API plans a message without sending it.
func TestHowItWasDecided(t *testing.T) {
	b := newBench(t)
	g := b.desk(func(g *groups.Group) { g.Content.Subjects = []string{"diagnosis"} })
	agent := b.program(b.person("ada", groups.Agent, g.ID))
	fingerprint := b.imports(armoredKey(t, "Customer", customer, 0, b.clock.Now())).Changes[0].Fingerprint
	var sent struct {
		ArticleID string `json:"article_id"`
	}
	agent.call("POST", "/compose", map[string]any{"group_id": g.ID, "to": []string{customer}, "subject": "Your diagnosis", "text": "x"}, &sent).says(t, http.StatusOK)
	b.as("ada").get("/articles/"+sent.ArticleID).says(t, http.StatusOK, "How it was decided", "A content rule applies, as its subject matches diagnosis", "To "+customer+": encrypted to "+fingerprint)

	for _, question := range []map[string]any{
		{"article_id": sent.ArticleID},
		{"message": "From: " + support + "\r\nTo: " + customer + "\r\nSubject: diagnosis\r\n\r\nHello\r\n"},
	} {
		var a explainAnswer
		agent.call("POST", "/explain", question, &a.Body).says(t, http.StatusOK)
		if a.Body.Plan.Encrypt.Rule != string(groups.ByContent) || len(a.Body.Plan.Refusals) != 0 || !strings.Contains(strings.Join(a.Body.Lines, "\n"), fingerprint) {
			t.Errorf("%v: %+v", question, a.Body)
		}
	}
	agent.call("POST", "/explain", map[string]any{"message": "hello"}, nil).says(t, http.StatusUnprocessableEntity, "no message with one From address")
	b.program(b.person("audit", groups.Auditor)).call("POST", "/explain", map[string]any{"message": "hello"}, nil).says(t, http.StatusForbidden)
}

// TestAQueuedMessageTellsItsStory: on its page and by API, and it can be sent another way.
func TestAQueuedMessageTellsItsStory(t *testing.T) {
	b := newBench(t)
	g := b.desk(nil)
	b.person("root", groups.Admin)
	root := b.program(b.person("robot", groups.Admin))
	root.call("POST", "/compose", map[string]any{"group_id": g.ID, "to": []string{customer}, "subject": "x", "text": "x"}, nil).says(t, http.StatusOK)
	queued, err := b.gateway.Queue.List(t.Context(), queue.Filter{})
	if err != nil || len(queued) != 1 {
		t.Fatal(queued, err)
	}
	at := "/queue/" + queued[0].ID
	v := b.as("root")
	v.get("/queue").says(t, http.StatusOK, `href="`+at+`"`)
	v.get(at).says(t, http.StatusOK, "What happened", "Accepted", "Decided", "Protected")
	root.call("GET", at, nil, nil).says(t, http.StatusOK, `"what":"accepted"`, `"mailbox":"`)
	root.call("POST", at+"/reroute", map[string]any{"mailbox": "nowhere"}, nil).says(t, http.StatusUnprocessableEntity, "no other mailbox of the same group")
	password := "correct horse battery"
	server := groups.Upstream{Address: "127.0.0.1:2", TLS: groups.TLSNone}
	if _, err := b.gateway.SaveMailbox(t.Context(), admin(), gateway.MailboxRequest{Mailbox: groups.Mailbox{GroupID: g.ID, Login: "second", SMTP: server}, Password: &password}); err != nil {
		t.Fatal(err)
	}
	v.submit(at, at+"/reroute", url.Values{"mailbox": {"second"}}).says(t, http.StatusOK, "leaves through mailbox second now", "Rerouted")
}
