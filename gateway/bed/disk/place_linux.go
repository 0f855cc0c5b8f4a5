package disk

import (
	"context"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// place is a node where the kernel sees it.
type place struct {
	fs.Inode
	disk *Disk
	node *node
}

// What the kernel may ask of a place.
var (
	_ fs.NodeLookuper  = (*place)(nil)
	_ fs.NodeReaddirer = (*place)(nil)
	_ fs.NodeCreater   = (*place)(nil)
	_ fs.NodeMkdirer   = (*place)(nil)
	_ fs.NodeUnlinker  = (*place)(nil)
	_ fs.NodeRmdirer   = (*place)(nil)
	_ fs.NodeRenamer   = (*place)(nil)
	_ fs.NodeOpener    = (*place)(nil)
	_ fs.NodeReader    = (*place)(nil)
	_ fs.NodeWriter    = (*place)(nil)
	_ fs.NodeFsyncer   = (*place)(nil)
	_ fs.NodeGetattrer = (*place)(nil)
	_ fs.NodeSetattrer = (*place)(nil)
	_ fs.NodeStatfser  = (*place)(nil)
)

// show makes a node known to the kernel below this place.
func (p *place) show(ctx context.Context, n *node, out *fuse.EntryOut) *fs.Inode {
	describe(n, &out.Attr)
	return p.NewInode(ctx, &place{disk: p.disk, node: n}, fs.StableAttr{Mode: n.mode & syscall.S_IFMT, Ino: n.inode})
}

func describe(n *node, out *fuse.Attr) {
	out.Ino, out.Mode, out.Size, out.Nlink, out.Blksize = n.inode, n.mode, uint64(len(n.bytes)), 1, page
	out.Blocks = (out.Size + 511) / 512
}

// Lookup implements fs.NodeLookuper.
func (p *place) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	p.disk.mu.Lock()
	defer p.disk.mu.Unlock()
	n := p.node.entries[name]
	if n == nil {
		return nil, syscall.ENOENT
	}
	return p.show(ctx, n, out), 0
}

// Readdir implements fs.NodeReaddirer.
func (p *place) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	p.disk.mu.Lock()
	defer p.disk.mu.Unlock()
	var list []fuse.DirEntry
	for name, n := range p.node.entries {
		list = append(list, fuse.DirEntry{Name: name, Mode: n.mode, Ino: n.inode})
	}
	return fs.NewListDirStream(list), 0
}

// make adds a node; a name takes a page.
func (p *place) make(ctx context.Context, name string, folder bool, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	p.disk.mu.Lock()
	defer p.disk.mu.Unlock()
	if errno := p.disk.allow(page); errno != 0 {
		return nil, errno
	}
	if p.node.entries[name] != nil {
		return nil, syscall.EEXIST
	}
	n := p.disk.newNode(folder, mode)
	p.node.entries[name] = n
	return p.show(ctx, n, out), 0
}

// Create implements fs.NodeCreater.
func (p *place) Create(ctx context.Context, name string, _, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	made, errno := p.make(ctx, name, false, mode, out)
	return made, nil, fuse.FOPEN_KEEP_CACHE, errno
}

// Mkdir implements fs.NodeMkdirer.
func (p *place) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return p.make(ctx, name, true, mode, out)
}

// Unlink implements fs.NodeUnlinker. Who has the file open keeps it.
func (p *place) Unlink(_ context.Context, name string) syscall.Errno {
	p.disk.mu.Lock()
	defer p.disk.mu.Unlock()
	if errno := p.disk.allow(0); errno != 0 {
		return errno
	}
	delete(p.node.entries, name)
	return 0
}

// Rmdir implements fs.NodeRmdirer.
func (p *place) Rmdir(ctx context.Context, name string) syscall.Errno {
	p.disk.mu.Lock()
	full := len(p.node.entries[name].entries) > 0
	p.disk.mu.Unlock()
	if full {
		return syscall.ENOTEMPTY
	}
	return p.Unlink(ctx, name)
}

// Rename implements fs.NodeRenamer. It knows no flags.
func (p *place) Rename(_ context.Context, name string, newParent fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	p.disk.mu.Lock()
	defer p.disk.mu.Unlock()
	if errno := p.disk.allow(0); errno != 0 || flags != 0 {
		return max(errno, syscall.Errno(min(flags, 1))*syscall.EINVAL)
	}
	newParent.(*place).node.entries[newName] = p.node.entries[name]
	delete(p.node.entries, name)
	return 0
}

// Open implements fs.NodeOpener. The kernel's pages stay: they are mapped by others.
func (p *place) Open(_ context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	p.disk.mu.Lock()
	defer p.disk.mu.Unlock()
	if flags&syscall.O_ACCMODE != syscall.O_RDONLY {
		return nil, fuse.FOPEN_KEEP_CACHE, p.disk.allow(0)
	}
	return nil, fuse.FOPEN_KEEP_CACHE, 0
}

// Read implements fs.NodeReader.
func (p *place) Read(_ context.Context, _ fs.FileHandle, into []byte, at int64) (fuse.ReadResult, syscall.Errno) {
	p.disk.mu.Lock()
	defer p.disk.mu.Unlock()
	if at >= int64(len(p.node.bytes)) {
		return fuse.ReadResultData(nil), 0
	}
	return fuse.ReadResultData(into[:copy(into, p.node.bytes[at:])]), 0
}

// Write implements fs.NodeWriter.
func (p *place) Write(_ context.Context, _ fs.FileHandle, content []byte, at int64) (uint32, syscall.Errno) {
	p.disk.mu.Lock()
	defer p.disk.mu.Unlock()
	if errno := p.disk.allow(p.node.growth(len(content), at)); errno != 0 {
		return 0, errno
	}
	p.node.write(content, at)
	return uint32(len(content)), 0
}

// Fsync implements fs.NodeFsyncer, for files and folders.
func (p *place) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	return p.disk.sync(p.node)
}

// Getattr implements fs.NodeGetattrer.
func (p *place) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	p.disk.mu.Lock()
	defer p.disk.mu.Unlock()
	describe(p.node, &out.Attr)
	return 0
}

// Setattr implements fs.NodeSetattrer: mode and size. Times and owners are not kept.
func (p *place) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	p.disk.mu.Lock()
	defer p.disk.mu.Unlock()
	size, resize := in.GetSize()
	more := int64(0)
	if resize {
		more = int64(size) - int64(len(p.node.bytes))
	}
	if errno := p.disk.allow(more); errno != 0 {
		return errno
	}
	if resize {
		p.node.resize(int64(size))
	}
	if mode, ok := in.GetMode(); ok {
		p.node.mode = p.node.mode&syscall.S_IFMT | mode&0o7777
	}
	describe(p.node, &out.Attr)
	return 0
}

// Statfs implements fs.NodeStatfser: what a healthy disk says.
func (p *place) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	out.Bsize, out.Frsize, out.NameLen = page, page, 255
	out.Blocks, out.Bfree, out.Bavail = 1<<20, 1<<19, 1<<19
	return 0
}
