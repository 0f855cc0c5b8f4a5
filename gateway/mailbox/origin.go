package mailbox

import (
	"fmt"
	"strconv"
	"strings"
)

// Origin says where a message came from, for ever. Its UIDVALIDITY and UID are the upstream server's.
type Origin struct {
	MailboxID   string
	FolderID    string
	UIDValidity uint32
	UID         uint32
}

// String is the origin in one line, the unique key of the archive.
func (o Origin) String() string {
	return fmt.Sprintf("%s/%s/%d/%d", o.MailboxID, o.FolderID, o.UIDValidity, o.UID)
}

// ParseOrigin reads what String wrote.
func ParseOrigin(s string) (Origin, error) {
	fields := strings.Split(s, "/")
	if len(fields) != 4 || fields[0] == "" || fields[1] == "" {
		return Origin{}, fmt.Errorf("origin %q: want mailbox/folder/UIDVALIDITY/UID", s)
	}
	validity, err := strconv.ParseUint(fields[2], 10, 32)
	if err != nil {
		return Origin{}, fmt.Errorf("origin %q: UIDVALIDITY: %w", s, err)
	}
	uid, err := strconv.ParseUint(fields[3], 10, 32)
	if err != nil {
		return Origin{}, fmt.Errorf("origin %q: UID: %w", s, err)
	}
	return Origin{MailboxID: fields[0], FolderID: fields[1], UIDValidity: uint32(validity), UID: uint32(uid)}, nil
}
