package gateway

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/gateway/submission"
	"github.com/sealgate/sealgate/keyring/kms"
	"github.com/sealgate/sealgate/keyring/seal"
	"gorm.io/gorm"
)

// A message that comes back to us again and again goes round in a circle. The number of its trace fields tells (RFC 5321,
// section 6.3), but late, and not where somebody on the way removes them. So what leaves carries a marker: how often it has
// left, under a key that nobody else has. Without the key nobody can make others' mail look like a loop; and because the marker
// is for one Message-ID, one that was seen serves no other message. It says that mail passed here, and nothing about the group.

// loopField is the marker's field.
const loopField = "Sealgate-Loop"

// maxRounds is how often one message may leave. More than once is no loop yet: it may go from one group to another of ours, and
// be forwarded.
const maxRounds = 4

// maxLoopFields is how many markers of a message are looked at.
const maxLoopFields = 20

// loopKey is the key of the markers, sealed in the database, so that all nodes have the same. The zero loopKey is ready.
type loopKey struct {
	mu  sync.Mutex
	key []byte
}

func loopRef() kms.Ref { return kms.Ref{Kind: kms.LoopKey, ID: "loop", Version: 1} }

// loopSecret returns the key, and makes it the first time. Of several nodes that do so at once one makes it.
func (g *Gateway) loopSecret(ctx context.Context) ([]byte, error) {
	g.loop.mu.Lock()
	defer g.loop.mu.Unlock()
	if g.loop.key != nil {
		return g.loop.key, nil
	}
	key, err := g.Keeper.Open(ctx, g.DB, loopRef())
	if errors.Is(err, seal.ErrGone) {
		if made := g.makeLoopSecret(ctx); made != nil && !errors.Is(made, gorm.ErrDuplicatedKey) {
			return nil, made
		}
		key, err = g.Keeper.Open(ctx, g.DB, loopRef())
	}
	if err != nil {
		return nil, fmt.Errorf("open the key of loop markers: %w", err)
	}
	g.loop.key = key
	return key, nil
}

func (g *Gateway) makeLoopSecret(ctx context.Context) error {
	key := make([]byte, sha256.Size)
	if _, err := g.Random.Read(key); err != nil {
		return fmt.Errorf("make a key for loop markers: %w", err)
	}
	defer clear(key)
	if err := g.Keeper.Ready(ctx); err != nil {
		return fmt.Errorf("make a key for loop markers: %w", err)
	}
	return g.DB.WithContext(ctx).Transaction(func(tx *gorm.DB) error { return g.Keeper.Seal(ctx, tx, loopRef(), key) })
}

// loopMarker is the field of a message that leaves once more.
func (g *Gateway) loopMarker(ctx context.Context, rounds int, messageID string) (string, error) {
	key, err := g.loopSecret(ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s: %d.%s\r\n", loopField, rounds+1, loopMAC(key, rounds+1, messageID)), nil
}

// mark puts the marker in front of every copy, outside of what is signed.
func (g *Gateway) mark(ctx context.Context, l letter, messageID string, copies []outCopy) error {
	marker, err := g.loopMarker(ctx, l.rounds, messageID)
	if err != nil {
		return err
	}
	for i := range copies {
		copies[i].signatures = marker + copies[i].signatures
	}
	return nil
}

// nextMarker is the marker of a message that is passed on. One without a readable header, or without a Message-ID, has its trace
// fields only.
func (g *Gateway) nextMarker(ctx context.Context, came []byte) (string, error) {
	summary, err := pgpmime.Summarize(came)
	if err != nil || summary.MessageID == "" {
		return "", nil
	}
	rounds, err := g.roundsOf(ctx, came, summary.MessageID)
	if err != nil {
		return "", err
	}
	return g.loopMarker(ctx, rounds, summary.MessageID)
}

func loopMAC(key []byte, rounds int, messageID string) string {
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%d %s", rounds, messageID)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:18])
}

// roundsOf is how often a message has left here already, by the markers in its header that are ours. Too often is a refusal.
func (g *Gateway) roundsOf(ctx context.Context, message []byte, messageID string) (rounds int, err error) {
	fields := loopFields(message)
	if len(fields) == 0 || messageID == "" {
		return 0, nil
	}
	key, err := g.loopSecret(ctx)
	if err != nil {
		return 0, err
	}
	for _, value := range fields {
		number, mac, _ := strings.Cut(value, ".")
		n, err := strconv.ParseUint(number, 10, 8)
		if err == nil && hmac.Equal([]byte(mac), []byte(loopMAC(key, int(n), messageID))) {
			rounds = max(rounds, int(n))
		}
	}
	if rounds >= maxRounds {
		return rounds, &submission.Refusal{
			Code: 554, Enhanced: [3]int{5, 4, 6},
			Sentence: fmt.Sprintf("this message has left here %d times and comes back each time; look for a forwarding that goes round in a circle", rounds),
		}
	}
	return rounds, nil
}

// loopFields returns the values of the first markers in a header, whoever wrote them.
func loopFields(message []byte) (values []string) {
	for line := range bytes.Lines(message[:min(len(message), maxTrace)]) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 || len(values) == maxLoopFields {
			break
		}
		name, value, found := bytes.Cut(line, []byte(":"))
		if found && strings.EqualFold(string(name), loopField) {
			values = append(values, strings.TrimSpace(string(value)))
		}
	}
	return values
}
