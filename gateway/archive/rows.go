package archive

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// articleRow is a row of articles.
type articleRow struct {
	ID           string  `gorm:"column:id;primaryKey"`
	GroupID      string  `gorm:"column:group_id"`
	MailboxID    string  `gorm:"column:mailbox_id"`
	Direction    string  `gorm:"column:direction"`
	FromAddress  string  `gorm:"column:from_address"`
	ToAddresses  string  `gorm:"column:to_addresses"` // a JSON list
	MessageID    string  `gorm:"column:message_id"`
	InReplyTo    string  `gorm:"column:in_reply_to"`
	DateMS       int64   `gorm:"column:date_ms"`
	ReceivedMS   int64   `gorm:"column:received_ms"`
	Size         int64   `gorm:"column:size"`
	HasOriginal  bool    `gorm:"column:has_original"`
	Encryption   string  `gorm:"column:encryption"`
	Signature    string  `gorm:"column:signature"`
	Signer       string  `gorm:"column:signer"`
	Verdict      string  `gorm:"column:verdict"`
	Origin       *string `gorm:"column:origin"` // NULL for outbound: a unique column may hold many of those
	ReopenedFrom string  `gorm:"column:reopened_from"`
}

func (articleRow) TableName() string { return "articles" }

// keyRow is a row of article_keys.
type keyRow struct {
	KeyID     string `gorm:"column:key_id;primaryKey"`
	ArticleID string `gorm:"column:article_id;primaryKey"`
}

func (keyRow) TableName() string { return "article_keys" }

// readerRow is a row of article_readers.
type readerRow struct {
	KeyID     string `gorm:"column:key_id;primaryKey"`
	ArticleID string `gorm:"column:article_id;primaryKey"`
}

func (readerRow) TableName() string { return "article_readers" }

func rowOf(a Article) (articleRow, error) {
	to, err := json.Marshal(a.To) // replaces broken UTF-8, and escapes NUL
	if err != nil {
		return articleRow{}, fmt.Errorf("recipients: %w", err)
	}
	row := articleRow{
		ID: a.ID, GroupID: a.GroupID, MailboxID: a.MailboxID, Direction: string(a.Direction), FromAddress: clean(a.From),
		ToAddresses: string(to), MessageID: clean(a.MessageID), InReplyTo: clean(a.InReplyTo), DateMS: a.Date.UnixMilli(),
		ReceivedMS: a.Received.UnixMilli(), Size: a.Size, HasOriginal: a.HasOriginal, Encryption: a.Encryption,
		Signature: a.Signature, Signer: a.Signer, Verdict: a.Verdict, ReopenedFrom: a.ReopenedFrom,
	}
	if a.Origin != "" {
		row.Origin = &a.Origin
	}
	return row, nil
}

func (r articleRow) article() (Article, error) {
	a := Article{
		ID: r.ID, GroupID: r.GroupID, MailboxID: r.MailboxID, Direction: Direction(r.Direction), From: r.FromAddress,
		MessageID: r.MessageID, InReplyTo: r.InReplyTo, Date: time.UnixMilli(r.DateMS), Received: time.UnixMilli(r.ReceivedMS),
		Size: r.Size, HasOriginal: r.HasOriginal, Encryption: r.Encryption, Signature: r.Signature, Signer: r.Signer,
		Verdict: r.Verdict, ReopenedFrom: r.ReopenedFrom,
	}
	if r.Origin != nil {
		a.Origin = *r.Origin
	}
	if err := json.Unmarshal([]byte(r.ToAddresses), &a.To); err != nil {
		return a, fmt.Errorf("recipients of article %s: %w", r.ID, err)
	}
	return a, nil
}

// maxText is the longest text of a stranger that is kept, in bytes: a line of mail has at most 998 (RFC 5322, section
// 2.1.1), and an index of PostgreSQL takes less than 2700.
const maxText = 998

// clean makes a text storable on every engine: PostgreSQL refuses NUL and broken UTF-8.
func clean(text string) string {
	text = strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", "\uFFFD"), "\uFFFD")
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "")
	}
	return text
}

func cleanAll(texts []string) []string {
	all := make([]string, 0, len(texts))
	for _, text := range texts {
		all = append(all, clean(text))
	}
	return all
}
