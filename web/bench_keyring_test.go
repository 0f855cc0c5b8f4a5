package web

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
)

// people is how many certificates the large keyring holds.
const people = 10_000

// keyringFigure is one row of docs/benchmarks-keyring.md.
type keyringFigure struct {
	name         string
	ours, theirs time.Duration
	peer         string // what gpg is asked
	wanted       time.Duration
}

// TestKeyringBenchmarksDocument writes docs/benchmarks-keyring.md. It asserts nothing: how fast a machine is proves no code
// wrong.
func TestKeyringBenchmarksDocument(t *testing.T) {
	if os.Getenv("SEALGATE_WRITE_DOCS") != "1" {
		t.Skip("it measures for minutes and writes docs/benchmarks-keyring.md; run make bench")
	}
	dump := largeDump(t)
	b := newBench(t)
	b.person("root", groups.Admin)
	g := bed.NewGPG(t)
	imported, peak := b.importsLarge(dump)
	figures := append([]keyringFigure{{
		name: fmt.Sprintf("Import the dump (%.1f MB)", float64(len(dump))/1e6), ours: imported,
		theirs: took(t, func() error { _, _, err := g.Try(t, dump, "--import"); return err }), peer: "gpg --import", wanted: time.Minute,
	}}, b.keyringFigures(g)...)
	document := keyringIntroduction + keyringTable(figures, peak) + "\n## Machine\n\n" + machine(t)
	if err := os.WriteFile(filepath.Join("..", "docs", "benchmarks-keyring.md"), []byte(document), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Logf("docs/benchmarks-keyring.md\n%s", document)
}

const keyringIntroduction = `# Benchmarks of the keyring

Written by ` + "`make bench`" + `, with a keyring of 10,000 certificates (Ed25519 and Curve25519, one user ID each) in SQLite. The dump is
imported as a file that an administrator uploads: read as a stream, every self-signature verified, stored in transactions
of 200 with their entries in the log. gpg has the same dump, in its default keybox, and is a process for each question.
Times but those of the import are medians of 25. Those of pages are of a whole page over HTTP, from the check of the login
to the last octet of HTML; a search of ours looks for any part of an address or fingerprint. Memory is by how much the heap
grew at its peak, garbage and all.

`

// largeDump is the export of a large keyring, binary.
func largeDump(t *testing.T) []byte {
	t.Helper()
	var dump bytes.Buffer
	made := time.Now().Add(-24 * time.Hour)
	for i := range people {
		item, err := keyring.Generate(keyring.Curve25519, fmt.Sprintf("Person %d", i), fmt.Sprintf("p%d@example.org", i), 0, made)
		if err != nil {
			t.Fatal(err)
		}
		binary, err := item.Certificate.Binary()
		if err != nil {
			t.Fatal(err)
		}
		dump.Write(binary)
	}
	return dump.Bytes()
}

// heapWatch passes a file on and remembers how large the heap was at its peak, garbage and all.
type heapWatch struct {
	io.Reader
	peak uint64
}

func (h *heapWatch) Read(p []byte) (int, error) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	h.peak = max(h.peak, m.HeapAlloc)
	return h.Reader.Read(p)
}

// importsLarge imports the dump and says how long it took and by how much the heap grew at its peak.
func (b *bench) importsLarge(dump []byte) (time.Duration, uint64) {
	b.t.Helper()
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	watch := &heapWatch{Reader: bytes.NewReader(dump)}
	added := 0
	imported := took(b.t, func() error {
		return b.gateway.ImportDump(b.t.Context(), admin(), watch, nil, func(r gateway.ImportReport) error {
			added += len(r.Changes)
			return nil
		})
	})
	if added != people {
		b.t.Fatalf("%d certificates were imported", added)
	}
	return imported, watch.peak - min(watch.peak, before.HeapAlloc)
}

