package bed_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/bed"
)

// verdict is how a test would have ended.
type verdict struct {
	testing.TB
	logs, fatal, skip string
}

func (v *verdict) Helper()                      {}
func (v *verdict) Logf(format string, a ...any) { v.logs += fmt.Sprintf(format, a...) + "\n" }
func (v *verdict) Fatal(a ...any)               { v.fatal = fmt.Sprint(a...); runtime.Goexit() }
func (v *verdict) Fatalf(format string, a ...any) {
	v.fatal = fmt.Sprintf(format, a...)
	runtime.Goexit()
}

func (v *verdict) Skipf(format string, a ...any) {
	v.skip = fmt.Sprintf(format, a...)
	runtime.Goexit()
}

// record runs story as a test of its own and tells how it ended.
func record(t *testing.T, story func(testing.TB)) *verdict {
	v := &verdict{TB: t}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		story(v)
	}()
	<-ended
	return v
}

func TestNeedNamesWhatIsMissing(t *testing.T) {
	need := func(tb testing.TB) { bed.Need(tb, "no-such-peer", "sh", "no-other-peer") }
	t.Run("skips", func(t *testing.T) {
		t.Setenv("SEALGATE_PEERS", "")
		v := record(t, need)
		if v.fatal != "" || !strings.Contains(v.skip, "no-such-peer is not installed") || !strings.Contains(v.skip, "no-other-peer") {
			t.Errorf("skip %q, fatal %q", v.skip, v.fatal)
		}
		if v.logs != "PEER-MISSING: no-such-peer\nPEER-MISSING: no-other-peer\n" {
			t.Errorf("logs %q", v.logs)
		}
	})
	t.Run("fails when required", func(t *testing.T) {
		t.Setenv("SEALGATE_PEERS", "required")
		if v := record(t, need); v.skip != "" || !strings.Contains(v.fatal, "apt-get install no-such-peer") {
			t.Errorf("skip %q, fatal %q", v.skip, v.fatal)
		}
	})
	t.Run("says nothing when all is there", func(t *testing.T) {
		if v := record(t, func(tb testing.TB) { bed.Need(tb, "sh", "/bin/sh") }); v.skip+v.fatal+v.logs != "" {
			t.Errorf("verdict %+v", v)
		}
	})
}

func TestDirIsShortAndGoesAway(t *testing.T) {
	var dir string
	t.Run("inside", func(t *testing.T) {
		dir = bed.Dir(t)
		if len(dir) > 60 {
			t.Errorf("the path has %d characters: %s", len(dir), dir)
		}
		if err := os.WriteFile(dir+"/file", nil, 0o600); err != nil {
			t.Error(err)
		}
	})
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the folder is still there: %v", err)
	}
}
