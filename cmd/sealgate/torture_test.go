package main

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/sealgate/sealgate/migrations/dbtest"
)

// TestKilledGatewayLosesNothing: kill -9 at random instants while several senders submit, with each database. Every
// acknowledged message arrives, none again unless a reply may have been lost, none in clear.
func TestKilledGatewayLosesNothing(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		killAgainAndAgain(t, "sqlite:"+filepath.Join(t.TempDir(), "sealgate.db"))
	})
	t.Run("postgres", func(t *testing.T) { t.Parallel(); killAgainAndAgain(t, dbtest.Postgres(t)) })
}

func killAgainAndAgain(t *testing.T, database string) {
	kills := tortureNumber(t, "SEALGATE_TEST_KILLS", 50)
	chance, auditor, folder := newChance(t), newAuditor(), t.TempDir()
	furnish(t, folder, database, startNextHop(t, auditor).address)
	victim := newVictim(t, auditor, folder, database)
	victim.start()
	senders := &senders{addresses: []string{victim.submission}, auditor: auditor, chance: chance, pause: 50 * time.Millisecond}
	senders.start(t)

	for n := range kills {
		instant(t, auditor, chance)
		victim.killed(nil)
		progress(t, auditor, "kills", n+1, kills)
	}
	senders.halt()
	waitForArrivals(t, victim, 3*time.Minute)
	victim.stop()
	report(t, "kill -9", auditor.conclude(t), kills)
}

// progress says now and then how far a long run is.
func progress(t *testing.T, a *auditor, what string, done, all int) {
	if done%50 == 0 && done < all {
		t.Logf("%s %d of %d %s, %d messages acknowledged", time.Now().Format(time.TimeOnly), done, all, what, a.acknowledgedSoFar())
	}
}

// waitForArrivals waits until everything that was promised has arrived; what is missing then is the auditor's to tell. What
// was under way at two kills would wait for minutes: it is hurried.
func waitForArrivals(t *testing.T, v *victim, longest time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), longest)
	defer cancel()
	for n := 1; v.auditor.missing() > 0 && ctx.Err() == nil; n++ {
		await(ctx, 100*time.Millisecond)
		if n%100 == 0 {
			v.hurry()
		}
	}
	if n := v.auditor.missing(); n > 0 {
		t.Logf("%d are missing; the queue:\n%s", n, v.command("queue", "list", "--limit", "500"))
	}
}

// acceptsAgain waits until more is acknowledged.
func acceptsAgain(t *testing.T, a *auditor, after string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for before := a.acknowledgedSoFar(); a.acknowledgedSoFar() < before+3; await(t.Context(), 20*time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("nothing is accepted %s after: %s", patience, after)
		}
	}
}

// instant waits for a random instant. At half of them something was accepted just before, however slow the machine.
func instant(t *testing.T, a *auditor, c *chance) {
	t.Helper()
	if c.below(2) == 0 {
		before, end := a.acknowledgedSoFar(), time.Now().Add(3*time.Second)
		for a.acknowledgedSoFar() == before && time.Now().Before(end) {
			await(t.Context(), 2*time.Millisecond)
		}
	}
	await(t.Context(), c.pick(900*time.Millisecond))
}
