package mailbox

import (
	"context"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
)

// need is how much of a message a question wants to see. What is not needed is not opened.
type need int

const (
	needNothing need = iota
	needHeader
	needAll
)

func needOf(c *imap.SearchCriteria) need {
	n := needNothing
	if len(c.Header) > 0 || !c.SentSince.IsZero() || !c.SentBefore.IsZero() {
		n = needHeader
	}
	if len(c.Body) > 0 || len(c.Text) > 0 {
		n = needAll
	}
	for i := range c.Not {
		n = max(n, needOf(&c.Not[i]))
	}
	for i := range c.Or {
		n = max(n, needOf(&c.Or[i][0]), needOf(&c.Or[i][1]))
	}
	return n
}

// candidate is one message that is held against criteria. Its bytes are opened when a criterion first asks, and at
// most once each.
type candidate struct {
	entry  *entry
	seq    uint32
	sets   *setResolver
	open   func(need) ([]byte, error)
	bytes  map[need][]byte
	tree   *part
	failed error
}

// matches tells whether the message meets the criteria, cheap ones first. After a failed open, failed is set and the
// answer means nothing.
func (c *candidate) matches(ctx context.Context, criteria *imap.SearchCriteria) bool {
	return ctx.Err() == nil && c.matchesRow(criteria) && c.matchesContent(criteria) && c.matchesNested(ctx, criteria)
}

func (c *candidate) matchesRow(criteria *imap.SearchCriteria) bool {
	for _, set := range criteria.SeqNum {
		if !c.sets.seqs(set)[c.seq] {
			return false
		}
	}
	for _, set := range criteria.UID {
		if !c.sets.uids(set)[c.seq] {
			return false
		}
	}
	for _, f := range criteria.Flag {
		if !c.entry.flags.has(f) {
			return false
		}
	}
	for _, f := range criteria.NotFlag {
		if c.entry.flags.has(f) {
			return false
		}
	}
	internal := time.UnixMilli(c.entry.internalMS).UTC()
	return withinDates(internal, criteria.Since, criteria.Before) &&
		(criteria.Larger == 0 || c.entry.size > criteria.Larger) &&
		(criteria.Smaller == 0 || c.entry.size < criteria.Smaller)
}

// withinDates compares dates only. RFC 9051, section 6.4.4: "disregarding time and timezone".
func withinDates(t, since, before time.Time) bool {
	day := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	return (since.IsZero() || !day.Before(since)) && (before.IsZero() || day.Before(before))
}

func (c *candidate) matchesContent(criteria *imap.SearchCriteria) bool {
	if !criteria.SentSince.IsZero() || !criteria.SentBefore.IsZero() {
		date, err := mail.ParseDate(firstValue(c.header(), "Date"))
		if err != nil || !withinDates(date, criteria.SentSince, criteria.SentBefore) {
			return false
		}
	}
	for _, h := range criteria.Header {
		if !matchesHeader(c.header(), h) {
			return false
		}
	}
	for _, text := range criteria.Body {
		if !bodyContains(c.parts(), strings.ToLower(text)) {
			return false
		}
	}
	for _, text := range criteria.Text {
		folded := strings.ToLower(text)
		if !headerContains(c.header(), folded) && !bodyContains(c.parts(), folded) {
			return false
		}
	}
	return true
}

func (c *candidate) matchesNested(ctx context.Context, criteria *imap.SearchCriteria) bool {
	for i := range criteria.Not {
		if c.matches(ctx, &criteria.Not[i]) {
			return false
		}
	}
	for i := range criteria.Or {
		if !c.matches(ctx, &criteria.Or[i][0]) && !c.matches(ctx, &criteria.Or[i][1]) {
			return false
		}
	}
	return true
}

func (c *candidate) read(n need) []byte {
	if b, ok := c.bytes[n]; ok || c.failed != nil {
		return b
	}
	b, err := c.open(n)
	if err != nil {
		c.failed = err
		return nil
	}
	c.bytes[n] = b
	return b
}

func (c *candidate) header() []byte {
	if all, ok := c.bytes[needAll]; ok {
		end, _ := headerEnd(all)
		return all[:end]
	}
	return c.read(needHeader)
}

func (c *candidate) parts() *part {
	if c.tree == nil {
		c.tree = parseParts(c.read(needAll))
	}
	return c.tree
}

// matchesHeader: an empty value asks only whether the field is there.
func matchesHeader(header []byte, h imap.SearchCriteriaHeaderField) bool {
	folded := strings.ToLower(h.Value)
	return slices.ContainsFunc(headerFields(header), func(f field) bool {
		return strings.EqualFold(f.name, h.Key) && strings.Contains(strings.ToLower(decodeWords(toUTF8([]byte(f.value())))), folded)
	})
}
