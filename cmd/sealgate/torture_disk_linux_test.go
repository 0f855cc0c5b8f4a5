package main

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/bed/disk"
)

// onDisk is a victim whose database, key and spool are on a disk that can fail.
func onDisk(t *testing.T, a *auditor, c *chance) (*disk.Mounted, *victim, *senders) {
	t.Helper()
	folder := t.TempDir()
	furnish(t, folder, "sqlite:"+filepath.Join(folder, "sealgate.db"), startNextHop(t, a).address)
	d := disk.Mount(t, folder)
	v := newVictim(t, a, d.Folder(), "sqlite:"+filepath.Join(d.Folder(), "sealgate.db"))
	v.start()
	s := &senders{addresses: []string{v.submission}, auditor: a, chance: c, pause: 50 * time.Millisecond}
	s.start(t)
	return d, v, s
}

// TestPowerCutsLoseNothing: what was not synced is dropped, entirely or by chance page by page, while senders submit.
func TestPowerCutsLoseNothing(t *testing.T) {
	t.Parallel()
	cuts := tortureNumber(t, "SEALGATE_TEST_CUTS", 10)
	chance, auditor := newChance(t), newAuditor()
	d, v, senders := onDisk(t, auditor, chance)
	for n := range cuts {
		instant(t, auditor, chance)
		v.killed(func() { d.PowerCut(keepSome(chance, n)) })
		progress(t, auditor, "power cuts", n+1, cuts)
	}
	senders.halt()
	waitForArrivals(t, v, 3*time.Minute)
	v.stop()
	report(t, "power cut", auditor.conclude(t), cuts)
}

// keepSome keeps nothing at every other cut, and else half of what was not synced.
func keepSome(c *chance, n int) func() bool {
	if n%2 == 0 {
		return nil
	}
	return func() bool { return c.below(2) == 0 }
}

// TestAuditorSeesALyingDisk: where nothing that was synced survives, mail is lost, and the auditor says so.
func TestAuditorSeesALyingDisk(t *testing.T) {
	t.Parallel()
	auditor := newAuditor()
	folder := t.TempDir()
	hop := startNextHop(t, auditor)
	hop.behave(func() manner {
		return manner{"421 in the banner", "banner", func(c *hopConnection) error { c.say("421 4.3.2 later"); return errEnough }}
	})
	furnish(t, folder, "sqlite:"+filepath.Join(folder, "sealgate.db"), hop.address)
	d := disk.Mount(t, folder)
	d.Set(disk.Fault{SyncLies: true})
	v := newVictim(t, auditor, d.Folder(), "sqlite:"+filepath.Join(d.Folder(), "sealgate.db"))
	v.start()
	senders := &senders{addresses: []string{v.submission}, auditor: auditor, chance: newChance(t)}
	senders.start(t)
	for auditor.acknowledgedSoFar() < 20 && t.Context().Err() == nil {
		await(t.Context(), 10*time.Millisecond)
	}
	senders.halt()
	v.killed(func() { d.PowerCut(nil) })
	hop.behave(func() manner { return manner{} })
	waitForArrivals(t, v, 5*time.Second)
	v.stop()
	if f := auditor.audit(); len(f.Lost) == 0 {
		t.Errorf("the disk forgot everything and nothing is lost: %s", f)
	}
}

// TestFailingDisksLoseNothing: in each state Sealgate answers 4xx, or 250 for what is durable; it recovers by itself when
// the fault ends, and then accepts again.
func TestFailingDisksLoseNothing(t *testing.T) {
	t.Parallel()
	chance, auditor := newChance(t), newAuditor()
	d, v, senders := onDisk(t, auditor, chance)
	faults := []struct {
		name  string
		fault disk.Fault
	}{
		{"full", disk.Fault{Full: true}},
		{"room for 200 kB", disk.Fault{Full: true, Room: 200_000}},
		{"read-only", disk.Fault{ReadOnly: true}},
		{"slow sync", disk.Fault{SyncWait: 300 * time.Millisecond}},
		{"failing sync", disk.Fault{SyncFail: true}},
	}
	rounds := tortureNumber(t, "SEALGATE_TEST_ROUNDS", 1)
	for range rounds {
		for _, f := range faults {
			from := time.Now()
			d.Set(f.fault)
			await(t.Context(), 2*time.Second)
			if chance.below(2) == 0 { // the machine goes down while the disk is ill
				v.stop()
				d.PowerCut(keepSome(chance, chance.below(2)))
				v.start()
			}
			d.Set(disk.Fault{})
			acceptsAgain(t, auditor, f.name)
			auditor.interrupt(from, time.Now())
		}
	}
	senders.halt()
	waitForArrivals(t, v, 3*time.Minute)
	v.stop()
	report(t, "disk full, read-only, slow, failing", auditor.conclude(t), rounds*len(faults))
}
