package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/queue"
)

// TestHostileNextHopsLoseNothing: a next hop with a misdeed for each connection, and a well-behaved one now and then.
func TestHostileNextHopsLoseNothing(t *testing.T) {
	t.Parallel()
	chance, auditor, folder := newChance(t), newAuditor(), t.TempDir()
	database := "sqlite:" + filepath.Join(folder, "sealgate.db")
	hop := startNextHop(t, auditor)
	manners, served := hostileManners(), 0
	hop.behave(func() manner { // called by one connection at a time
		if served++; chance.below(4) == 0 {
			return manner{}
		}
		return manners[served%len(manners)]
	})
	furnish(t, folder, database, hop.address)
	v := newVictim(t, auditor, folder, database)
	v.start()
	senders := &senders{addresses: []string{v.submission}, auditor: auditor, chance: chance, pause: 400 * time.Millisecond}
	senders.start(t)

	rounds := tortureNumber(t, "SEALGATE_TEST_ROUNDS", 1)
	for range 20 * rounds {
		await(t.Context(), time.Second)
		v.hurry()
	}
	senders.halt()
	misdeeds := hop.connections()
	hop.behave(func() manner { return manner{} })
	end := time.Now().Add(2 * time.Minute)
	for auditor.missing() > 0 && time.Now().Before(end) {
		v.hurry()
		await(t.Context(), time.Second)
	}
	v.stop()
	if misdeeds < len(manners) {
		t.Errorf("only %d connections for %d manners", misdeeds, len(manners))
	}
	report(t, "connections of a hostile next hop", auditor.conclude(t), misdeeds)
}

// connections counts those that were served so far.
func (h *nextHop) connections() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.served
}

// hurry makes due what waits for its next attempt, as a person on the queue's page would.
func (v *victim) hurry() {
	list := v.command("queue", "list", "--limit", "500")
	waiting := []string{string(queue.Pending), string(queue.Uncertain)}
	var ids []string
	for line := range strings.Lines(list) {
		fields := strings.Fields(line)
		if len(fields) > 3 && slices.ContainsFunc(fields, func(f string) bool { return slices.Contains(waiting, f) }) {
			ids = append(ids, fields[0])
		}
	}
	if len(ids) > 0 { // some may have left meanwhile
		v.command(append([]string{"queue", "retry"}, slices.Compact(ids)...)...)
	}
}

// command runs one command on the victim's data, in a process of its own because that data may be on a disk that this one
// serves, and returns what it says.
func (v *victim) command(args ...string) string {
	cmd := exec.Command(os.Args[0], append([]string{"-c", v.config}, args...)...)
	cmd.Env = append(os.Environ(), asSealgate+"=1")
	out, _ := cmd.CombinedOutput() // what failed stands in the output
	return string(out)
}
