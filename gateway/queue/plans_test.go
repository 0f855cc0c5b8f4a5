package queue

import (
	"regexp"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

// TestStatementsUseTheirIndexes: with 4,000 recipients waiting and many more finished, what the queue asks again and again
// reads no table from end to end.
func TestStatementsUseTheirIndexes(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		populate(t, db)
		now := int64(1 << 40)
		for _, c := range []struct {
			name, statement string
			values          []any
			want            []string // the indexes of queue_recipients
		}{
			{"what waits", sqlWaiting, nil, []string{"queue_recipients_due"}},
			{"what persons want", sqlUrgent, nil, []string{"queue_recipients_deadline"}},
			{"what is due", sqlDue, []any{"d7.test", now, 20}, []string{"queue_recipients_due"}},
			{"recording attempts", sqlTake, []any{"token", now, now, []string{"m00001", "m00002"}, "d7.test", now}, []string{"queue_recipients_open", "queue_recipients_queue"}},
			{"what is overdue", sqlOverdue, []any{now, now, 20}, []string{"queue_recipients_deadline"}},
			{"a copy's recipients", sqlRecipients, []any{"m00001"}, []string{"queue_recipients_queue"}},
			{"ended leases", "SELECT DISTINCT queue_id FROM queue_recipients WHERE state = 'sending' AND lease_until_ms <= ? LIMIT 100", []any{now}, []string{"queue_recipients_lease"}},
			{"the depth", sqlDepth, nil, []string{"queue_recipients_open"}},
			{"what waits where", sqlWaitingAt, nil, []string{"queue_recipients_open"}},
			{"a list", "SELECT DISTINCT r.queue_id FROM queue_recipients AS r WHERE r.finished_ms = 0 ORDER BY r.queue_id DESC LIMIT 200", nil, []string{"queue_recipients_open", "queue_recipients_queue"}},
		} {
			t.Run(c.name, func(t *testing.T) {
				plan := explain(t, db, c.statement, c.values)
				if used := indexesIn(plan); !subset(used, c.want) {
					t.Errorf("it uses %v, want %v:\n%s", used, c.want, plan)
				}
				if regexp.MustCompile(`Seq Scan on queue_(messages|recipients)|SCAN (r|m|queue_messages|queue_recipients)(\n|$)`).MatchString(plan) {
					t.Errorf("it reads a table from end to end:\n%s", plan)
				}
			})
		}
	})
}

func explain(t *testing.T, db *gorm.DB, statement string, values []any) string {
	t.Helper()
	if db.Name() == "postgres" {
		var lines []string
		if err := db.Raw("EXPLAIN "+statement, values...).Scan(&lines).Error; err != nil {
			t.Fatal(err)
		}
		return strings.Join(lines, "\n")
	}
	var steps []struct{ Detail string }
	if err := db.Raw("EXPLAIN QUERY PLAN "+statement, values...).Scan(&steps).Error; err != nil {
		t.Fatal(err)
	}
	plan := ""
	for _, s := range steps {
		plan += s.Detail + "\n"
	}
	return plan
}

func indexesIn(plan string) []string {
	return regexp.MustCompile(`queue_recipients_\w+`).FindAllString(strings.ReplaceAll(plan, "queue_recipients_pkey", ""), -1)
}

// subset tells whether something was used, and nothing but what was wanted.
func subset(used, wanted []string) bool {
	for _, u := range used {
		found := false
		for _, w := range wanted {
			found = found || u == w
		}
		if !found {
			return false
		}
	}
	return len(used) > 0
}

// populate puts bare rows: a tenth of the recipients wait, at ten destinations; the others are finished.
func populate(t *testing.T, db *gorm.DB) {
	t.Helper()
	numbers := "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000) "
	id := "'m' || substr('00000' || CAST(i AS TEXT), length(CAST(i AS TEXT)) + 1)"
	for _, statement := range []string{
		"INSERT INTO queue_messages (id, article_id, group_id, mailbox_id, reverse_path, message_id, protection, size, created_ms) " +
			numbers + "SELECT " + id + ", 'a', 'g', 'b', '', 'x', 'clear', 1, i FROM n",
		"INSERT INTO queue_recipients (id, queue_id, address, state, next_attempt_ms, finished_ms, destination, deadline_ms) " +
			numbers + "SELECT 'r' || CAST(i AS TEXT), " + id + `, 'a@desk.test', CASE i % 10 WHEN 0 THEN 'pending' ELSE 'relayed' END,
			i, i % 10, 'd' || CAST(i / 10 % 10 AS TEXT) || '.test', CASE i % 10 WHEN 0 THEN i ELSE 0 END FROM n`,
	} {
		if err := db.Exec(statement).Error; err != nil {
			t.Fatal(err)
		}
	}
	if db.Name() == "postgres" { // as its autovacuum does; SQLite must do without
		if err := db.Exec("ANALYZE").Error; err != nil {
			t.Fatal(err)
		}
	}
}