// keyringFigures asks the large keyring what people and mail ask it.
func (b *bench) keyringFigures(g *bed.GPG) []keyringFigure {
	v := b.as("root")
	page := func(path, says string) func(int) error {
		return func(int) error {
			if a := v.get(path); a.status != http.StatusOK || !strings.Contains(a.body, says) {
				return fmt.Errorf("%s answers %d without %q", path, a.status, says)
			}
			return nil
		}
	}
	asks := func(args ...string) func(int) error {
		return func(int) error { _, _, err := g.Try(b.t, nil, args...); return err }
	}
	lookup := func(i int) error {
		address := fmt.Sprintf("p%d@example.org", i*397%people)
		found, err := b.gateway.Keyring.Choices(b.t.Context(), []string{address}, b.clock.Now())
		if err == nil && found[address].Best == nil {
			err = fmt.Errorf("%s has no certificate", address)
		}
		return err
	}
	const aPage, aLook = 200 * time.Millisecond, time.Millisecond
	return []keyringFigure{
		{"Find the certificate for an address", b.median(lookup), b.median(asks("--list-keys", "p7777@example.org")), "gpg --list-keys p7777@example.org", aLook},
		{"Find the certificates for 50 addresses", b.median(b.lookupOfMany), 0, "", 50 * aLook},
		{"First page of the list", b.median(page("/keyring", "of 10000")), b.median(asks("--list-keys", "--with-colons")), "gpg --list-keys of all", aPage},
		{"Last page of the list", b.median(page("/keyring?from=9950", "of 10000")), 0, "", aPage},
		{"Search for an address", b.median(page("/keyring?q=p7777@example.org", "p7777@")), b.median(asks("--list-keys", "p7777@example.org")), "gpg --list-keys p7777@example.org", aPage},
		{"Search for a part of one", b.median(page("/keyring?q=777", "777@example.org")), b.median(asks("--list-keys", "777")), "gpg --list-keys 777", aPage},
		{"Search for what is not there", b.median(page("/keyring?q=nobody", "Nothing matches")), 0, "", aPage},
		{"List of own keys", b.median(page("/keyring?own=1", "</html>")), 0, "", aPage},
	}
}

func (b *bench) lookupOfMany(i int) error {
	var addresses []string
	for n := range 50 {
		addresses = append(addresses, fmt.Sprintf("p%d@example.org", (i*397+n*53)%people))
	}
	found, err := b.gateway.Keyring.Choices(b.t.Context(), addresses, b.clock.Now())
	if err == nil && len(found) != 50 {
		err = fmt.Errorf("%d of 50 were found", len(found))
	}
	return err
}

// median is of 25 runs, after one that warms up.
func (b *bench) median(f func(int) error) time.Duration {
	b.t.Helper()
	var all []time.Duration
	for i := range 26 {
		all = append(all, took(b.t, func() error { return f(i) }))
	}
	all = all[1:]
	slices.Sort(all)
	return all[len(all)/2]
}

func took(t *testing.T, f func() error) time.Duration {
	t.Helper()
	start := time.Now()
	if err := f(); err != nil {
		t.Fatal(err)
	}
	return time.Since(start)
}

func keyringTable(figures []keyringFigure, peak uint64) string {
	var out strings.Builder
	out.WriteString("| figure | Sealgate | peer | peer's figure | ratio | wanted | met |\n|---|---|---|---|---|---|---|\n")
	yes := map[bool]string{true: "yes", false: "**no**"}
	for _, f := range figures {
		theirs, ratio := "", ""
		if f.peer != "" {
			theirs, ratio = inMilliseconds(f.theirs), fmt.Sprintf("%.2f times the time", f.ours.Seconds()/f.theirs.Seconds())
		}
		fmt.Fprintf(&out, "| %s | %s | %s | %s | %s | under %s | %s |\n", f.name, inMilliseconds(f.ours), f.peer, theirs, ratio, f.wanted, yes[f.ours < f.wanted])
	}
	const most = 64 << 20
	fmt.Fprintf(&out, "| Memory to import the dump | %.1f MiB |  |  |  | at most 64 MiB | %s |\n", float64(peak)/(1<<20), yes[peak <= most])
	return out.String()
}

func inMilliseconds(d time.Duration) string {
	if d >= 10*time.Second {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond))
}

// machine says where the figures come from.
func machine(t *testing.T) string {
	t.Helper()
	processor := runtime.GOARCH
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		_, after, _ := strings.Cut(string(info), "model name\t: ")
		if name, _, found := strings.Cut(after, "\n"); found {
			processor = name
		}
	}
	version, err := exec.Command("gpg", "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(version), "\n")
	return fmt.Sprintf("%s, %d cores in use, %s; %s; %s.\n", processor, runtime.GOMAXPROCS(0), runtime.GOOS, runtime.Version(), first)
}
