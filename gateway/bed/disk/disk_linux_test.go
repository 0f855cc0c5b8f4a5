package disk

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// fresh mounts a disk on which one file is durable.
func fresh(t *testing.T) *Mounted {
	t.Helper()
	from := t.TempDir()
	if err := os.MkdirAll(filepath.Join(from, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(from, "folder", "old"), []byte("old\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return Mount(t, from)
}

// shell runs a script in the disk's folder, in a process of its own, which goes there once it is one: os/exec would go
// there while this process stands still, and then nobody serves the folder.
func (m *Mounted) shell(t *testing.T, script string) string {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", "cd \"$0\" && "+script, m.Folder())
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, _ := cmd.CombinedOutput() // what failed stands in the output
	return strings.TrimSpace(string(out))
}

func TestOnlyWhatWasSyncedSurvivesAPowerCut(t *testing.T) {
	m := fresh(t)
	cases := []struct{ before, after, want string }{
		{"true", "cat folder/old", "old"},
		{"echo new > folder/old", "cat folder/old", "old"},
		{"echo new > folder/old; sync folder/old", "cat folder/old", "new"},
		{"echo x > name", "ls", "folder"},
		{"echo x > bytes; sync bytes", "ls", "folder"},
		{"echo x > names; sync .", "ls; cat names", "folder\nnames"},
		{"echo x > both; sync both .", "cat both", "x"},
		{"rm both", "cat both", "x"},
		{"mv both moved", "cat both", "x"},
		{"mv both moved; sync .", "cat moved", "x"},
		{"mkdir -p a/b; sync .", "ls a", ""},
		{"head -c 9000 /dev/zero > folder/old; sync folder/old; head -c 100 /dev/zero > folder/old", "wc -c < folder/old", "9000"},
	}
	for _, c := range cases {
		m.shell(t, c.before)
		m.PowerCut(nil)
		if got := m.shell(t, c.after); got != c.want {
			t.Errorf("%s; power cut; %s: %q, want %q", c.before, c.after, got, c.want)
		}
	}
}

func TestWithoutAPowerCutEverythingStays(t *testing.T) {
	m := fresh(t)
	m.shell(t, "echo new > folder/new; mv folder/old folder/older")
	m.unmount()
	m.mount()
	if got := m.shell(t, "ls folder; cat folder/new"); got != "new\nolder\nnew" {
		t.Errorf("after mounting again: %q", got)
	}
}

func TestPagesSurviveByChance(t *testing.T) {
	m := fresh(t)
	m.shell(t, "head -c 400000 /dev/zero > file; sync file .; yes | head -c 400000 > file")
	chance := rand.New(rand.NewPCG(1, 2))
	m.PowerCut(func() bool { return chance.IntN(2) == 0 })
	zeros := m.shell(t, "tr -d -c '\\0' < file | wc -c")
	if all := m.shell(t, "wc -c < file"); all != "400000" || zeros == "0" || zeros == "400000" {
		t.Errorf("of %s bytes %s are the old ones", all, zeros)
	}
}

func TestFaults(t *testing.T) {
	m := fresh(t)
	cases := map[string]struct {
		fault             Fault
		script, want, not string
	}{
		"full":              {Fault{Full: true}, "echo x > more", "No space left", ""},
		"full, overwriting": {Fault{Full: true}, "printf new | dd of=folder/old conv=notrunc,fsync status=none", "", "No space"},
		"room for a bit":    {Fault{Full: true, Room: 3 * page}, "head -c 5000 /dev/zero > a; head -c 50000 /dev/zero > b", "No space left", "cannot create a"},
		"read-only":         {Fault{ReadOnly: true}, "echo x > more; rm folder/old", "Read-only file system", ""},
		"sync fails":        {Fault{SyncFail: true}, "echo x > c; sync c", "Input/output error", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m.Set(c.fault)
			got := m.shell(t, c.script)
			m.Set(Fault{})
			if !strings.Contains(got, c.want) || c.not != "" && strings.Contains(got, c.not) {
				t.Errorf("%s says %q", c.script, got)
			}
		})
	}
	if got := m.shell(t, "cat folder/old; echo well > d && sync d && cat d"); got != "new\nwell" {
		t.Errorf("afterwards: %q", got)
	}
}

func TestPagesOfAFailedSyncAreGoneThoughTheNextSucceeds(t *testing.T) {
	m := fresh(t)
	m.Set(Fault{SyncFail: true})
	m.shell(t, "echo new > folder/old; sync folder/old")
	m.Set(Fault{})
	m.shell(t, "sync folder/old")
	m.PowerCut(nil)
	if got := m.shell(t, "cat folder/old"); strings.Contains(got, "new") {
		t.Errorf("the file holds %q", got)
	}
}

func TestALyingDiskLoses(t *testing.T) {
	m := fresh(t)
	m.Set(Fault{SyncLies: true})
	if got := m.shell(t, "echo new > folder/old; sync folder/old && echo synced"); got != "synced" {
		t.Errorf("sync says %q", got)
	}
	m.PowerCut(nil)
	if got := m.shell(t, "cat folder/old"); got != "old" {
		t.Errorf("the file holds %q", got)
	}
}
