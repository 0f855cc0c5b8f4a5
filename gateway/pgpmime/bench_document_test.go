package pgpmime_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// figure is one row of docs/benchmarks.md.
type figure struct {
	name, ours, peer, theirs, ratio, wanted string
	met                                     bool // or nothing is wanted
}

// TestBenchmarksDocument writes docs/benchmarks.md. It asserts nothing: how fast a machine is proves no code wrong.
func TestBenchmarksDocument(t *testing.T) {
	if os.Getenv("SEALGATE_WRITE_DOCS") != "1" {
		t.Skip("it measures for a minute and writes docs/benchmarks.md; run make bench")
	}
	memory := memoryFigures(t) // first, while the heap is small
	var figures []figure
	for _, c := range contests(t) {
		r, err := c.run()
		if err != nil {
			t.Fatalf("%s, %s: %v", c.name, c.peer, err)
		}
		figures = append(figures, c.figure(r))
	}
	figures = append(append(figures, memory...), nestedFigure(t))
	document := benchmarksIntroduction + benchmarksTable(figures) + "\n## Machine\n\n" + machine(t)
	if err := os.WriteFile(filepath.Join("..", "..", "docs", "benchmarks.md"), []byte(document), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Logf("docs/benchmarks.md\n%s", document)
}

const benchmarksIntroduction = `# Benchmarks

Written by ` + "`make bench`" + `. In each row both sides did the same to the same bytes, in turns in one run, with AES-256, SHA-256,
Ed25519 and Curve25519; the times are medians. go-crypto is the OpenPGP library under Sealgate, called as plainly as its
interface allows: without mail around it, and with armor only where the row says so. What we protect and open is armored,
so that is the row which counts. gpg is a process for each message, which reads from a pipe (20 KB) or a file (25 MB).
Memory is by how much the heap grew at its peak, garbage and all, while the message lay in a sealed spool.

`

// figure puts a result into words.
func (c contest) figure(r result) figure {
	f := figure{name: c.name, ours: short(r.ours), peer: c.peer, theirs: short(r.theirs), met: true}
	switch {
	case c.atLeast > 0:
		f.ratio, f.wanted = fmt.Sprintf("%.1f times as fast", 1/r.ratio), fmt.Sprintf("at least %g times as fast", c.atLeast)
		f.met = 1/r.ratio >= c.atLeast
	case c.atMost > 0:
		f.ratio, f.wanted = fmt.Sprintf("%.2f times the time", r.ratio), fmt.Sprintf("at most %g times the time", c.atMost)
		f.met = r.ratio <= c.atMost
	default:
		f.ratio = fmt.Sprintf("%.2f times the time", r.ratio)
	}
	return f
}

// memoryFigures takes the worst of a few runs.
func memoryFigures(t *testing.T) []figure {
	t.Helper()
	const wanted = 16 << 20
	var figures []figure
	for _, o := range newSpooledArena(t).operations(t) {
		var peak uint64
		for range 5 {
			grown, err := heapGrowth(o.run)
			if err != nil {
				t.Fatalf("%s: %v", o.name, err)
			}
			peak = max(peak, grown)
		}
		figures = append(figures, figure{
			name: "Memory to " + o.name + " 25 MB", ours: fmt.Sprintf("%.1f MiB", float64(peak)/(1<<20)), wanted: "at most 16 MiB", met: peak <= wanted,
		})
	}
	return figures
}

func nestedFigure(t *testing.T) figure {
	t.Helper()
	message := []byte(nested(5000))
	var all []float64
	for range rounds {
		took, err := timed(3, func() error { return judgeNested(message) })
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, took.Seconds())
	}
	took := seconds(median(all))
	return figure{name: "Judge 5,000 nested multiparts", ours: short(took), wanted: "under 50 ms", met: took < 50*time.Millisecond}
}

// short is a time with three digits.
func short(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case ms < 10:
		return fmt.Sprintf("%.2f ms", ms)
	case ms < 100:
		return fmt.Sprintf("%.1f ms", ms)
	}
	return fmt.Sprintf("%.0f ms", ms)
}

func benchmarksTable(figures []figure) string {
	var b strings.Builder
	b.WriteString("| figure | Sealgate | peer | peer's figure | ratio | wanted | met |\n|---|---|---|---|---|---|---|\n")
	for _, f := range figures {
		met := ""
		if f.wanted != "" {
			met = map[bool]string{true: "yes", false: "**no**"}[f.met]
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", f.name, f.ours, f.peer, f.theirs, f.ratio, f.wanted, met)
	}
	return b.String()
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
	gpgVersion, _, _ := bytes.Cut(output(t, "gpg", "--version"), []byte("\n"))
	library := output(t, "go", "list", "-m", "-f", "{{.Version}}", "github.com/ProtonMail/go-crypto")
	return fmt.Sprintf("%s, %d cores in use, %s; %s; %s; go-crypto %s.\n",
		processor, runtime.GOMAXPROCS(0), runtime.GOOS, runtime.Version(), gpgVersion, bytes.TrimSpace(library))
}

func output(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return out
}
