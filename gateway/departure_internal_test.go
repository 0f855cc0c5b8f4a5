package gateway

import (
	"testing"

	"github.com/sealgate/sealgate/gateway/archive"
	"github.com/sealgate/sealgate/gateway/queue"
)

// A message in the queue has not left, whatever protection it has.
func TestDepartureSaysWhatIsTrueNow(t *testing.T) {
	to := func(address string, s queue.State) queue.Recipient {
		return queue.Recipient{Address: address, State: s}
	}
	copyTo := func(r ...queue.Recipient) queue.Message { return queue.Message{Recipients: r} }
	for name, c := range map[string]struct {
		copies []queue.Message
		want   string
	}{
		"waits":     {[]queue.Message{copyTo(to("a@x", queue.Pending))}, "It has not left. It is signed and encrypted. It waits in the queue for a@x."},
		"left":      {[]queue.Message{copyTo(to("a@x", queue.Relayed)), copyTo(to("b@x", queue.Relayed))}, "It left signed and encrypted."},
		"partly":    {[]queue.Message{copyTo(to("a@x", queue.Relayed), to("b@x", queue.Sending))}, "It left signed and encrypted for a@x. It waits in the queue for b@x."},
		"held":      {[]queue.Message{copyTo(to("a@x", queue.Held))}, "It has not left. It is signed and encrypted. It is held in the queue for a@x."},
		"failed":    {[]queue.Message{copyTo(to("a@x", queue.Relayed), to("b@x", queue.Failed))}, "It left signed and encrypted for a@x. It could not be delivered to b@x; the sender was told."},
		"uncertain": {[]queue.Message{copyTo(to("a@x", queue.Uncertain))}, "It is signed and encrypted. The connection broke while it was sent to a@x, so that it may have arrived or not."},
		"deleted":   {nil, "It was to leave signed and encrypted, and is no longer in the queue; its history says why."},
	} {
		if got := departure(archive.Article{Encryption: "signed+encrypted"}, c.copies); got != c.want {
			t.Errorf("%s: %s\nwant %s", name, got, c.want)
		}
	}
}
