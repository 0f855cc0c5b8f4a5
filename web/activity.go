package web

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"

	"github.com/sealgate/sealgate/gateway/activity"
	"github.com/sealgate/sealgate/groups"
)

type activityPage struct {
	Entries []activityRow
	Groups  []groups.Group
	Acts    []actChoice
	Filter  url.Values
	Older   string // query string of the next page
	Export  string // query string of the same selection as JSON lines
}

type activityRow struct {
	activity.Entry
	Group   string
	Details []detail
}

type detail struct{ Name, Value string }

type actChoice struct{ Prefix, Words string }

// acts are the kinds of acts that the filter offers.
func acts() []actChoice {
	return []actChoice{
		{"message.", "Messages"},
		{"article.", "Articles read"},
		{"certificate.", "Certificates"},
		{"key.", "Keys"},
		{"group.", "Groups"},
		{"mailbox.", "Mailboxes"},
		{"queue.", "Queue"},
		{"user.", "People"},
		{"token.", "API tokens"},
	}
}

// entriesPerPage is how many entries one page lists.
const entriesPerPage = 100

func activityList(v *visit) error {
	q := v.r.URL.Query()
	f := activityFilter(q)
	f.Limit = entriesPerPage
	entries, err := v.Gateway.ListActivity(v.r.Context(), v.actor(), f)
	if err != nil {
		return err
	}
	p := activityPage{Acts: acts(), Filter: q}
	if p.Groups, err = v.Gateway.ListGroups(v.r.Context(), v.actor()); err != nil {
		return err
	}
	for _, e := range entries {
		p.Entries = append(p.Entries, activityRow{e, groupName(p.Groups, e.GroupID), detailsOf(e)})
	}
	if len(entries) == entriesPerPage {
		p.Older = withValue(q, "before", strconv.FormatInt(entries[len(entries)-1].Seq, 10))
	}
	export := withValue(q, "before", "")
	p.Export = export
	return v.show("activity", "Activity", p)
}

// activityFilter reads the filter of the page and of the export.
func activityFilter(q url.Values) activity.Filter {
	f := activity.Filter{Act: q.Get("act"), Outcome: activity.Outcome(q.Get("outcome")), ArticleID: q.Get("article")}
	if group := q.Get("group"); group != "" {
		f.Groups = []string{group}
	}
	if before, err := strconv.ParseInt(q.Get("before"), 10, 64); err == nil {
		f.Before = before
	}
	return f
}

func detailsOf(e activity.Entry) []detail {
	var all []detail
	for name, value := range e.Detail {
		all = append(all, detail{name, value})
	}
	slices.SortFunc(all, func(a, b detail) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return all
}

// exportBatch is how many entries the export holds in memory at once.
const exportBatch = 500

// activityExport answers with everything that the filter selects, newest first, one JSON object a line.
func activityExport(v *visit) error {
	f := activityFilter(v.r.URL.Query())
	f.Limit = exportBatch
	entries, err := v.Gateway.ListActivity(v.r.Context(), v.actor(), f)
	if err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "application/jsonl; charset=utf-8")
	v.w.Header().Set("Content-Disposition", `attachment; filename="sealgate-activity.jsonl"`)
	out := json.NewEncoder(v.w)
	for len(entries) > 0 {
		for _, e := range entries {
			if err := out.Encode(e); err != nil {
				return nil // the reader has gone
			}
		}
		f.Before = entries[len(entries)-1].Seq
		if entries, err = v.Gateway.ListActivity(v.r.Context(), v.actor(), f); err != nil {
			panic(err) // too late for a page: cut the file short, so that it is not taken for the whole
		}
	}
	return nil
}
