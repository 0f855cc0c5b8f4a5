package activity

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
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

func rowOf(e Entry) (row, error) {
	detail := []byte("{}")
	if len(e.Detail) > 0 {
		var err error
		if detail, err = json.Marshal(e.Detail); err != nil { // map keys come out sorted
			return row{}, fmt.Errorf("detail: %w", err)
		}
	}
	return row{
		TimeMS: e.Time.UnixMilli(), Actor: e.Actor, Act: e.Act, Outcome: string(e.Outcome), GroupID: e.GroupID,
		ArticleID: e.ArticleID, MessageID: e.MessageID, Fingerprint: e.Fingerprint, Detail: string(detail),
	}, nil
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
