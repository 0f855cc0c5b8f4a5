package web

import (
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/sealgate/sealgate/gateway/queue"
	"github.com/sealgate/sealgate/gateway/smarthost/oauth"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
)

// soon is how long before its end a certificate is pointed out.
const (
	soonDays = 30
	soon     = soonDays * 24 * time.Hour
)

// badge is a state in a word, with a tone that colours it and an icon: ok, warn, bad or quiet.
type badge struct {
	Tone string
	Icon string
	Text string
}

func functions(a assets) template.FuncMap {
	return template.FuncMap{
		"asset":       func(name string) string { return a[name] },
		"fingerprint": inFours,
		"day":         day,
		"instant":     instant,
		"size":        sizeInWords,
		"encryption":  encryptionBadge,
		"signature":   signatureBadge,
		"state":       stateBadge,
		"delivery":    deliveryBadge,
		"outcome":     outcomeBadge,
		"level":       levelInWords,
		"access":      accessBadge,
		"source":      sourceInWords,
		"choice":      choiceInWords,
		"asked":       serverInWords,
		"answer":      answerBadge,
		"lookup":      lookupBadge,
		"onOff":       onOffBadge,
		"found":       foundBadge,
		"counted":     counted,
		"imported":    importedBadge,
		"contains":    strings.Contains,
		"uploaded":    uploadBadge,
		"ending":      endingBadge,
		"join":        strings.Join,
		"sentence":    sentence,
		"capital":     capital,
		"first":       func(s string, n int) string { return s[:min(n, len(s))] },
		"len64":       func(b []byte) int64 { return int64(len(b)) },
		"args":        func(values ...any) []any { return values },
	}
}

// inFours writes a fingerprint as people compare it.
func inFours(fingerprint string) string {
	var b strings.Builder
	for i, c := range fingerprint {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(c)
	}
	return b.String()
}

func day(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2 January 2006")
}

func instant(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2 Jan 2006, 15:04 UTC")
}

