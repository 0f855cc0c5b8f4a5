package web

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/gateway/queue"
	"github.com/sealgate/sealgate/groups"
	"gorm.io/gorm"
)

// TestWhatCannotBeReachedIsShown: page and API tell which destination rests, until when and why, and what waits for it;
// an agent sees it with the group's own messages only.
func TestWhatCannotBeReachedIsShown(t *testing.T) {
	b := newBench(t)
	b.person("root", groups.Admin)
	g := b.desk(func(*groups.Group) {})
	agent := b.person("agent", groups.Agent, g.ID)
	b.person("stranger", groups.Agent)
	id := b.queued(g.ID, "customer@dead.test")
	until := b.gateway.Now().Add(20 * time.Minute)
	if err := b.gateway.DB.Exec("INSERT INTO queue_destinations (destination, failures, rest_until_ms, reason, since_ms) VALUES ('dead.test:587', 3, ?, 'cannot connect', ?)",
		until.UnixMilli(), b.gateway.Now().UnixMilli()).Error; err != nil {
		t.Fatal(err)
	}
	admin := b.as("root")
	admin.get("/").says(t, http.StatusOK, "dead.test:587 cannot be reached; mail for 1 recipient waits")
	admin.get("/queue").says(t, http.StatusOK, "Cannot be reached", "dead.test:587", "cannot connect", instant(until)+`<br><small class="muted">not tried before`, `href="/queue?destination=dead.test%3a587"`)
	admin.get("/queue?destination=dead.test:587").says(t, http.StatusOK, "Only what waits for dead.test:587", "customer@dead.test")
	admin.get("/queue?destination=elsewhere").says(t, http.StatusOK, "Nothing waits")
	admin.get("/queue/"+id).says(t, http.StatusOK, "dead.test:587 cannot be reached since", "cannot connect", "not tried before")
	admin.get("/queue/"+id+"/delete").says(t, http.StatusOK, "customer@dead.test does not get it")
	for who, words := range map[string]string{"agent": "not tried before", "stranger": "Nothing waits"} {
		page := b.as(who).get("/queue")
		page.says(t, http.StatusOK, words)
		if strings.Contains(page.body, "Cannot be reached") {
			t.Errorf("%s sees what others wait for", who)
		}
	}

	p := b.program(b.person("root2", groups.Admin))
	p.call("GET", "/queue/destinations", nil, nil).says(t, http.StatusOK, `"destination":"dead.test:587","waiting":1,"failures":3`, `"reason":"cannot connect"`)
	p.call("GET", "/queue?destination=dead.test:587", nil, nil).says(t, http.StatusOK, `"destination":"dead.test:587"`, "customer@dead.test")
	b.program(agent).call("GET", "/queue/destinations", nil, nil).says(t, http.StatusForbidden)
}

// queued puts a copy for one address into the queue.
func (b *bench) queued(groupID, address string) (id string) {
	b.t.Helper()
	o, err := pgpmime.Protect([]byte("From: "+support+"\r\nSubject: hello\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nhello\r\n"), pgpmime.ProtectRequest{Protection: pgpmime.Clear})
	if err != nil {
		b.t.Fatal(err)
	}
	m := queue.Message{ArticleID: "none", GroupID: groupID, MailboxID: "dead.test:587", ReversePath: support, MessageID: "1@desk.test", Recipients: []queue.Recipient{{Address: address}}}
	err = b.gateway.DB.Transaction(func(tx *gorm.DB) error {
		id, err = b.gateway.Queue.Put(b.t.Context(), tx, m, o)
		return err
	})
	if err != nil {
		b.t.Fatal(fmt.Errorf("queue a copy: %w", err))
	}
	return id
}
