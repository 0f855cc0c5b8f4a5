package queue

import (
	"context"
	"errors"
	"strings"

	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/keyring/seal"
)

// copiesAtWork is how often a payload stands in memory while it is opened and sent.
const copiesAtWork = 3

// deliver opens the payload and makes the attempt. It returns one clean result for each recipient, in their order.
func (q *Queue) deliver(ctx context.Context, c *claim) []Result {
	release, err := q.Memory.Hold(ctx, c.message.Size, copiesAtWork)
	if err != nil {
		return forAll(c.recipients, Result{Outcome: OutcomeDeferred, Code: "4.3.2", Reply: "too many messages at once; it is tried again by itself"})
	}
	defer release()
	bytes, err := q.Keeper.Open(ctx, q.DB, payload(c.message.ID))
	defer clear(bytes)
	if err != nil {
		q.Log.ErrorContext(ctx, "a queued message could not be opened", "queue", c.message.ID, "error", err)
		return forAll(c.recipients, unopened(err))
	}
	o, err := pgpmime.Restore(c.message.Protection, bytes)
	if err != nil {
		q.Log.ErrorContext(ctx, "a queued message is not what its row says", "queue", c.message.ID, "error", err)
		return forAll(c.recipients, Result{
			Outcome: OutcomeHeld, Code: "4.3.0",
			Reply: "the stored message does not have the protection that was decided, so it was not sent; delete it and send it again",
		})
	}
	return complete(c.recipients, q.Deliver(ctx, c.message, c.recipients, o))
}

// unopened decides what a payload that does not open means for its recipients. What a repair in the KMS can cure is
// tried again; bytes that are wrong or gone are never sent, and a person must look.
func unopened(err error) Result {
	held := func(reply string) Result { return Result{Outcome: OutcomeHeld, Code: "4.3.0", Reply: reply} }
	later := func(reply string) Result { return Result{Outcome: OutcomeDeferred, Code: "4.3.0", Reply: reply} }
	switch {
	case errors.Is(err, seal.ErrTampered), errors.Is(err, seal.ErrContext):
		return held("the stored message was altered, so it was not sent; find out how, delete it and send it again")
	case errors.Is(err, seal.ErrGone):
		return held("the stored message or its key is gone, so it cannot be sent; restore it from a backup and retry, or delete it")
	case errors.Is(err, seal.ErrUnsupported):
		return held("the stored message has a format that this sealgate does not know; start the newer sealgate and retry")
	case errors.Is(err, seal.ErrDenied), errors.Is(err, seal.ErrDisabled):
		return later("the KMS does not let us open the stored message; allow the key there")
	case errors.Is(err, seal.ErrUnreachable), errors.Is(err, seal.ErrThrottled):
		return later("the KMS does not answer, so the stored message cannot be opened yet; check the connection to it")
	}
	return later("the stored message could not be read; the log says why")
}

func forAll(recipients []Recipient, same Result) []Result {
	var results []Result
	for _, r := range recipients {
		same.RecipientID = r.ID
		results = append(results, same)
	}
	return results
}

// complete orders results as the recipients are. What is missing or unknown counts as uncertain: it may have arrived.
func complete(recipients []Recipient, given []Result) []Result {
	found := map[string]Result{}
	for _, r := range given {
		found[r.RecipientID] = r
	}
	var results []Result
	for _, r := range recipients {
		result, ok := found[r.ID]
		if !ok || !known(result.Outcome) {
			result = Result{RecipientID: r.ID, Outcome: OutcomeUncertain, Code: "4.4.2", Reply: "no answer was recorded; the message may have arrived and is sent again"}
		}
		result.Code, result.Reply = clean(result.Code), clean(result.Reply)
		results = append(results, result)
	}
	return results
}

func known(o Outcome) bool {
	switch o {
	case OutcomeRelayed, OutcomeDeferred, OutcomeFailed, OutcomeUncertain, OutcomeHeld:
		return true
	}
	return false
}

// clean makes a remote server's words fit to store: valid UTF-8 on one line, without control characters (PostgreSQL
// refuses NUL), at most 1000 bytes.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	return strings.ToValidUTF8(s[:min(len(s), 1000)], "")
}
