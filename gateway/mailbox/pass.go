package mailbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"
)

// outage is how many messages may fail one after the other before the rest is left for later: so many are not
// poisoned, something behind Receive is down.
const outage = 5

// pushEvery is after how many arrivals the changes of clients get their turn.
const pushEvery = 20

// mark is what STATUS says about a folder, and when the folder was last looked through.
type mark struct {
	messages, unseen, uidNext, uidValidity uint32
	at                                     time.Time
}

// unchanged tells whether a folder need not be looked through: STATUS says what it said last time. A flag that STATUS
// does not count is found within idleRound all the same.
func (s *Syncer) unchanged(l *link, f folderRow) (bool, error) {
	data, err := l.client.Status(f.Name, &imap.StatusOptions{NumMessages: true, NumUnseen: true, UIDNext: true, UIDValidity: true}).Wait()
	if isRefusal(err) {
		return false, nil // SELECT will say why
	}
	if err != nil {
		return false, fmt.Errorf("status: %w", err)
	}
	if data.NumMessages == nil || data.NumUnseen == nil {
		return false, nil
	}
	now := mark{*data.NumMessages, *data.NumUnseen, uint32(data.UIDNext), data.UIDValidity, time.Now()}
	last := s.marks[f.ID]
	same := now.at.Sub(last.at) < idleRound
	if last.at = now.at; same && last == now {
		return true, nil
	}
	s.marks[f.ID] = now
	return false, nil
}

// pass mirrors one folder: first what clients changed goes up, then what upstream changed comes down.
func (s *Syncer) pass(ctx context.Context, l *link, f folderRow) error {
	l.selected = ""
	selected, err := l.client.Select(f.Name, nil).Wait()
	if isRefusal(err) {
		s.Log.InfoContext(ctx, "upstream does not open a folder", "mailbox", f.MailboxID, "folder", f.ID)
		return nil
	}
	if err != nil {
		return fmt.Errorf("select: %w", err)
	}
	if l.selected = f.ID; f.Name == inbox {
		l.inboxAt = time.Now()
	}
	if selected.UIDValidity == 0 {
		return &problem{sentence: fmt.Sprintf("The IMAP server %s keeps no lasting message numbers (UIDs); Sealgate cannot mirror it.", s.Upstream.Address)}
	}
	if f, err = s.Mirror.takeUIDValidity(ctx, f, selected.UIDValidity); err != nil {
		return err
	}
	if err := s.push(ctx, l, f); err != nil {
		return fmt.Errorf("push changes: %w", err)
	}
	listed := listing{}
	if selected.NumMessages > 0 {
		if listed, err = l.list(); err != nil {
			return fmt.Errorf("list messages: %w", err)
		}
	}
	d, err := s.Mirror.reconcile(ctx, f, listed)
	if err != nil {
		return err
	}
	if err := s.dropVanished(ctx, l, f, d.vanished); err != nil {
		return err
	}
	return s.receiveAll(ctx, l, f, d.arrived)
}

// dropVanished removes what other clients expunged upstream. The server is asked once more by UID: a listing that was
// cut short must not empty the mirror.
func (s *Syncer) dropVanished(ctx context.Context, l *link, f folderRow, vanished []messageRow) error {
	return inBatches(vanished, func(some []messageRow) error {
		var asked imap.UIDSet
		for _, row := range some {
			asked.AddNum(imap.UID(row.UpstreamUID))
		}
		present, err := l.present(asked)
		if err != nil {
			return fmt.Errorf("look for vanished messages: %w", err)
		}
		var gone []uint32
		for _, row := range some {
			if !present.Contains(imap.UID(row.UpstreamUID)) {
				gone = append(gone, row.UID)
			}
		}
		return s.Mirror.removeVanished(ctx, f, gone)
	})
}

// failure is one message that could not be received.
type failure struct {
	times int
	next  time.Time
}

