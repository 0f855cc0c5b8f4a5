package mailbox

import (
	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

// Store changes flags, here and in time upstream. A message that is gone is passed over in silence: its EXPUNGE is on
// its way. RFC 2180, section 4.2.
func (s *session) Store(w *imapserver.FetchWriter, set imap.NumSet, flags *imap.StoreFlags, _ *imap.StoreOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.selected()
	if err != nil {
		return err
	}
	changed, err := s.store(v, set, flags)
	if err != nil || flags.Silent {
		return err
	}
	for _, i := range changed {
		e := &v.entries[i]
		r := w.CreateMessage(uint32(i + 1))
		if _, byUID := set.(imap.UIDSet); byUID {
			r.WriteUID(imap.UID(e.uid))
		}
		r.WriteFlags(e.flags.list())
		e.untold = false
		if err := r.Close(); err != nil {
			return err
		}
	}
	return nil
}

// store writes the flags and returns the positions of the messages that are still there.
func (s *session) store(v *view, set imap.NumSet, flags *imap.StoreFlags) (changed []int, err error) {
	defer s.guard("store", &err)
	if v.readOnly {
		return nil, no(imap.ResponseCodeNoPerm, "The folder was opened with EXAMINE; use SELECT to change flags")
	}
	wanted := flagsOf(flags.Flags)
	for _, f := range flags.Flags {
		if name, ok := canonicalFlag(string(f)); !ok || !wanted.has(imap.Flag(name)) {
			return nil, no(imap.ResponseCodeLimit, "A flag cannot be stored; use at most 100 keywords of 64 letters")
		}
	}
	var uids []uint32
	positions := v.positions(set, s.saved)
	for _, i := range positions {
		if !v.entries[i].gone {
			uids = append(uids, v.entries[i].uid)
		}
	}
	if len(uids) == 0 {
		return nil, nil
	}
	now, err := s.mirror().storeFlags(s.ctx, v.folder, uids, flags.Op, wanted)
	if err != nil {
		return nil, s.unavailable("store", err)
	}
	for _, i := range positions {
		e := &v.entries[i]
		if f, ok := now[e.uid]; ok {
			// The client knows what it changed itself; what else came with it must still be told when silent.
			e.untold = e.untold || f != applyFlags(e.flags, flags.Op, wanted)
			e.flags = f
			changed = append(changed, i)
		}
	}
	return changed, nil
}

// Expunge removes what is flagged \Deleted and what this session was told of; with uids only those. Poll writes the
// EXPUNGE responses. CLOSE comes here too, and in a folder opened with EXAMINE removes nothing.
func (s *session) Expunge(_ *imapserver.ExpungeWriter, uids *imap.UIDSet) (err error) {
	defer s.guard("expunge", &err)
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.selected()
	if err != nil {
		return err
	}
	if v.readOnly {
		return nil
	}
	var set imap.NumSet = imap.SeqSet{imap.SeqRange{Start: 1, Stop: 0}}
	if uids != nil {
		set = *uids
	}
	// Another session may have set or taken back \Deleted a moment ago.
	if err := v.look(s.ctx, s.mirror()); err != nil {
		return s.unavailable("expunge", err)
	}
	var chosen []uint32
	for _, i := range v.positions(set, s.saved) {
		if e := &v.entries[i]; !e.gone && e.flags.has(imap.FlagDeleted) {
			chosen = append(chosen, e.uid)
		}
	}
	if err := s.mirror().expunge(s.ctx, v.folder, chosen); err != nil {
		return s.unavailable("expunge", err)
	}
	return nil
}

// Search answers SEARCH and UID SEARCH. RFC 9051, section 6.4.4.
func (s *session) Search(kind imapserver.NumKind, criteria *imap.SearchCriteria, options *imap.SearchOptions) (data *imap.SearchData, err error) {
	defer s.guard("search", &err)
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.selected()
	if err != nil {
		return nil, err
	}
	found, err := s.find(v, criteria)
	if err != nil {
		return nil, s.unavailable("search", err)
	}
	if options.ReturnSave {
		s.saved = nil
		for _, i := range found {
			s.saved = append(s.saved, v.entries[i].uid)
		}
	}
	return searchData(v, found, kind), nil
}

// find returns the positions of the messages that meet the criteria.
func (s *session) find(v *view, criteria *imap.SearchCriteria) ([]int, error) {
	sets := &setResolver{view: v, saved: s.saved, cache: map[string]map[uint32]bool{}}
	n := needOf(criteria)
	var found []int
	for i := range v.entries[:v.told] {
		e := &v.entries[i]
		if e.gone {
			continue
		}
		matches, err := s.matches(e, uint32(i+1), criteria, sets, n)
		if err != nil {
			return nil, err
		}
		if matches {
			found = append(found, i)
		}
	}
	return found, s.ctx.Err()
}

// matches opens a message only when its row alone does not decide.
func (s *session) matches(e *entry, seq uint32, criteria *imap.SearchCriteria, sets *setResolver, n need) (bool, error) {
	c := &candidate{entry: e, seq: seq, sets: sets, bytes: map[need][]byte{}}
	if !c.matchesRow(criteria) {
		return false, nil
	}
	if n == needAll {
		release, err := s.server.hold(s.ctx, e.size)
		if err != nil {
			return false, err
		}
		defer release()
	}
	c.open = func(n need) ([]byte, error) { return s.open(e, n) }
	matches := c.matches(s.ctx, criteria)
	return matches, c.failed
}

// searchData numbers what was found. The set is typed even when it is empty, or the library writes half a line.
func searchData(v *view, found []int, kind imapserver.NumKind) *imap.SearchData {
	d := &imap.SearchData{Count: uint32(len(found))}
	seqs, uids := imap.SeqSet{}, imap.UIDSet{}
	for _, i := range found {
		number := uint32(i + 1)
		if kind == imapserver.NumKindUID {
			number = v.entries[i].uid
			uids.AddNum(imap.UID(number))
		} else {
			seqs.AddNum(number)
		}
		if d.Min == 0 {
			d.Min = number
		}
		d.Max = number
	}
	d.All = seqs
	if kind == imapserver.NumKindUID {
		d.All = uids
	}
	return d
}
