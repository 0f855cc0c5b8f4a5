package mailbox

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// push applies what clients changed in the selected folder. It is safe to repeat: a change is forgotten only after
// upstream confirmed it.
func (s *Syncer) push(ctx context.Context, l *link, f folderRow) error {
	changes, err := s.Mirror.pendingChanges(ctx, f.ID)
	if err != nil {
		return err
	}
	for _, c := range changes {
		s.tried[c.ID] = true
	}
	for len(changes) > 0 {
		n := sameChange(changes)
		some := changes[:n]
		changes = changes[n:]
		if some[0].UpstreamUIDValidity != f.UpstreamUIDValidity {
			continue // remap finds out which message is meant now
		}
		if err := s.pushSome(ctx, l, f, some); err != nil {
			return err
		}
	}
	return nil
}

// hasUntried tells whether there are changes that upstream was not asked for yet. One that it refused waits for the
// next round over everything.
func (s *Syncer) hasUntried(ctx context.Context) (bool, error) {
	ids, err := s.Mirror.pendingIDs(ctx, s.Upstream.MailboxID)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(ids, func(id string) bool { return !s.tried[id] }), nil
}

// sameChange counts how many changes at the front can be one command.
func sameChange(changes []changeRow) int {
	first := changes[0]
	n := 1
	for n < len(changes) && n < batch && changes[n].Change == first.Change && changes[n].Flags == first.Flags &&
		changes[n].UpstreamUIDValidity == first.UpstreamUIDValidity {
		n++
	}
	return n
}

// pushSome applies changes of one kind with one command. Flags that upstream refuses (some keywords are not storable
// everywhere) are given up, and the next listing brings upstream's; an expunge that it refuses stays pending.
func (s *Syncer) pushSome(ctx context.Context, l *link, f folderRow, some []changeRow) error {
	var uids imap.UIDSet
	var ids []string
	for _, c := range some {
		uids.AddNum(imap.UID(c.UpstreamUID))
		ids = append(ids, c.ID)
	}
	var err error
	switch some[0].Change {
	case changeAdd:
		err = l.store(uids, imap.StoreFlagsAdd, flagSet(some[0].Flags))
	case changeRemove:
		err = l.store(uids, imap.StoreFlagsDel, flagSet(some[0].Flags))
	case changeExpunge:
		var left imap.UIDSet
		if left, err = l.expunge(uids); err == nil {
			ids = confirmed(some, left)
		}
	default:
		err = fmt.Errorf("unknown change %q", some[0].Change)
	}
	if isRefusal(err) {
		s.Log.WarnContext(ctx, "upstream refused a change", "mailbox", f.MailboxID, "folder", f.ID, "change", some[0].Change, "messages", len(some))
		if some[0].Change == changeExpunge {
			return nil
		}
		err = nil
	}
	if err != nil {
		return err
	}
	return s.Mirror.forgetChanges(ctx, ids)
}

func confirmed(some []changeRow, left imap.UIDSet) []string {
	var ids []string
	for _, c := range some {
		if !left.Contains(imap.UID(c.UpstreamUID)) {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

func (l *link) store(uids imap.UIDSet, op imap.StoreFlagsOp, flags flagSet) error {
	return l.client.Store(uids, &imap.StoreFlags{Op: op, Silent: true, Flags: flags.list()}, nil).Close()
}

// expunge removes messages for ever and returns those that are still there. Without UIDPLUS there is only EXPUNGE,
// which removes every message flagged \Deleted: it is used only while no other message is. Otherwise the messages
// stay flagged \Deleted until that is so.
func (l *link) expunge(uids imap.UIDSet) (left imap.UIDSet, err error) {
	if err := l.store(uids, imap.StoreFlagsAdd, flagSet(imap.FlagDeleted)); err != nil {
		return nil, err
	}
	if l.caps.Has(imap.CapUIDPlus) {
		err = l.client.UIDExpunge(uids).Close()
	} else {
		err = l.expungeAlone(uids)
	}
	if err != nil {
		return nil, err
	}
	return l.present(uids)
}

func (l *link) expungeAlone(uids imap.UIDSet) error {
	deleted, err := l.search(&imap.SearchCriteria{Flag: []imap.Flag{imap.FlagDeleted}})
	if err != nil {
		return err
	}
	for _, uid := range deleted {
		if !uids.Contains(uid) {
			return nil
		}
	}
	return l.client.Expunge().Close()
}

// present returns those of the messages that upstream still has.
func (l *link) present(uids imap.UIDSet) (imap.UIDSet, error) {
	found, err := l.search(&imap.SearchCriteria{UID: []imap.UIDSet{uids}})
	return imap.UIDSetNum(found...), err
}

func (l *link) search(criteria *imap.SearchCriteria) ([]imap.UID, error) {
	data, err := l.client.UIDSearch(criteria, nil).Wait()
	if err != nil {
		return nil, err
	}
	return data.AllUIDs(), nil
}

// list returns the flags of every message in the selected folder.
func (l *link) list() (listing, error) {
	cmd := l.client.Fetch(imap.UIDSet{imap.UIDRange{Start: 1, Stop: 0}}, &imap.FetchOptions{UID: true, Flags: true})
	found := listing{}
	for m := cmd.Next(); m != nil; m = cmd.Next() {
		data, err := m.Collect()
		if err != nil {
			return nil, err
		}
		if data.UID != 0 {
			found[uint32(data.UID)] = flagsOf(data.Flags)
		}
	}
	return found, cmd.Close()
}

// selectable tells whether a listed folder can be mirrored.
func selectable(d *imap.ListData) bool {
	for _, a := range d.Attrs {
		if strings.EqualFold(string(a), string(imap.MailboxAttrNoSelect)) || strings.EqualFold(string(a), string(imap.MailboxAttrNonExistent)) {
			return false
		}
	}
	return d.Mailbox != ""
}
