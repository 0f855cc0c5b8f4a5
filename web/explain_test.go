package web

import (
	"net/http"
	"strings"
	"testing"

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
