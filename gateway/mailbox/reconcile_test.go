package mailbox

import (
	"fmt"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

// TestPendingChangesWinOverTheListing: what upstream has not heard of is neither undone nor fetched again.
func TestPendingChangesWinOverTheListing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		d, up := newDesk(t, db), newMemory(t, imap.CapUIDPlus)
		up.append(letter("flagged"), letter("expunged"), letter("vanished"), letter("answered"))
		_, stop := d.sync(up.upstream())
		d.shows("flagged", "expunged", "vanished", "answered")
		stop()
		ctx := t.Context()
		f, err := d.mirror.folder(ctx, deskMailbox, inbox)
		if err != nil {
			t.Fatal(err)
		}
		for uid, flag := range map[uint32]imap.Flag{1: imap.FlagFlagged, 2: imap.FlagDeleted} {
			if _, err := d.mirror.storeFlags(ctx, f, []uint32{uid}, imap.StoreFlagsAdd, flagSet(flag)); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.mirror.expunge(ctx, f, []uint32{1, 2, 3, 4}); err != nil {
			t.Fatal(err)
		}
		// Upstream's listing from before: nothing of it has arrived there, one message is gone, one is answered.
		difference, err := d.mirror.reconcile(ctx, f, listing{1: "", 2: "", 4: flagSet(imap.FlagAnswered), 9: ""})
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(difference.arrived); got != "[9]" {
			t.Errorf("arrived %s, want [9]", got)
		}
		if len(difference.vanished) != 1 || difference.vanished[0].UpstreamUID != 3 {
			t.Errorf("vanished %v, want UID 3", difference.vanished)
		}
		d.shows(`flagged \Flagged`, "vanished", `answered \Answered`)
	})
}
