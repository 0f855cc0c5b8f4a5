package gateway_test

import (
	"bytes"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/keyring"
	"github.com/sealgate/sealgate/keyring/discover"
)

func TestAGroupApprovesASourceByItself(t *testing.T) {
	h := newHouse(t)
	h.discovering()
	if err := h.SetApprovals(t.Context(), h.admin, h.group.ID, []keyring.Source{keyring.Autocrypt}); err != nil {
		t.Fatal(err)
	}
	first, second := newKey(t, joe, 0), newKey(t, joe, 0)
	h.receives(arrival(h.box, 1, withField(autocrypt(t, joe, first))))
	if h.state(first) != keyring.Approved || h.usedFor(joe) != fingerprint(first) {
		t.Fatalf("state %q", h.state(first))
	}
	newer := bytes.Replace(withField(autocrypt(t, joe, second)), []byte("11:00:00"), []byte("11:30:00"), 1)
	h.receives(arrival(h.box, 2, newer))
	if h.state(second) != keyring.Proposed || h.usedFor(joe) != fingerprint(first) {
		t.Errorf("the second key is %q, used is %q", h.state(second), h.usedFor(joe))
	}
	e := h.entries("certificate.proposed")
	if want := fingerprint(second) + " waits for approval, " + fingerprint(first) + " stays in use"; len(e) != 1 || e[0].Detail["alert: "+joe] != want {
		t.Errorf("the log holds %+v", e)
	}
}

// What a group approves counts for mail of that group, by exactly that source.
func TestWhatIsNotApprovedByItself(t *testing.T) {
	cases := map[string]struct {
		sources []keyring.Source
		other   bool // they are another group's
		prepare func(h *house)
		want    keyring.State
	}{
		"the source is approved":     {sources: []keyring.Source{keyring.WKD}, want: keyring.Approved},
		"no source is":               {want: keyring.Proposed},
		"another source is":          {sources: []keyring.Source{keyring.Keyserver, keyring.Autocrypt, keyring.Attachment}, want: keyring.Proposed},
		"another group's source is":  {sources: []keyring.Source{keyring.WKD}, other: true, want: keyring.Proposed},
		"beside one that is blocked": {sources: []keyring.Source{keyring.WKD}, prepare: func(h *house) { h.customerBlocked(joe) }, want: keyring.Proposed},
		"beside one that expired":    {sources: []keyring.Source{keyring.WKD}, prepare: func(h *house) { h.customerExpired(joe) }, want: keyring.Proposed},
		"beside one that is in use":  {sources: []keyring.Source{keyring.WKD}, prepare: func(h *house) { h.customer(joe) }, want: keyring.Proposed},
		"beside one that waits itself": {sources: []keyring.Source{keyring.WKD}, want: keyring.Approved, prepare: func(h *house) {
			h.receives(arrival(h.box, 1, withField(autocrypt(h.t, joe, newKey(h.t, joe, 0)))))
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			internet := h.online()
			key := newKey(t, joe, 0)
			internet.Serve("openpgpkey.customer.test", func(w http.ResponseWriter, _ *http.Request) { w.Write(public(t, key)) })
			if c.prepare != nil {
				c.prepare(h)
			}
			group := h.group
			if c.other {
				group = h.newGroup("Sales", "sales@desk.test")
			}
			if err := h.SetApprovals(t.Context(), h.admin, group.ID, c.sources); err != nil {
				t.Fatal(err)
			}
			if err := h.Discovery.Store.Enqueue(t.Context(), discover.ForAddress, joe, h.group.ID, noon); err != nil {
				t.Fatal(err)
			}
			h.asks()
			if h.state(key) != c.want {
				t.Errorf("state %q, want %q", h.state(key), c.want)
			}
		})
	}
}

// An admin who asks by hand gets a proposal, whatever groups approve: nobody's mail is about it.
func TestAskingByHandApprovesNothing(t *testing.T) {
	h := newHouse(t)
	internet := h.online()
	key := newKey(t, joe, 0)
	internet.Serve("openpgpkey.customer.test", func(w http.ResponseWriter, _ *http.Request) { w.Write(public(t, key)) })
	if err := h.SetApprovals(t.Context(), h.admin, h.group.ID, []keyring.Source{keyring.WKD}); err != nil {
		t.Fatal(err)
	}
	report, err := h.DiscoverAddress(t.Context(), h.admin, joe)
	if err != nil || len(report.Asks) != 1 || len(report.Proposals) != 1 || report.Proposals[0].State != keyring.Proposed {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestApprovalsAreListedAndEndWithTheirGroup(t *testing.T) {
	h := newHouse(t)
	sales := h.newGroup("Sales", "sales@desk.test")
	if err := h.SetApprovals(t.Context(), h.admin, sales.ID, []keyring.Source{keyring.WKD, keyring.Attachment}); err != nil {
		t.Fatal(err)
	}
	listed := func() map[string][]keyring.Source {
		t.Helper()
		all, err := h.AllApprovals(t.Context(), h.admin)
		if err != nil {
			t.Fatal(err)
		}
		named := map[string][]keyring.Source{}
		for _, g := range all {
			named[g.Name] = g.Sources
		}
		return named
	}
	if all := listed(); len(all) != 2 || len(all["Support"]) != 0 || !slices.Equal(all["Sales"], []keyring.Source{keyring.Attachment, keyring.WKD}) {
		t.Errorf("%v", all)
	}
	if e := h.entries("discovery.approvals-set"); len(e) != 1 || e[0].GroupID != sales.ID || e[0].Detail["sources"] != "wkd attachment" {
		t.Errorf("the log holds %+v", e)
	}
	var problem *gateway.Problem
	if err := h.SetApprovals(t.Context(), h.admin, sales.ID, []keyring.Source{"rumour"}); !errors.As(err, &problem) || !strings.Contains(problem.Sentence, "choose among wkd") {
		t.Errorf("a source that there is not: %v", err)
	}
	if err := h.DeleteGroup(t.Context(), h.admin, sales.ID); err != nil {
		t.Fatal(err)
	}
	var left int64
	if err := h.DB.Table("discover_approvals").Count(&left).Error; err != nil || left != 0 {
		t.Errorf("%d rows are left, %v", left, err)
	}
	if _, err := h.Approvals(t.Context(), h.admin, sales.ID); !errors.Is(err, gateway.ErrNotFound) {
		t.Errorf("of a deleted group: %v", err)
	}
}
