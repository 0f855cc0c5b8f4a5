package disk

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// page is the unit that a cut keeps or drops.
const page = 4096

// node is a file or a folder: as processes see it, and as it would be after a power cut.
type node struct {
	inode uint64
	mode  uint32

	bytes, durable []byte
	dirty          map[int64]bool // pages to be written at the next sync

	entries, durableEntries map[string]*node // of a folder
}

func (n *node) folder() bool { return n.mode&syscall.S_IFMT == syscall.S_IFDIR }

// find follows a relative path; it must lead somewhere.
func (n *node) find(path string) *node {
	for _, name := range strings.Split(path, string(filepath.Separator)) {
		if name != "." {
			n = n.entries[name]
		}
	}
	return n
}

// growth is by how many bytes a write makes the file longer.
func (n *node) growth(length int, at int64) int64 { return at + int64(length) - int64(len(n.bytes)) }

// write changes bytes that are not durable yet.
func (n *node) write(content []byte, at int64) {
	if len(content) == 0 {
		return
	}
	end := at + int64(len(content))
	if end > int64(len(n.bytes)) {
		n.resize(end)
	}
	copy(n.bytes[at:], content)
	n.touch(at, end)
}

// touch marks the pages of a range.
func (n *node) touch(from, to int64) {
	for p := from / page; p*page < to; p++ {
		n.dirty[p] = true
	}
}

// resize cuts off or adds zeros.
func (n *node) resize(size int64) {
	old := int64(len(n.bytes))
	n.bytes = resized(n.bytes, size)
	n.touch(min(old, size), size)
}

func resized(b []byte, size int64) []byte {
	if size <= int64(len(b)) {
		return b[:size]
	}
	return append(b, make([]byte, size-int64(len(b)))...)
}

// settle makes durable what was written since the last time, and the length.
func (n *node) settle() {
	if n.folder() {
		n.durableEntries = maps.Clone(n.entries)
		return
	}
	n.durable = resized(n.durable, int64(len(n.bytes)))
	for p := range n.dirty {
		n.keep(p)
	}
	clear(n.dirty)
}

// keep makes one page durable.
func (n *node) keep(p int64) {
	from, to := p*page, min((p+1)*page, int64(len(n.bytes)))
	if from >= to {
		return
	}
	if to > int64(len(n.durable)) {
		n.durable = resized(n.durable, to)
	}
	copy(n.durable[from:to], n.bytes[from:to])
}

// drop makes the node what it would be after a power cut, and what is below it.
func (n *node) drop(keep func() bool) {
	if !n.folder() {
		for _, p := range slices.Sorted(maps.Keys(n.dirty)) {
			if keep() {
				n.keep(p)
			}
		}
		clear(n.dirty)
		n.bytes = slices.Clone(n.durable)
		return
	}
	if !maps.Equal(n.entries, n.durableEntries) && keep() {
		n.settle()
	}
	n.entries = maps.Clone(n.durableEntries)
	for _, name := range slices.Sorted(maps.Keys(n.entries)) {
		n.entries[name].drop(keep)
	}
}
