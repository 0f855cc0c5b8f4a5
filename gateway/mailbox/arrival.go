package mailbox

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// fetch fetches one message of the selected folder, or nil when it is gone. Reading it never sets \Seen.
func (s *Syncer) fetch(l *link, f folderRow, o Origin) (*Arrival, error) {
	a := &Arrival{Origin: o}
	size, err := s.fetchFacts(l, a)
	if err != nil || a.Internal.IsZero() {
		return nil, err
	}
	if size <= s.maxBytes() {
		var whole bool
		if a.Message, whole, err = s.fetchBytes(l, o.UID); err != nil {
			return nil, err
		}
		if whole {
			return a, nil
		}
	}
	header, err := fetchHeader(l, o.UID)
	if err != nil {
		return nil, err
	}
	a.Message = oversizeNotice(header, size, s.maxBytes(), f.Name)
	return a, nil
}

// fetchFacts asks for what stands in the answer's first line: flags, internal date, size.
func (s *Syncer) fetchFacts(l *link, a *Arrival) (size int64, err error) {
	options := &imap.FetchOptions{UID: true, Flags: true, InternalDate: true, RFC822Size: true}
	messages, err := l.client.Fetch(imap.UIDSetNum(imap.UID(a.Origin.UID)), options).Collect()
	if err != nil {
		return 0, fmt.Errorf("fetch size: %w", err)
	}
	for _, m := range messages {
		if uint32(m.UID) != a.Origin.UID {
			continue
		}
		a.Flags = flagsOf(m.Flags).strings()
		if a.Internal = m.InternalDate; a.Internal.IsZero() {
			a.Internal = time.Now()
		}
		size = m.RFC822Size
	}
	return size, nil
}

// fetchBytes streams a message through a sealed spool file, so that a slow upstream holds no memory. whole is false
// when it is larger than it said and larger than allowed.
func (s *Syncer) fetchBytes(l *link, uid uint32) (message []byte, whole bool, err error) {
	spooled, err := s.Spool.Create()
	if err != nil {
		return nil, false, &receiveError{err}
	}
	defer spooled.Remove()
	section := &imap.FetchItemBodySection{Peek: true}
	err = fetchSection(l, uid, section, func(r io.Reader) error {
		n, err := io.Copy(spooled, io.LimitReader(r, s.maxBytes()+1))
		whole = err == nil && n <= s.maxBytes()
		return err
	})
	if err != nil || !whole {
		return nil, false, err
	}
	r, err := spooled.Reader()
	if err != nil {
		return nil, false, &receiveError{err}
	}
	defer r.Close()
	message = make([]byte, spooled.Size())
	if _, err := io.ReadFull(r, message); err != nil {
		return nil, false, &receiveError{err}
	}
	return message, true, nil
}

// headerLimit bounds what is taken of an oversize message's header.
const headerLimit = 64 << 10

func fetchHeader(l *link, uid uint32) ([]byte, error) {
	var header bytes.Buffer
	section := &imap.FetchItemBodySection{
		Specifier: imap.PartSpecifierHeader, Peek: true, Partial: &imap.SectionPartial{Size: headerLimit},
	}
	err := fetchSection(l, uid, section, func(r io.Reader) error {
		_, err := io.Copy(&header, io.LimitReader(r, headerLimit))
		return err
	})
	return header.Bytes(), err
}

// errNoBytes is a message that is listed but not handed out. When it was expunged meanwhile it is not listed again.
var errNoBytes = errors.New("upstream listed the message but gave no bytes")

// fetchSection hands the literal of one section to read. What read leaves is thrown away.
func fetchSection(l *link, uid uint32, section *imap.FetchItemBodySection, read func(io.Reader) error) error {
	cmd := l.client.Fetch(imap.UIDSetNum(imap.UID(uid)), &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{section}})
	readErr := errNoBytes
	for m := cmd.Next(); m != nil; m = cmd.Next() {
		for item := m.Next(); item != nil; item = m.Next() {
			if body, ok := item.(imapclient.FetchItemDataBodySection); ok && body.Literal != nil && errors.Is(readErr, errNoBytes) {
				readErr = read(body.Literal)
			}
		}
	}
	if err := cmd.Close(); err != nil {
		return fmt.Errorf("fetch message: %w", err)
	}
	if readErr != nil {
		return &receiveError{readErr}
	}
	return nil
}
