package pgpmime_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/sealgate/sealgate/gateway/pgpmime"
)

// tree writes a verdict down for people to read and for tests to compare: the words for the whole message first, then
// each layer, what was found inside it further to the right. Keys have the names of their owners.
func tree(o pgpmime.Opened, names map[string]string) string {
	w := treeWriter{names: names}
	v := o.Verdict
	w.line(0, "message: %s %s", v.Encryption, v.Signature)
	w.fact(0, "signer", w.name(v.Signer))
	w.fact(0, "signer id", w.name(v.SignerID))
	w.fact(0, "signed at", when(v.SignedAt))
	w.fact(0, "matched", v.MatchedID)
	w.fact(0, "encrypted to", w.allNames(v.EncryptedTo))
	w.fact(0, "waiting for", w.allNames(o.WaitingFor))
	w.fact(0, "repaired", v.Repaired)
	w.fact(0, "limit", v.Limit)
	w.fact(0, "reason", v.Reason)
	w.fact(0, "subject", o.Subject)
	w.line(0, "changed: %v", o.Changed)
	for _, l := range v.Layers {
		w.layer(0, l)
	}
	return w.b.String()
}

type treeWriter struct {
	b     strings.Builder
	names map[string]string
}

func (w *treeWriter) line(depth int, format string, args ...any) {
	fmt.Fprintf(&w.b, "%s%s\n", strings.Repeat("  ", depth), fmt.Sprintf(format, args...))
}

// fact writes a line for what is there.
func (w *treeWriter) fact(depth int, name, value string) {
	if value != "" {
		w.line(depth, "%s: %s", name, value)
	}
}

func (w *treeWriter) layer(depth int, l pgpmime.Layer) {
	place := ""
	if l.Part != "" {
		place = " part " + l.Part
	}
	w.line(depth, "- %s%s: %s", l.Kind, place, strings.TrimSpace(string(l.Encryption)+" "+string(l.Signature)))
	depth++
	w.fact(depth, "container", strings.TrimSpace(l.Container+" "+l.Cipher))
	w.fact(depth, "encrypted to", w.allNames(l.KeyIDs))
	w.fact(depth, "repaired", l.Repaired)
	w.fact(depth, "limit", l.Limit)
	w.fact(depth, "reason", l.Reason)
	for _, s := range l.Signatures {
		w.signature(depth, s)
	}
	for _, inner := range l.Layers {
		w.layer(depth, inner)
	}
}

func (w *treeWriter) signature(depth int, s pgpmime.LayerSignature) {
	w.line(depth, "signature: %s", s.Signature)
	depth++
	w.fact(depth, "signer", w.name(s.Signer))
	w.fact(depth, "key", w.name(s.KeyID))
	if s.Version != 0 || s.Algorithm != "" {
		w.fact(depth, "made with", strings.Join(strings.Fields(fmt.Sprintf("version %d %s %s", s.Version, s.Algorithm, s.Hash)), " "))
	}
	w.fact(depth, "signed at", when(s.SignedAt))
	w.fact(depth, "matched", s.MatchedID)
	w.fact(depth, "reason", s.Reason)
}

// name is whose key it is.
func (w *treeWriter) name(id string) string {
	if name := w.names[id]; name != "" {
		return name
	}
	return id
}

func (w *treeWriter) allNames(ids []string) string {
	var all []string
	for _, id := range ids {
		name := w.name(id)
		if n := len(all); n > 0 && strings.HasPrefix(all[n-1], name) { // a flood of the same
			times := 1
			fmt.Sscanf(strings.TrimPrefix(all[n-1], name), " × %d", &times) //nolint:errcheck // one when it says nothing
			all[n-1] = fmt.Sprintf("%s × %d", name, times+1)
			continue
		}
		all = append(all, name)
	}
	return strings.Join(all, ", ")
}

// when is an instant; those of other programs are as they were when the case was frozen.
func when(seconds int64) string {
	if seconds == 0 {
		return ""
	}
	return time.Unix(seconds, 0).UTC().Format(time.DateTime)
}
