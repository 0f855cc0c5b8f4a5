package mailbox

import (
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

// Fetch answers FETCH and UID FETCH, message by message. A message that cannot be opened ends the command with NO: to
// leave it out in silence would lose it for the client.
func (s *session) Fetch(w *imapserver.FetchWriter, set imap.NumSet, options *imap.FetchOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.selected()
	if err != nil {
		return err
	}
	for _, i := range v.positions(set, s.saved) {
		if err := s.fetchOne(w, v, i, options); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) fetchOne(w *imapserver.FetchWriter, v *view, i int, options *imap.FetchOptions) error {
	e := &v.entries[i]
	n := fetchNeed(options)
	if n == needAll {
		release, err := s.server.hold(s.ctx, e.size)
		if err != nil {
			return s.unavailable("fetch", err)
		}
		defer release()
	}
	a, err := s.prepareAnswer(e, n, options)
	if err != nil {
		return err
	}
	if err := s.markSeen(v, e, options); err != nil {
		return err
	}
	return a.write(w, uint32(i+1), e, options)
}

// fetchNeed tells how much of the message the items want to see.
func fetchNeed(o *imap.FetchOptions) need {
	n := needNothing
	if o.Envelope {
		n = needHeader
	}
	for _, b := range o.BodySection {
		if len(b.Part) == 0 && b.Specifier == imap.PartSpecifierHeader {
			n = max(n, needHeader)
		} else {
			n = needAll
		}
	}
	if o.BodyStructure != nil || len(o.BinarySection) > 0 || len(o.BinarySectionSize) > 0 {
		n = needAll
	}
	return n
}

// open reads as much of a message as is needed.
func (s *session) open(e *entry, n need) ([]byte, error) {
	switch n {
	case needAll:
		return s.mirror().message(s.ctx, e.articleID, e.size)
	case needHeader:
		return s.mirror().header(s.ctx, e.articleID)
	}
	return nil, nil
}

// answer is everything that one FETCH response says, computed before its first byte is written: nothing that can
// fail or panic stands between its opening and its closing parenthesis.
type answer struct {
	envelope    *imap.Envelope
	structure   imap.BodyStructure
	sections    [][]byte
	binaries    [][]byte
	binarySizes []uint32
}

func (s *session) prepareAnswer(e *entry, n need, o *imap.FetchOptions) (a *answer, err error) {
	defer s.guard("fetch", &err)
	bytes, err := s.open(e, n)
	if err != nil {
		return nil, s.unavailable("fetch", err)
	}
	message := opened(bytes)
	a = &answer{}
	if o.Envelope {
		end, _ := headerEnd(bytes)
		a.envelope = envelopeOf(bytes[:end])
	}
	if o.BodyStructure != nil {
		a.structure = message.structure()
	}
	for _, section := range o.BodySection {
		a.sections = append(a.sections, message.section(section))
	}
	for _, section := range o.BinarySection {
		a.binaries = append(a.binaries, partial(message.binary(section.Part), section.Partial))
	}
	for _, section := range o.BinarySectionSize {
		a.binarySizes = append(a.binarySizes, uint32(len(message.binary(section.Part))))
	}
	return a, nil
}

// write writes the UID first: clients read the rest as belonging to it.
func (a *answer) write(w *imapserver.FetchWriter, seq uint32, e *entry, o *imap.FetchOptions) error {
	r := w.CreateMessage(seq)
	if o.UID {
		r.WriteUID(imap.UID(e.uid))
	}
	if o.Flags || e.untold {
		r.WriteFlags(e.flags.list())
		e.untold = false
	}
	if o.InternalDate {
		r.WriteInternalDate(time.UnixMilli(e.internalMS).UTC())
	}
	if o.RFC822Size {
		r.WriteRFC822Size(e.size)
	}
	if a.envelope != nil {
		r.WriteEnvelope(a.envelope)
	}
	if a.structure != nil {
		r.WriteBodyStructure(a.structure)
	}
	var failed error
	for i, section := range o.BodySection { // the very pointer: the library finds RFC822 and its like by it
		lit := r.WriteBodySection(section, int64(len(a.sections[i])))
		if _, err := lit.Write(a.sections[i]); err != nil && failed == nil {
			failed = err
		}
		lit.Close()
	}
	for i, section := range o.BinarySection {
		lit := r.WriteBinarySection(section, int64(len(a.binaries[i])))
		if _, err := lit.Write(a.binaries[i]); err != nil && failed == nil {
			failed = err
		}
		lit.Close()
	}
	for i, section := range o.BinarySectionSize {
		r.WriteBinarySectionSize(section, a.binarySizes[i])
	}
	if err := r.Close(); err != nil && failed == nil {
		failed = err
	}
	return failed
}

// markSeen sets \Seen where a body was asked for without PEEK, for ever and for upstream.
func (s *session) markSeen(v *view, e *entry, o *imap.FetchOptions) error {
	reads := slices.ContainsFunc(o.BodySection, func(b *imap.FetchItemBodySection) bool { return !b.Peek }) ||
		slices.ContainsFunc(o.BinarySection, func(b *imap.FetchItemBinarySection) bool { return !b.Peek })
	if !reads || v.readOnly || e.gone || e.flags.has(imap.FlagSeen) {
		return nil
	}
	now, err := s.mirror().storeFlags(s.ctx, v.folder, []uint32{e.uid}, imap.StoreFlagsAdd, flagSet(imap.FlagSeen))
	if err != nil {
		return s.unavailable("set seen", err)
	}
	if flags, ok := now[e.uid]; ok {
		e.flags, e.untold = flags, true
	}
	return nil
}
