package bed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// OwnNetwork is a network of one test's own: it has loopback only, every port is free, and names and roots are what the test
// says. Programs that know no other way than port 443 of a real name can be pointed at a server of the test.
type OwnNetwork struct{ dir string }

// ownAddress is where names stand in the test's own network. It is a public one, because programs refuse to ask others;
// nothing leaves the network.
const ownAddress = "11.0.0.1"

// inOwnNetwork is set in the process that runs a story again.
const inOwnNetwork = "BED_OWN_NETWORK"

// InOwnNetwork runs a story in a process of its own, in new network, mount and process namespaces of Linux: the test's own
// program once more, for this one test. When it ends, whatever it started has ended. It calls Need; where the machine does not allow namespaces, the test is skipped or failed
// as if a program were missing. Call it first in a test, and with all that the test does as the story.
func InOwnNetwork(t *testing.T, story func(n *OwnNetwork)) {
	t.Helper()
	Need(t, "ip")
	if os.Getenv(inOwnNetwork) == t.Name() {
		story(newOwnNetwork(t))
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+regexp.QuoteMeta(t.Name())+"$", "-test.v")
	cmd.Env = append(os.Environ(), inOwnNetwork+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL}
	if id := os.Getuid(); id != 0 { // who is not root here is root in there
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: id, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	var words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &words, &words
	err := cmd.Run()
	switch {
	case errors.Is(err, syscall.EPERM):
		without(t, "namespaces", "this machine allows no network of a test's own")
	case err != nil || !strings.Contains(words.String(), "--- PASS: "+t.Name()):
		t.Fatalf("in a network of its own: %v\n%s", err, words.Bytes())
	}
}

func newOwnNetwork(t *testing.T) *OwnNetwork {
	t.Helper()
	n := &OwnNetwork{dir: Dir(t)}
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		t.Fatalf("keep mounts to ourselves: %v", err)
	}
	for _, args := range [][]string{{"link", "set", "lo", "up"}, {"address", "add", ownAddress + "/32", "dev", "lo"}} {
		if out, err := exec.Command(find("ip"), args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %q: %v\n%s", args, err, out)
		}
	}
	n.over(t, "/etc/resolv.conf", []byte("nameserver 127.0.0.1\n")) // where nobody answers
	return n
}

// Names makes these names, and no others, stand for this machine, at an address that programs take for public.
func (n *OwnNetwork) Names(t *testing.T, names ...string) {
	t.Helper()
	n.over(t, "/etc/hosts", fmt.Appendf(nil, "127.0.0.1 localhost\n%s %s\n", ownAddress, strings.Join(names, " ")))
}

// Trust makes one authority the only one that programs accept which ask the system.
func (n *OwnNetwork) Trust(t *testing.T, a Authority) {
	t.Helper()
	n.over(t, "/etc/ssl/certs/ca-certificates.crt", a.CertPEM)
}

// over puts a file over one of the system's, which stays as it is for everybody else.
func (n *OwnNetwork) over(t *testing.T, path string, content []byte) {
	t.Helper()
	own := filepath.Join(n.dir, filepath.Base(path))
	if err := os.WriteFile(own, content, 0o644); err != nil {
		t.Fatal(err)
	}
	real, err := filepath.EvalSymlinks(path)
	if err == nil {
		err = syscall.Mount(own, real, "", syscall.MS_BIND, "")
	}
	if err != nil {
		t.Fatalf("put a file over %s: %v", path, err)
	}
}