func sizeInWords(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d bytes", n)
	case n < 1<<20:
		return fmt.Sprintf("%.0f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

// encryptionBadge says an article's encryption: a verdict word for what arrived, the protection for what left.
func encryptionBadge(word string) badge {
	switch word {
	case "decrypted":
		return badge{"ok", "lock", "Encrypted (decrypted)"}
	case "encrypted":
		return badge{"ok", "lock", "Encrypted"}
	case "signed+encrypted":
		return badge{"ok", "lock", "Signed and encrypted"}
	case "signed":
		return badge{"quiet", "open", "Signed, not encrypted"}
	case "none", "":
		return badge{"quiet", "open", "Not encrypted"}
	case "clear":
		return badge{"quiet", "open", "Not protected"}
	case "partial":
		return badge{"warn", "open", "Only partly encrypted"}
	case "no-key":
		return badge{"warn", "lock", "Encrypted, no key to open it"}
	case "corrupt":
		return badge{"bad", "cross", "Encrypted, but corrupt"}
	}
	return badge{"bad", "cross", "Encryption " + word}
}

// signatureBadge says an inbound article's signature.
func signatureBadge(word string) badge {
	switch word {
	case "good":
		return badge{"ok", "check", "Good signature"}
	case "none", "":
		return badge{"quiet", "dash", "Not signed"}
	case "unapproved-key":
		return badge{"warn", "alert", "Signed by a key nobody approved"}
	case "wrong-sender":
		return badge{"bad", "alert", "Signed by somebody else than the sender"}
	case "partial":
		return badge{"warn", "alert", "Only partly signed"}
	case "expired-key":
		return badge{"warn", "alert", "Signed by an expired key"}
	case "revoked-key":
		return badge{"bad", "cross", "Signed by a revoked key"}
	case "unknown-key":
		return badge{"warn", "alert", "Signed by an unknown key"}
	case "weak":
		return badge{"warn", "alert", "Signature too weak to count"}
	case "unsupported":
		return badge{"warn", "alert", "Signature of an unsupported kind"}
	case "bad":
		return badge{"bad", "cross", "Bad signature"}
	}
	return badge{"bad", "cross", "Signature " + word}
}

func stateBadge(s keyring.State) badge {
	switch s {
	case keyring.Approved:
		return badge{"ok", "check", "Approved"}
	case keyring.Blocked:
		return badge{"bad", "cross", "Blocked"}
	}
	return badge{"warn", "alert", "Waits for approval"}
}

// sourceInWords says where a certificate came from.
func sourceInWords(s keyring.Source) string {
	switch s {
	case keyring.Imported:
		return "imported by a person"
	case keyring.Generated:
		return "generated here"
	case keyring.WKD:
		return "found in the web key directory of its domain"
	case keyring.Keyserver:
		return "found on a keyserver"
	case keyring.Autocrypt:
		return "came in the Autocrypt field of a message"
	case keyring.Attachment:
		return "came attached to a message"
	case keyring.Gossip:
		return "told by somebody else in an encrypted message"
	}
	return string(s)
}

// importedBadge says what became of one block of an import.
func importedBadge(c keyring.Change) badge {
	switch {
	case c.Outcome == keyring.Refused:
		return badge{"bad", "cross", "Refused"}
	case len(c.Conflicts) > 0:
		return badge{"warn", "alert", "Waits for approval"}
	case c.Outcome == keyring.Added:
		return badge{"ok", "check", "Added"}
	case c.Outcome == keyring.Updated:
		return badge{"ok", "check", "Updated"}
	}
	return badge{"quiet", "dash", "Unchanged"}
}

func deliveryBadge(s queue.State) badge {
	switch s {
	case queue.Relayed:
		return badge{"ok", "check", "Relayed"}
	case queue.Failed:
		return badge{"bad", "cross", "Failed; the sender was told"}
	case queue.Held:
		return badge{"warn", "alert", "Held"}
	case queue.Uncertain:
		return badge{"warn", "alert", "Uncertain; may arrive twice"}
	case queue.Sending:
		return badge{"quiet", "clock", "Being sent"}
	}
	return badge{"quiet", "clock", "Waiting"}
}

func accessBadge(s oauth.Status) badge {
	switch s {
	case oauth.OK:
		return badge{"ok", "check", "Access granted"}
	case oauth.Failing:
		return badge{"warn", "alert", "Failing; tried again"}
	case oauth.NeedsPerson:
		return badge{"bad", "cross", "Needs a person"}
	}
	return badge{"quiet", "clock", "Not used yet"}
}

func outcomeBadge(word string) badge {
	switch word {
	case "done":
		return badge{"quiet", "check", "Done"}
	case "refused":
		return badge{"warn", "alert", "Refused"}
	}
	return badge{"bad", "cross", "Failed"}
}

func levelInWords(l groups.Level) string {
	switch l {
	case groups.Off:
		return "Off: only if asked"
	case groups.Auto:
		return "Auto: whenever possible"
	case groups.On:
		return "On: refuse if impossible"
	}
	return "Required: fixed for agents"
}

// expiryBadge says when a certificate ends, in words and colour.
func expiryBadge(c *keyring.Certificate, now time.Time) badge {
	left := c.Expires.Sub(now)
	switch {
	case c.Revoked:
		return badge{"bad", "cross", "Revoked"}
	case c.Expires.IsZero():
		return badge{"quiet", "dash", "Never expires"}
	case left <= 0:
		return badge{"bad", "cross", "Expired on " + day(c.Expires)}
	case left <= soon:
		return badge{"warn", "clock", "Expires on " + day(c.Expires) + ", " + daysLeft(left)}
	}
	return badge{"quiet", "clock", "Expires on " + day(c.Expires)}
}

func daysLeft(left time.Duration) string {
	switch days := int(left.Hours() / 24); days {
	case 0:
		return "within a day"
	case 1:
		return "in 1 day"
	default:
		return fmt.Sprintf("in %d days", days)
	}
}
