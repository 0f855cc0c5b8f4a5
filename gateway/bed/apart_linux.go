package bed

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// apart is a system of a daemon's own: the programs and libraries of the machine, and folders of the test over /etc, /var and
// /run, in mount and process namespaces of Linux. The network is everybody's. It is for mail servers whose users, paths or
// packages cannot stand beside Postfix's.
type apart struct {
	dir  string // of the daemon's own files
	over map[string]string
}

// overMounts puts folders over others, as pairs of arguments up to "--", and becomes the daemon.
const overMounts = `set -e
mount --make-rprivate /
while [ "$1" != -- ]; do mount --bind "$1" "$2"; shift 2; done
shift
exec "$@"`

// newApart makes the folders. passwd and group hold root and these users, with numbers that nobody else has.
func newApart(t testing.TB, users ...string) *apart {
	t.Helper()
	a := &apart{dir: Dir(t), over: map[string]string{}}
	for _, path := range []string{"/etc", "/var", "/run"} {
		a.over[path] = a.folder(t, filepath.Join("system", path), 0o755)
	}
	passwd, group := "root:x:0:0::/root:/bin/sh\n", "root:x:0:\n"
	for i, name := range users {
		number := apartNumber(i)
		passwd += name + ":x:" + number + ":" + number + "::/var/empty:/bin/false\n"
		group += name + ":x:" + number + ":\n"
	}
	for name, content := range map[string]string{"passwd": passwd, "group": group, "hosts": "127.0.0.1 localhost\n"} {
		a.file(t, filepath.Join("system", "etc", name), content)
	}
	a.folder(t, filepath.Join("system", "var", "empty"), 0o755)
	return a
}

// folder makes one below dir and returns its path.
func (a *apart) folder(t testing.TB, name string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(a.dir, name)
	if err := errors.Join(os.MkdirAll(path, 0o755), os.Chmod(path, mode)); err != nil {
		t.Fatalf("make a folder of the daemon: %v", err)
	}
	return path
}

// file writes one below dir, which every user may read, and returns its path.
func (a *apart) file(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(a.dir, name)
	if err := errors.Join(os.WriteFile(path, []byte(content), 0o644), os.Chmod(path, 0o644)); err != nil {
		t.Fatalf("write a file of the daemon: %v", err)
	}
	return path
}

// brought makes an unpacked program one that every user of the daemon may run, wherever the cache folder is, and returns its
// path.
func (a *apart) brought(program string) string {
	path := find(program)
	folder := filepath.Dir(filepath.Dir(path))
	a.over["/mnt"] = folder
	return filepath.Join("/mnt", filepath.Base(filepath.Dir(path)), filepath.Base(path))
}

// start runs a daemon that stays in front, until the test ends: with it ends every process that it started. log is shown when
// the test failed.
func (a *apart) start(t testing.TB, log string, ports []int, program string, args ...string) {
	t.Helper()
	words := []string{"-c", overMounts, "sh"}
	for path, own := range a.over {
		words = append(words, own, path)
	}
	daemon := exec.Command(find("sh"), append(append(words, "--", program), args...)...)
	out, err := os.Create(filepath.Join(a.dir, "start.log")) // a pipe would be kept open by children
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	daemon.Stdout, daemon.Stderr = out, out
	daemon.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID}
	switch err := daemon.Start(); {
	case errors.Is(err, syscall.EPERM):
		without(t, "namespaces", "this machine allows no system of a daemon's own")
	case err != nil:
		t.Fatalf("start %s: %v", program, err)
	}
	t.Cleanup(func() {
		if err := daemon.Process.Kill(); err != nil {
			t.Errorf("end %s: %v", program, err)
		}
		_ = daemon.Wait() // it was killed
		for _, path := range []string{out.Name(), log} {
			if content, err := os.ReadFile(path); t.Failed() && err == nil {
				t.Logf("%s:\n%s", path, content)
			}
		}
	})
	if err := listening(ports); err != nil {
		t.Fatalf("%s: %v", program, err)
	}
}

// giveTo makes one of the daemon's users, by its place in newApart, the owner of a file.
func (a *apart) giveTo(t testing.TB, path string, user int) {
	t.Helper()
	number, _ := strconv.Atoi(apartNumber(user)) // ours
	if err := os.Chown(path, number, number); err != nil {
		t.Fatal(err)
	}
}

// apartNumber is the number of a user and of its group.
func apartNumber(user int) string { return strconv.Itoa(64900 + user) }
