package activity

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// row is a row of activity.
type row struct {
	Seq         int64  `gorm:"column:seq;primaryKey;autoIncrement:false"`
	TimeMS      int64  `gorm:"column:time_ms"`
	Actor       string `gorm:"column:actor"`
	Act         string `gorm:"column:act"`
	Outcome     string `gorm:"column:outcome"`
	GroupID     string `gorm:"column:group_id"`
	ArticleID   string `gorm:"column:article_id"`
	MessageID   string `gorm:"column:message_id"`
	Fingerprint string `gorm:"column:fingerprint"`
	Detail      string `gorm:"column:detail"`
	PrevHash    []byte `gorm:"column:prev_hash"`
	Hash        []byte `gorm:"column:hash"`
}

func (row) TableName() string { return "activity" }

// headRow is the one row of activity_heads.
type headRow struct {
	ID   int    `gorm:"column:id;primaryKey;autoIncrement:false"`
	Seq  int64  `gorm:"column:seq"`
	Hash []byte `gorm:"column:hash"`
}

func (headRow) TableName() string { return "activity_heads" }

// The longest texts that are kept, in bytes. A line of mail has at most 998 (RFC 5322, section 2.1.1).
const (
	maxField  = 998
	maxDetail = 4096
)

func rowOf(e Entry) (row, error) {
	detail, err := detailOf(e.Detail)
	if err != nil {
		return row{}, fmt.Errorf("detail: %w", err)
	}
	return row{
		TimeMS: e.Time.UnixMilli(), Actor: clean(e.Actor, maxField), Act: clean(e.Act, maxField),
		Outcome: clean(string(e.Outcome), maxField), GroupID: clean(e.GroupID, maxField),
		ArticleID: clean(e.ArticleID, maxField), MessageID: clean(e.MessageID, maxField),
		Fingerprint: clean(e.Fingerprint, maxField), Detail: detail,
	}, nil
}

// detailOf is the detail as JSON with sorted keys, which the hash needs.
func detailOf(detail map[string]string) (string, error) {
	cleaned := make(map[string]string, len(detail))
	for key, value := range detail {
		cleaned[clean(key, maxField)] = clean(value, maxDetail)
	}
	text, err := json.Marshal(cleaned)
	return string(text), err
}

// clean makes a text storable on every engine: PostgreSQL refuses NUL and broken UTF-8.
func clean(text string, limit int) string {
	text = strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", "\uFFFD"), "\uFFFD")
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "")
	}
	return text
}

func (r row) entry() (Entry, error) {
	e := Entry{
		Seq: r.Seq, Time: time.UnixMilli(r.TimeMS), Actor: r.Actor, Act: r.Act, Outcome: Outcome(r.Outcome),
		GroupID: r.GroupID, ArticleID: r.ArticleID, MessageID: r.MessageID, Fingerprint: r.Fingerprint, Hash: r.Hash,
	}
	if err := json.Unmarshal([]byte(r.Detail), &e.Detail); err != nil {
		return e, fmt.Errorf("detail of entry %d: %w", r.Seq, err)
	}
	return e, nil
}

// sum is SHA-256 over every column but the hash itself, each length-prefixed.
func (r row) sum() []byte {
	var b []byte
	b = binary.BigEndian.AppendUint64(b, uint64(r.Seq))
	b = binary.BigEndian.AppendUint64(b, uint64(r.TimeMS))
	for _, field := range []string{
		r.Actor, r.Act, r.Outcome, r.GroupID, r.ArticleID, r.MessageID, r.Fingerprint, r.Detail, string(r.PrevHash),
	} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(field)))
		b = append(b, field...)
	}
	hash := sha256.Sum256(b)
	return hash[:]
}
