package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// Mounted is a disk in its place, until the test ends.
type Mounted struct {
	*Disk
	t      testing.TB
	server *fuse.Server
}

// Mount makes a disk that holds durably what stands in a folder, and mounts it elsewhere.
func Mount(t testing.TB, from string) *Mounted {
	t.Helper()
	need(t)
	d := &Disk{folder: t.TempDir()}
	d.root = d.newNode(true, 0o700)
	if err := d.fill(from); err != nil {
		t.Fatalf("fill the disk: %v", err)
	}
	m := &Mounted{Disk: d, t: t}
	m.mount()
	t.Cleanup(m.unmount)
	return m
}

// need skips or fails the test where no file system can be mounted.
func need(t testing.TB) {
	t.Helper()
	reason := ""
	switch _, err := os.Stat("/dev/fuse"); {
	case os.Geteuid() != 0:
		reason = "mounting needs the tests to run as root"
	case err != nil:
		reason = "there is no /dev/fuse (modprobe fuse)"
	default:
		return
	}
	t.Log("PEER-MISSING: fuse")
	if os.Getenv("SEALGATE_PEERS") == "required" {
		t.Fatalf("%s, and SEALGATE_PEERS=required", reason)
	}
	t.Skipf("%s; set SEALGATE_PEERS=required to make this a failure", reason)
}

func (m *Mounted) mount() {
	m.t.Helper()
	var err error
	m.server, err = fs.Mount(m.folder, &place{disk: m.Disk, node: m.root}, &fs.Options{
		MountOptions: fuse.MountOptions{
			FsName: "failing disk", Name: "disk", DirectMount: true, DirectMountStrict: true, DisableXAttrs: true,
			// Only the kernel's own writes change files, so that it never needs to forget what it mapped.
			ExplicitDataCacheControl: true,
		},
	})
	if err != nil {
		m.t.Fatalf("mount: %v", err)
	}
	if err := keepFromChildren(); err != nil {
		m.t.Fatalf("mount: %v", err)
	}
}

// keepFromChildren closes the disk to programs that are started: whoever holds it keeps it mounted, without serving
// it, when this process has died.
func keepFromChildren() error {
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, entry := range open {
		target, err := os.Readlink("/proc/self/fd/" + entry.Name())
		if err != nil || target != "/dev/fuse" { // closed meanwhile, or another file
			continue
		}
		fd, err := strconv.Atoi(entry.Name())
		if err != nil {
			return err
		}
		syscall.CloseOnExec(fd)
	}
	return nil
}

// unmount waits until every process has let go, after which the kernel holds nothing back.
func (m *Mounted) unmount() {
	m.Set(Fault{})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := m.server.Unmount()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			syscall.Unmount(m.folder, syscall.MNT_FORCE|syscall.MNT_DETACH) //nolint:errcheck // the test fails anyway
			m.t.Fatal(errors.Join(fmt.Errorf("unmount %s", m.folder), err))
		case <-again.C:
		}
	}
}

// PowerCut drops what is not durable, but for what keep keeps; it is asked for each page and each folder, and nil keeps
// nothing. Kill the processes first. Afterwards the disk is healthy.
func (m *Mounted) PowerCut(keep func() bool) {
	m.t.Helper()
	if keep == nil {
		keep = func() bool { return false }
	}
	m.unmount()
	m.drop(keep)
	m.mount()
}
