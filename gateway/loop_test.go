package gateway_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/queue"
	"github.com/sealgate/sealgate/gateway/submission"
	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

// round submits a message under the fields with which it came back, and returns those with which it leaves.
func (h *house) round(fields ...string) (leaves string, err error) {
	h.t.Helper()
	l := letter{to: []string{"ann@example.org"}, fields: fields}
	if _, err := h.submit(l); err != nil {
		return "", err
	}
	all, err := h.Queue.List(h.ctx(), queue.Filter{Limit: 1})
	if err != nil || len(all) != 1 {
		h.t.Fatalf("in the queue: %+v, %v", all, err)
	}
	return all[0].Signatures, nil
}

// TestAMessageThatGoesRoundInACircleIsStopped: whoever sends it back, with trace fields or without, after a few rounds it is
// refused for good; a marker of another message or of nobody counts for nothing.
func TestAMessageThatGoesRoundInACircleIsStopped(t *testing.T) {
	h := newHouse(t)
	var markers []string
	for n := range 4 {
		leaves, err := h.round(markers...)
		if err != nil || !strings.HasPrefix(leaves, fmt.Sprintf("Sealgate-Loop: %d.", n+1)) {
			t.Fatalf("round %d: %q, %v", n, leaves, err)
		}
		markers = append([]string{strings.TrimSpace(leaves)}, markers...)
	}
	_, err := h.round(markers...)
	var refusal *submission.Refusal
	if !errors.As(err, &refusal) || refusal.Code != 554 || refusal.Enhanced != [3]int{5, 4, 6} {
		t.Errorf("the fifth time: %v", err)
	}
	if _, err := h.round(markers[1:]...); err != nil {
		t.Errorf("without the newest marker: %v", err)
	}
	for name, forged := range map[string]string{
		"nobody's":  "Sealgate-Loop: 200.AAAAAAAAAAAAAAAAAAAAAAAA",
		"raised":    strings.Replace(markers[3], ": 1.", ": 4.", 1),
		"senseless": "Sealgate-Loop: -1",
		"many":      strings.Repeat("Sealgate-Loop: 9.x\r\n", 100) + "Sealgate-Loop: 9.x",
		"huge":      "Sealgate-Loop: 99999999999999999999.x",
	} {
		if leaves, err := h.round(forged); err != nil || !strings.HasPrefix(leaves, "Sealgate-Loop: 1.") {
			t.Errorf("%s: %q, %v", name, leaves, err)
		}
	}
	other := letter{to: []string{"ann@example.org"}, fields: markers}.message()
	_, err = h.Submit(t.Context(), submission.Submission{
		Identity: submission.Identity{MailboxID: h.box.ID, GroupID: h.group.ID, Login: h.box.Login},
		Envelope: submission.Envelope{ReversePath: support, ForwardPaths: []submission.ForwardPath{{Address: "ann@example.org"}}},
		Message:  bytes.Replace(other, []byte("ticket-1@"), []byte("ticket-2@"), 1),
	})
	if err != nil {
		t.Errorf("another message with these markers: %v", err)
	}
}

// TestNodesShareTheKeyOfLoopMarkers: however many begin at once.
func TestNodesShareTheKeyOfLoopMarkers(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		h := emptyHouse(t, db)
		h.group = h.newGroup("Support", support)
		h.box = h.newMailbox(h.group, "support")
		var nodes []*house
		for range 4 {
			node := *h
			node.Gateway = &gateway.Gateway{
				DB: h.DB, Keeper: h.Keeper, Keyring: h.Keyring, Groups: h.Groups, Archive: h.Archive, Activity: h.Activity, Writer: h.Writer,
				Queue: h.Queue, Domain: h.Domain, Now: h.Now, Random: h.Random, Log: h.Log,
			}
			nodes = append(nodes, &node)
		}
		var all sync.WaitGroup
		for _, node := range nodes {
			all.Go(func() {
				if _, err := node.submit(letter{to: []string{"ann@example.org"}}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		seen := map[string]bool{}
		queued, err := h.Queue.List(t.Context(), queue.Filter{})
		if err != nil || len(queued) != len(nodes) {
			t.Fatalf("%d in the queue, %v", len(queued), err)
		}
		for _, m := range queued {
			seen[m.Signatures] = true
		}
		if len(seen) != 1 {
			t.Errorf("markers of one message: %v", seen)
		}
	})
}
