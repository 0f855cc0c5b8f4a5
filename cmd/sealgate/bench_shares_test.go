package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/pprof"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

const timeIntroduction = `
## Where the time goes

Of the processor time of Sealgate under that load, by a profile:

| what | share |
|---|---|
`

// shares profiles one load and names the parts. What is in none of them is SMTP, parsing, logs and the runtime.
func (s *site) shares(sink string) string {
	s.t.Helper()
	profile := filepath.Join(s.t.TempDir(), "cpu")
	f, err := os.Create(profile)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		s.t.Fatal(err)
	}
	load(s.t, s.address("relay", "plain"), sink, benchMessages)
	pprof.StopCPUProfile()
	if err := f.Close(); err != nil {
		s.t.Fatal(err)
	}
	rows := ""
	for _, part := range [][2]string{
		{"crypto (OpenPGP, sealing, hashes)", `go-crypto|circl|^crypto/|keyring/seal|pgpmime/pgp`},
		{"database (SQLite and what talks to it)", `database/sql|gorm\.io|modernc\.org`},
		{"garbage collection", `gcBgMarkWorker|gcAssist|bgsweep`},
	} {
		rows += fmt.Sprintf("| %s | %s |\n", part[0], focused(s.t, profile, part[1]))
	}
	return rows + fmt.Sprintf("\nOf the time on the clock, a sync of the database's file was under way for %.0f %%.\n", 100*syncing(s.t))
}

// focused is the share of a profile below functions whose names match.
func focused(t *testing.T, profile, functions string) string {
	t.Helper()
	out, err := exec.Command("go", "tool", "pprof", "-top", "-nodecount=1000000", "-nodefraction=0", "-focus", functions, profile).CombinedOutput() //nolint:gosec // our own arguments
	share := regexp.MustCompile(`accounting for [\d.]+m?s, ([\d.]+)% of`).FindSubmatch(out)
	if err != nil || share == nil {
		t.Fatalf("pprof: %v\n%s", err, out)
	}
	return string(share[1]) + " %"
}

// syncing is the part of the time in which a real process syncs files, as the system's own trace says it.
func syncing(t *testing.T) float64 {
	t.Helper()
	v := benchVictim(t, freePort(t))
	trace := filepath.Join(t.TempDir(), "trace")
	process := exec.Command("strace", "-f", "--seccomp-bpf", "-qq", "-T", "-e", "trace=fsync,fdatasync", "-o", trace, os.Args[0], "-c", v.config, "serve") //nolint:gosec // our own arguments
	process.Env = append(os.Environ(), asSealgate+"=1")
	process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	defer process.Wait()                                      //nolint:errcheck // it was killed
	defer syscall.Kill(-process.Process.Pid, syscall.SIGKILL) //nolint:errcheck // it may have ended
	waitForListener(t, v.submission)
	before, start := sizeOf(trace), time.Now()
	submitMany(t, v.submission, benchSessions, 30)
	elapsed := time.Since(start)
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	var total float64
	for _, m := range regexp.MustCompile(`<(\d+\.\d+)>`).FindAllSubmatch(text[min(before, len(text)):], -1) {
		seconds, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil {
			t.Fatal(err)
		}
		total += seconds
	}
	return min(1, total/elapsed.Seconds())
}

// benchVictim is a real process, not started yet.
func benchVictim(t *testing.T, sink string) *victim {
	t.Helper()
	folder := t.TempDir()
	database := "sqlite:" + filepath.Join(folder, "sealgate.db")
	furnish(t, folder, database, sink)
	return newVictim(t, newAuditor(), folder, database)
}

func sizeOf(path string) int {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return int(info.Size())
}

const answersIntroduction = `
## How long a client waits

From the end of the message to the answer, over 16 sessions at once with 60 messages of 20 KB each:

| half of the answers within | 99 of 100 within | the slowest |
|---|---|---|
`

// answers measures what a ticket system waits for.
func answers(t *testing.T, s *site) string {
	t.Helper()
	all := submitMany(t, s.address("submission", "plain"), benchSessions, 60)
	slices.Sort(all)
	at := func(share float64) string {
		return fmt.Sprintf("%.0f ms", all[int(share*float64(len(all)-1))].Seconds()*1000)
	}
	return "| " + at(0.5) + " | " + at(0.99) + " | " + at(1) + " |\n"
}

// submitMany sends n messages in each of several sessions at once, and returns how long each was waited for.
func submitMany(t *testing.T, address string, sessions, n int) (all []time.Duration) {
	t.Helper()
	var mu sync.Mutex
	var group sync.WaitGroup
	for session := range sessions {
		group.Go(func() {
			waits, err := submitSome(address, session, n)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Errorf("session %d: %v", session, err)
			}
			all = append(all, waits...)
		})
	}
	group.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return all
}

func submitSome(address string, session, n int) (waits []time.Duration, err error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	c := smtp.NewClient(conn)
	defer c.Close()
	if err := c.Auth(sasl.NewPlainClient("", "support", gatewayPassword)); err != nil {
		return nil, err
	}
	for i := range n {
		if err := c.Mail(support, nil); err != nil {
			return waits, err
		}
		if err := c.Rcpt(customer, nil); err != nil {
			return waits, err
		}
		w, err := c.Data()
		if err != nil {
			return waits, err
		}
		message := tortureMessage(fmt.Sprintf("bench-%d-%d", session, i), []string{customer}, benchSize)
		if _, err := w.Write([]byte(message)); err != nil {
			return waits, err
		}
		start := time.Now()
		if err := w.Close(); err != nil {
			return waits, err
		}
		waits = append(waits, time.Since(start))
	}
	return waits, nil
}

const memoryIntroduction = `
## Large messages

200 sessions at once send 400 messages of 5 MB each, which are signed, encrypted and delivered. The most memory that the process
held meanwhile, as the system counts it (VmHWM):

| resident memory | messages a second |
|---|---|
`

// heavyLoad runs a real process, because its memory is to be measured and not the test's.
func heavyLoad(t *testing.T) string {
	t.Helper()
	const sessions, size, messages = 200, 5 << 20, 400
	sink, relay := freePort(t), freePort(t)
	v := benchVictim(t, sink)
	text, err := os.ReadFile(v.config)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte("listen:\n"), []byte("listen:\n  relay: [\""+relay+" plain out trust=127.0.0.1\"]\n"), 1)
	if err := os.WriteFile(v.config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	v.start()
	arrived, start := receive(t, sink, messages), time.Now()
	source(t, relay, sessions, size, messages)
	arrived()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", v.process.Process.Pid))
	most := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if err != nil || most == nil {
		t.Fatalf("memory of the process: %v\n%s", err, status)
	}
	kilobytes, err := strconv.ParseFloat(string(most[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("| %.0f MB | %.1f |\n", kilobytes*1024/1e6, messages/time.Since(start).Seconds())
}
