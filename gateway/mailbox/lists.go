package mailbox

import (
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

// Limits of a LIST pattern: the library's matcher tries every way through the wildcards.
const (
	maxPattern   = 256
	maxWildcards = 8
)

// List lists the folders that match. RFC 9051, section 6.3.9: an empty pattern asks for the delimiter.
func (s *session) List(w *imapserver.ListWriter, ref string, patterns []string, options *imap.ListOptions) error {
	for _, p := range patterns {
		if len(p) > maxPattern || strings.Count(p, "*")+strings.Count(p, "%") > maxWildcards {
			return no(imap.ResponseCodeLimit, "The pattern is too complicated")
		}
	}
	folders, err := s.mirror().folders(s.ctx, s.mailboxID)
	if err != nil {
		return s.unavailable("list", err)
	}
	if len(patterns) == 0 && len(folders) > 0 {
		return w.WriteList(&imap.ListData{Attrs: []imap.MailboxAttr{imap.MailboxAttrNoSelect}, Delim: folders[0].delim()})
	}
	for _, f := range folders {
		if !matchesAny(f, ref, patterns) || options.SelectSpecialUse && f.Attributes == "" {
			continue
		}
		data := &imap.ListData{Attrs: attributesOf(f), Delim: f.delim(), Mailbox: f.Name}
		if options.ReturnStatus != nil {
			if data.Status, err = s.status(f); err != nil {
				return s.unavailable("list", err)
			}
		}
		if err := w.WriteList(data); err != nil {
			return err
		}
	}
	return nil
}

func matchesAny(f folderRow, ref string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		if strings.EqualFold(p, inbox) {
			p = inbox
		}
		return imapserver.MatchList(f.Name, f.delim(), ref, p)
	})
}

// Status tells about a folder without selecting it. RECENT is always 0: no message is recent in a mirror.
func (s *session) Status(name string, _ *imap.StatusOptions) (data *imap.StatusData, err error) {
	defer s.guard("status", &err)
	f, err := s.mirror().folder(s.ctx, s.mailboxID, name)
	if err != nil {
		return nil, s.unavailable("status", err)
	}
	if data, err = s.status(f); err != nil {
		return nil, s.unavailable("status", err)
	}
	return data, nil
}

func (s *session) status(f folderRow) (*imap.StatusData, error) {
	rows, err := s.mirror().messages(s.ctx, f.ID, -1)
	if err != nil {
		return nil, err
	}
	var messages, recent, unseen, deleted uint32
	var size, freed int64
	for _, row := range rows {
		messages++
		size += row.Size
		if !flagSet(row.Flags).has(imap.FlagSeen) {
			unseen++
		}
		if flagSet(row.Flags).has(imap.FlagDeleted) {
			deleted++
			freed += row.Size
		}
	}
	return &imap.StatusData{
		Mailbox: f.Name, NumMessages: &messages, NumRecent: &recent, UIDNext: imap.UID(f.NextUID),
		UIDValidity: f.UIDValidity, NumUnseen: &unseen, NumDeleted: &deleted, Size: &size, DeletedStorage: &freed,
	}, nil
}
