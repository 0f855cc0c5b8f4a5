package mailbox

import (
	"context"
	"slices"
	"sort"

	"github.com/emersion/go-imap/v2"
)

// entry is one message as an IMAP session knows it. It outlives its row: until the session may be told of the expunge,
// the message keeps its sequence number and can still be read. RFC 2180, section 4.1.
type entry struct {
	uid        uint32
	articleID  string
	size       int64
	internalMS int64
	flags      flagSet
	gone       bool // expunged, and the session does not know it yet
	untold     bool // flags changed, and the session does not know it yet
}

// view is what one IMAP session was told about its selected folder. Sequence numbers are positions in it and nothing
// else: no number of a client ever meets a number of the database.
type view struct {
	folder   folderRow
	readOnly bool
	entries  []entry // by UID
	version  int64   // of the folder, as far as entries know
	told     int     // the number of messages in the last EXISTS
}

// updates is where a view tells its session what changed; *imapserver.UpdateWriter is one.
type updates interface {
	WriteExpunge(seqNum uint32) error
	WriteNumMessages(n uint32) error
	WriteMessageFlags(seqNum uint32, uid imap.UID, flags []imap.Flag) error
}

// newView reads a folder. What it holds counts as told, in the answer to SELECT.
func newView(ctx context.Context, m *Mirror, f folderRow, readOnly bool) (*view, error) {
	v := &view{folder: f, readOnly: readOnly, version: -1}
	if err := v.look(ctx, m); err != nil {
		return nil, err
	}
	v.told = len(v.entries)
	return v, nil
}

// look takes over what changed in the database, but tells nobody.
func (v *view) look(ctx context.Context, m *Mirror) error {
	f, err := m.folderByID(ctx, v.folder.ID)
	if err != nil {
		return err
	}
	if f.Version == v.version {
		return nil
	}
	rows, err := m.messages(ctx, f.ID, v.version)
	if err != nil {
		return err
	}
	for _, row := range rows {
		v.take(row)
	}
	// Rows that came after f was read have a higher version and are read again next time.
	v.folder, v.version = f, f.Version
	if v.alive() == f.Messages {
		return nil
	}
	left, err := m.uids(ctx, f.ID)
	if err != nil {
		return err
	}
	v.keep(left)
	return nil
}

// take adds or changes one message. A UID is never given twice, and never a lower one after a higher.
func (v *view) take(row messageRow) {
	if i := v.index(row.UID); i >= 0 {
		e := &v.entries[i]
		if e.flags != flagSet(row.Flags) {
			e.flags, e.untold = flagSet(row.Flags), true
		}
		return
	}
	if n := len(v.entries); n > 0 && row.UID < v.entries[n-1].uid {
		return // gone and told already
	}
	v.entries = append(v.entries, entry{
		uid: row.UID, articleID: row.ArticleID, size: row.Size, internalMS: row.InternalMS, flags: flagSet(row.Flags),
	})
}

// keep marks everything that is not left as gone.
func (v *view) keep(left []uint32) {
	for i := range v.entries {
		if _, found := slices.BinarySearch(left, v.entries[i].uid); !found {
			v.entries[i].gone = true
		}
	}
}

func (v *view) alive() int64 {
	n := int64(0)
	for i := range v.entries {
		if !v.entries[i].gone {
			n++
		}
	}
	return n
}

// tell writes what the session does not know yet. Expunges only where the client expects them: RFC 9051, section
// 7.5.1 forbids them while it speaks in sequence numbers.
func (v *view) tell(w updates, allowExpunge bool) error {
	if allowExpunge {
		if err := v.tellExpunges(w); err != nil {
			return err
		}
	}
	if len(v.entries) != v.told {
		v.told = len(v.entries)
		if err := w.WriteNumMessages(uint32(v.told)); err != nil {
			return err
		}
	}
	for i := range v.entries {
		e := &v.entries[i]
		if !e.untold {
			continue
		}
		e.untold = false
		if err := w.WriteMessageFlags(uint32(i+1), imap.UID(e.uid), e.flags.list()); err != nil {
			return err
		}
	}
	return nil
}

// tellExpunges goes from the end, so that no number moves under another. A message that came and went before the
// session heard of it is dropped in silence.
func (v *view) tellExpunges(w updates) error {
	for i := len(v.entries) - 1; i >= 0; i-- {
		if !v.entries[i].gone {
			continue
		}
		v.entries = slices.Delete(v.entries, i, i+1)
		if i >= v.told {
			continue
		}
		v.told--
		if err := w.WriteExpunge(uint32(i + 1)); err != nil {
			return err
		}
	}
	return nil
}

// index returns the position of a UID, or -1.
func (v *view) index(uid uint32) int {
	i := sort.Search(len(v.entries), func(i int) bool { return v.entries[i].uid >= uid })
	if i < len(v.entries) && v.entries[i].uid == uid {
		return i
	}
	return -1
}

// positions translates a client's set into positions, in order and each once. Only what the session was told of has a
// sequence number. RFC 9051, section 9: "*" is the last message, and n:* always holds it.
func (v *view) positions(set imap.NumSet, saved []uint32) []int {
	chosen := make([]bool, v.told)
	mark := func(from, to int) {
		for i := max(from, 0); i < min(to, v.told); i++ {
			chosen[i] = true
		}
	}
	switch set := set.(type) {
	case imap.SeqSet:
		for _, r := range set {
			from, to := ends(r.Start, r.Stop, uint32(v.told))
			mark(int(from)-1, int(to))
		}
	case imap.UIDSet:
		if imap.IsSearchRes(set) {
			for _, uid := range saved {
				if i := v.index(uid); i >= 0 {
					mark(i, i+1)
				}
			}
			break
		}
		for _, r := range set {
			from, to := ends(uint32(r.Start), uint32(r.Stop), v.lastUID())
			mark(v.firstFrom(from), v.firstFrom(to+1))
		}
	}
	var found []int
	for i, yes := range chosen {
		if yes {
			found = append(found, i)
		}
	}
	return found
}

// ends orders a range in which 0 stands for the last number.
func ends(start, stop, last uint32) (from, to uint32) {
	if start == 0 {
		start = last
	}
	if stop == 0 {
		stop = last
	}
	return min(start, stop), max(start, stop)
}

func (v *view) lastUID() uint32 {
	if v.told == 0 {
		return 0
	}
	return v.entries[v.told-1].uid
}

// firstFrom returns the position of the first UID that is at least uid; 0 stands for the one beyond the highest.
func (v *view) firstFrom(uid uint32) int {
	if uid == 0 {
		return len(v.entries)
	}
	return sort.Search(len(v.entries), func(i int) bool { return v.entries[i].uid >= uid })
}

// setResolver translates the sets of one SEARCH, each once.
type setResolver struct {
	view  *view
	saved []uint32
	cache map[string]map[uint32]bool
}

func (r *setResolver) seqs(set imap.SeqSet) map[uint32]bool { return r.resolve("s", set) }
func (r *setResolver) uids(set imap.UIDSet) map[uint32]bool { return r.resolve("u", set) }

// resolve returns sequence numbers.
func (r *setResolver) resolve(kind string, set imap.NumSet) map[uint32]bool {
	key := kind + set.String()
	if found, ok := r.cache[key]; ok {
		return found
	}
	found := map[uint32]bool{}
	for _, i := range r.view.positions(set, r.saved) {
		found[uint32(i+1)] = true
	}
	r.cache[key] = found
	return found
}
