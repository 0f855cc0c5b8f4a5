package main

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/sealgate/sealgate/gateway/activity"
)

// activityCommand holds the log's use cases.
type activityCommand struct {
	List   activityList   `cmd:"" help:"List entries, newest first."`
	Export activityExport `cmd:"" help:"Print every entry as one line of JSON, newest first."`
	Verify activityVerify `cmd:"" help:"Check the hash chain of the whole log."`
}

type activityList struct {
	Act   string `help:"Only this act, or a prefix ending in a dot, such as message."`
	Limit int    `default:"50" help:"At most this many."`
}

// Run lists.
func (c *activityList) Run(s *session) error {
	return s.with(func(p *parts) error {
		entries, err := p.gateway.ListActivity(s.ctx, cli, activity.Filter{Act: c.Act, Limit: c.Limit})
		if err != nil {
			return err
		}
		var rows [][]string
		for _, e := range entries {
			rows = append(rows, []string{fmt.Sprint(e.Seq), e.Time.UTC().Format(time.RFC3339), e.Actor, e.Act, outcomeWord(e), details(e.Detail)})
		}
		return s.table("SEQ | TIME | ACTOR | ACT | OUTCOME | DETAIL", rows)
	})
}

// outcomeWord says how an act ended, and how often.
func outcomeWord(e activity.Entry) string {
	if e.Attempts == 0 {
		return string(e.Outcome)
	}
	return fmt.Sprintf("%s, %d times", e.Outcome, e.Attempts)
}

func details(d map[string]string) string {
	var words []string
	for k, v := range d {
		words = append(words, k+"="+v)
	}
	sort.Strings(words)
	return strings.Join(words, "; ")
}

type activityExport struct{}

// exportPage is how many entries are read at once.
const exportPage = 500

// Run exports page by page, at constant memory.
func (activityExport) Run(s *session) error {
	return s.with(func(p *parts) error {
		lines := json.NewEncoder(s.out)
		f := activity.Filter{Limit: exportPage}
		for {
			entries, err := p.gateway.ListActivity(s.ctx, cli, f)
			if err != nil {
				return err
			}
			for _, e := range entries {
				if err := lines.Encode(e); err != nil {
					return err
				}
			}
			if len(entries) < exportPage {
				return nil
			}
			f.Before = entries[len(entries)-1].Seq
		}
	})
}

type activityVerify struct{}

// Run verifies.
func (activityVerify) Run(s *session) error {
	return s.with(func(p *parts) error {
		n, err := p.gateway.VerifyActivity(s.ctx, cli)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "%d entries, the chain is whole.\n", n)
		return nil
	})
}
