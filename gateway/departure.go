package gateway

import (
	"context"
	"fmt"
	"strings"

	"github.com/sealgate/sealgate/gateway/archive"
	"github.com/sealgate/sealgate/gateway/queue"
)

// Departure says in words what became of an outbound article: whether its copies left, which wait, which failed, how they
// are protected, and why so.
func (g *Gateway) Departure(ctx context.Context, a Actor, id string) (string, error) {
	article, err := g.articleFor(ctx, a, id)
	if err != nil {
		return "", err
	}
	copies, err := g.Queue.List(ctx, queue.Filter{Article: id, Limit: 500})
	if err != nil {
		return "", fmt.Errorf("departure of article %s: %w", id, err)
	}
	return departure(article, copies), nil
}

// departure begins with what is true now: a message in the queue has not left.
func departure(article archive.Article, copies []queue.Message) string {
	to := map[queue.State][]string{}
	for _, m := range copies {
		for _, r := range m.Recipients {
			to[r.State] = append(to[r.State], r.Address)
		}
	}
	protection := protectionInWords(article.Encryption)
	waiting := append(append([]string{}, to[queue.Pending]...), to[queue.Sending]...)
	var words []string
	say := func(addresses []string, format string) {
		if len(addresses) > 0 {
			words = append(words, fmt.Sprintf(format, strings.Join(addresses, ", ")))
		}
	}
	switch {
	case len(copies) == 0:
		words = append(words, "It was to leave "+protection+", and is no longer in the queue; its history says why")
	case len(to[queue.Relayed]) > 0 && len(to[queue.Relayed]) == len(copiesTo(copies)):
		words = append(words, "It left "+protection)
	case len(to[queue.Relayed]) > 0:
		say(to[queue.Relayed], "It left "+protection+" for %s")
	case len(to[queue.Uncertain]) > 0:
		words = append(words, "It is "+protection)
	default:
		words = append(words, "It has not left. It is "+protection)
	}
	say(waiting, "It waits in the queue for %s")
	say(to[queue.Held], "It is held in the queue for %s")
	say(to[queue.Uncertain], "The connection broke while it was sent to %s, so that it may have arrived or not")
	say(to[queue.Failed], "It could not be delivered to %s; the sender was told")
	return strings.Join(append(words, becauseOf(article)...), ". ") + "."
}

func copiesTo(copies []queue.Message) (all []string) {
	for _, m := range copies {
		for _, r := range m.Recipients {
			all = append(all, r.Address)
		}
	}
	return all
}

func protectionInWords(encryption string) string {
	switch encryption {
	case "signed":
		return "signed, not encrypted"
	case "encrypted":
		return "encrypted, not signed"
	case "signed+encrypted":
		return "signed and encrypted"
	}
	return "neither signed nor encrypted"
}

// becauseOf says why an article was protected as it is. What was decided is kept with it.
func becauseOf(a archive.Article) []string {
	r, ok := RecordOf(a)
	if !ok {
		return nil
	}
	return []string{"Encryption: " + r.Encrypt.Because, "Signature: " + r.Sign.Because}
}
