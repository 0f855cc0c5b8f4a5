// Package disk is a disk that can fail: a file system of its own in memory, mounted by FUSE, whose power can be cut. It is
// imported by tests only.
//
// What enters is a folder's files and what processes write; what leaves is what they read, and after a power cut what they had
// made durable. Durable are the bytes of a file for which fsync or fdatasync of that file was answered, and the names in a folder
// for which fsync of that folder was: POSIX promises no more. Everything else is dropped by a power cut, or kept by
// chance page by page and folder by folder, as the caches of real disks do.
//
// While it runs, the disk can be told to be full, read-only, slow to sync, or to fail when it syncs. After a failed sync the pages
// count as clean although they are not durable, as on Linux: who syncs again without writing again is told that all is
// well, and loses.
//
// The package needs Linux, root and /dev/fuse; elsewhere the test is skipped, or failed when SEALGATE_PEERS=required. The test
// process serves the mounted folder, so it must not touch it itself, not even by exec.Cmd's Dir: while a page is mapped
// or a child is made, Go's runtime may stand still. Let a child process do it.
package disk

import (
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// Fault is what is wrong with the disk. The zero Fault is a healthy disk.
type Fault struct {
	Full     bool          // no byte more than it holds: ENOSPC where something would grow or appear
	Room     int64         // how many bytes are left all the same before Full shows
	ReadOnly bool          // EROFS for whatever changes something
	SyncWait time.Duration // how long each sync takes
	SyncFail bool          // each sync fails with EIO
	SyncLies bool          // syncs are answered and nothing becomes durable, as with a broken controller
}

// Disk is one mounted file system. Its methods may be called by many goroutines.
type Disk struct {
	folder string

	mu    sync.Mutex
	root  *node
	inode uint64 // the last one given
	fault Fault
	syncs int
}

// Set makes the disk ill, or well again. It counts for what begins after it.
func (d *Disk) Set(f Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = f
}

// Folder is where it is mounted.
func (d *Disk) Folder() string { return d.folder }

// Syncs counts the syncs that were answered well.
func (d *Disk) Syncs() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.syncs
}

// fill copies the files of a folder onto the disk, all of them durable.
func (d *Disk) fill(from string) error {
	return filepath.WalkDir(from, func(path string, entry os.DirEntry, err error) error {
		if err != nil || path == from {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		var content []byte
		if !entry.IsDir() {
			if content, err = os.ReadFile(path); err != nil {
				return err
			}
		}
		parent := d.root.find(filepath.Dir(relative))
		made := d.newNode(entry.IsDir(), 0o700)
		made.write(content, 0)
		made.settle()
		parent.entries[entry.Name()] = made
		parent.settle()
		return nil
	})
}

// drop forgets what is not durable, but for what chance keeps.
func (d *Disk) drop(keep func() bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.root.drop(keep)
}

func (d *Disk) newNode(folder bool, mode uint32) *node {
	d.inode++
	n := &node{inode: d.inode, mode: mode&0o7777 | syscall.S_IFREG, dirty: map[int64]bool{}}
	if folder {
		n.mode = mode&0o7777 | syscall.S_IFDIR
		n.entries, n.durableEntries = map[string]*node{}, map[string]*node{}
	}
	return n
}

// allow tells why the disk cannot take so many bytes more, and takes them from its room.
func (d *Disk) allow(more int64) syscall.Errno {
	if d.fault.ReadOnly {
		return syscall.EROFS
	}
	if !d.fault.Full || more <= 0 {
		return 0
	}
	if more > d.fault.Room {
		return syscall.ENOSPC
	}
	d.fault.Room -= more
	return 0
}

// sync makes a node durable, or not, as the disk is.
func (d *Disk) sync(n *node) syscall.Errno {
	d.mu.Lock()
	wait := d.fault.SyncWait
	d.mu.Unlock()
	if wait > 0 {
		<-time.After(wait)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.fault.SyncFail:
		clear(n.dirty)
		return syscall.EIO
	case !d.fault.SyncLies:
		n.settle()
	}
	d.syncs++
	return 0
}
