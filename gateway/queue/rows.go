package queue

import (
	"time"

	"github.com/sealgate/sealgate/gateway/pgpmime"
)

// messageRow is a row of queue_messages.
type messageRow struct {
	ID          string `gorm:"column:id;primaryKey"`
	ArticleID   string `gorm:"column:article_id"`
	GroupID     string `gorm:"column:group_id"`
	MailboxID   string `gorm:"column:mailbox_id"`
	ReversePath string `gorm:"column:reverse_path"`
	MessageID   string `gorm:"column:message_id"`
	Protection  string `gorm:"column:protection"`
	SMTPUTF8    bool   `gorm:"column:smtputf8"`
	EnvID       string `gorm:"column:env_id"`
	Ret         string `gorm:"column:ret"`
	Size        int64  `gorm:"column:size"`
	CreatedMS   int64  `gorm:"column:created_ms"`
	RequireTLS  bool   `gorm:"column:require_tls"`
	Signatures  string `gorm:"column:signatures"`

	RetryLifetimeMS    int64 `gorm:"column:retry_lifetime_ms"`
	RetryWarnAfterMS   int64 `gorm:"column:retry_warn_after_ms"`
	RetryFirstWaitMS   int64 `gorm:"column:retry_first_wait_ms"`
	RetryLongestWaitMS int64 `gorm:"column:retry_longest_wait_ms"`
}

func (messageRow) TableName() string { return "queue_messages" }

// recipientRow is a row of queue_recipients. While an attempt is under way lease_owner is its token.
type recipientRow struct {
	ID            string `gorm:"column:id;primaryKey"`
	QueueID       string `gorm:"column:queue_id"`
	Address       string `gorm:"column:address"`
	Notify        string `gorm:"column:notify"`
	ORcpt         string `gorm:"column:orcpt"`
	State         string `gorm:"column:state"`
	Attempts      int    `gorm:"column:attempts"`
	NextAttemptMS int64  `gorm:"column:next_attempt_ms"`
	LeaseOwner    string `gorm:"column:lease_owner"`
	LeaseUntilMS  int64  `gorm:"column:lease_until_ms"`
	LastReply     string `gorm:"column:last_reply"`
	FinishedMS    int64  `gorm:"column:finished_ms"`
	Destination   string `gorm:"column:destination"`
	DeadlineMS    int64  `gorm:"column:deadline_ms"`
	DelayToldMS   int64  `gorm:"column:delay_told_ms"`
	RelayToldMS   int64  `gorm:"column:relay_told_ms"`
}

// unwantedMS in delay_told_ms says that nobody wants to be told of the delay.
const unwantedMS = -1

func (recipientRow) TableName() string { return "queue_recipients" }

// destinationRow is a row of queue_destinations: a destination that could not be reached.
type destinationRow struct {
	Destination string `gorm:"column:destination;primaryKey"`
	Failures    int    `gorm:"column:failures"`
	RestUntilMS int64  `gorm:"column:rest_until_ms"`
	Reason      string `gorm:"column:reason"`
	SinceMS     int64  `gorm:"column:since_ms"`
}

func (destinationRow) TableName() string { return "queue_destinations" }

func (r destinationRow) rest() Rest {
	return Rest{Destination: r.Destination, Failures: r.Failures, Until: time.UnixMilli(r.RestUntilMS), Reason: r.Reason, Since: time.UnixMilli(r.SinceMS)}
}

func rowOf(m Message) messageRow {
	return messageRow{
		ID: m.ID, ArticleID: m.ArticleID, GroupID: m.GroupID, MailboxID: m.MailboxID, ReversePath: m.ReversePath,
		MessageID: m.MessageID, Protection: string(m.Protection), SMTPUTF8: m.SMTPUTF8, EnvID: m.EnvID, Ret: m.Ret,
		Size: m.Size, CreatedMS: m.CreatedAt.UnixMilli(), RequireTLS: m.RequireTLS, Signatures: m.Signatures,
		RetryLifetimeMS: m.Retry.Lifetime.Milliseconds(), RetryWarnAfterMS: m.Retry.WarnAfter.Milliseconds(),
		RetryFirstWaitMS: m.Retry.FirstWait.Milliseconds(), RetryLongestWaitMS: m.Retry.LongestWait.Milliseconds(),
	}
}

func (r messageRow) message() Message {
	return Message{
		ID: r.ID, ArticleID: r.ArticleID, GroupID: r.GroupID, MailboxID: r.MailboxID, ReversePath: r.ReversePath,
		MessageID: r.MessageID, Protection: pgpmime.Protection(r.Protection), SMTPUTF8: r.SMTPUTF8, EnvID: r.EnvID, Ret: r.Ret,
		Size: r.Size, CreatedAt: time.UnixMilli(r.CreatedMS), RequireTLS: r.RequireTLS, Signatures: r.Signatures,
		Retry: Schedule{
			Lifetime: milli(r.RetryLifetimeMS), WarnAfter: milli(r.RetryWarnAfterMS),
			FirstWait: milli(r.RetryFirstWaitMS), LongestWait: milli(r.RetryLongestWaitMS),
		},
	}
}

func (r recipientRow) recipient() Recipient {
	return Recipient{
		ID: r.ID, Address: r.Address, Notify: r.Notify, ORcpt: r.ORcpt, State: State(r.State), Attempts: r.Attempts,
		NextAttempt: timeOf(r.NextAttemptMS), LastReply: r.LastReply, Finished: timeOf(r.FinishedMS),
		Destination: r.Destination, DelayTold: timeOf(max(r.DelayToldMS, 0)), RelayTold: timeOf(r.RelayToldMS), unwanted: r.DelayToldMS == unwantedMS,
	}
}

// needsPayload tells whether something may still be done for a recipient.
func (r recipientRow) needsPayload() bool { return r.FinishedMS == 0 || r.DeadlineMS > 0 }

// overdue tells whether a recipient passed its deadline without an attempt.
func (r recipientRow) overdue(now time.Time) bool {
	waits := r.State == string(Pending) || r.State == string(Uncertain) || r.State == string(Relayed)
	return waits && r.DeadlineMS > 1 && r.DeadlineMS <= now.UnixMilli()
}

// timeOf reads a column in which 0 means "not yet".
func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

func milliOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func milli(ms int64) time.Duration { return time.Duration(ms) * time.Millisecond }