// receiveAll receives new messages one by one. One that fails is skipped and tried again later, so that it blocks
// nobody behind it.
func (s *Syncer) receiveAll(ctx context.Context, l *link, f folderRow, arrived []uint32) error {
	r, err := s.newRemap(ctx, f, len(arrived) > 0)
	if err != nil {
		return err
	}
	complete, inRow := true, 0
	for i, uid := range arrived {
		origin := Origin{MailboxID: f.MailboxID, FolderID: f.ID, UIDValidity: f.UpstreamUIDValidity, UID: uid}
		if s.failed[origin].next.After(time.Now()) || inRow >= outage {
			complete = false
			continue
		}
		err := s.receive(ctx, l, f, r, origin)
		if err == nil {
			inRow = 0
			delete(s.failed, origin)
		} else {
			complete = false
			inRow++
			// Noted even when the connection broke: if this message broke it, the next connection gets past it.
			s.note(ctx, origin, err)
			if s.broken(ctx, l, err) {
				return err
			}
		}
		if i%pushEvery == pushEvery-1 {
			if err := s.push(ctx, l, f); err != nil {
				return err
			}
		}
	}
	if complete {
		s.compared[f.ID] = f.UpstreamUIDValidity
	}
	return nil
}

// broken tells a connection that ended from a message that could not be received.
func (s *Syncer) broken(ctx context.Context, l *link, err error) bool {
	var failed *receiveError
	if ctx.Err() != nil || !errors.As(err, &failed) && !isRefusal(err) {
		return true
	}
	select {
	case <-l.client.Closed():
		return true
	default:
		return false
	}
}

func (s *Syncer) note(ctx context.Context, o Origin, err error) {
	if ctx.Err() != nil {
		return
	}
	f := s.failed[o]
	f.times++
	f.next = time.Now().Add(s.pauses.message.after(f.times))
	s.failed[o] = f
	s.Log.WarnContext(ctx, "message cannot be received yet", "origin", o.String(), "failures", f.times, "error", err)
}

// roundProblem says what a round could not do, or "".
func (s *Syncer) roundProblem(ctx context.Context) (string, error) {
	switch n := len(s.failed); n {
	case 0:
	case 1:
		return "One message upstream cannot be received yet and is tried again later; the log says why.", nil
	default:
		return fmt.Sprintf("%d messages upstream cannot be received yet and are tried again later; the log says why.", n), nil
	}
	ids, err := s.Mirror.pendingIDs(ctx, s.Upstream.MailboxID)
	if err != nil {
		return "", err
	}
	if slices.ContainsFunc(ids, func(id string) bool { return s.tried[id] }) {
		return fmt.Sprintf("The IMAP server %s has not taken every expunge yet; allow it to this login, or take back the \\Deleted flag of other messages if it has no UIDPLUS.", s.Upstream.Address), nil
	}
	return "", nil
}

// receiveError is a failure behind Receive; the link is still good.
type receiveError struct{ cause error }

// Error is for the log.
func (e *receiveError) Error() string { return "receive: " + e.cause.Error() }

// Unwrap returns the cause.
func (e *receiveError) Unwrap() error { return e.cause }

// errNotInserted is what a Receive leaves that takes an arrival for known although the mirror does not have it.
var errNotInserted = errors.New("the message was accepted but does not stand in the mirror")

// receive fetches one message and hands it on. A message that is gone meanwhile is no error.
func (s *Syncer) receive(ctx context.Context, l *link, f folderRow, r *remap, o Origin) error {
	a, err := s.fetch(l, f, o)
	if err != nil || a == nil {
		return err
	}
	claimed, err := r.claim(ctx, *a)
	if err != nil {
		return err
	}
	if claimed {
		// Its changes can be pushed now, and its flags compared.
		clear(s.tried)
		l.markChanged()
		return nil
	}
	if err := s.Receive(ctx, *a); err != nil {
		return &receiveError{err}
	}
	here, err := s.Mirror.has(ctx, f, o.UID)
	if err == nil && !here {
		err = errNotInserted
	}
	if err != nil {
		return &receiveError{err}
	}
	return nil
}
