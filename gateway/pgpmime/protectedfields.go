package pgpmime

import (
	"net/mail"
	"slices"
	"strings"
	"time"
)

// fromRecord is what the From inside a payload says (RFC 9788, section 4.4). It never replaces the one outside, by which
// the customer is known; the verdict can say that they differ.
type fromRecord struct {
	Protected bool   // there is a From inside
	Address   string // its one address, canonical; "" when there are none or several
	Differs   bool   // it is not the one address of the From outside
}

// protectedFields returns the outer header of an opened message with the fields that its payload protects (RFC 9788,
// section 4.2, and the protected-headers="v1" of 2019). inner is the header of the payload's root, never that of a part
// below it. It counts when the payload came out of an encryption, or when its signature is good: decrypted and signed
// say so. Otherwise everything stays as it is.
//
// Subject, Keywords and Comments are the ones inside; a field that is not inside stays as it is outside. In-Reply-To and
// References come from inside when there are none outside, so that the answer finds its ticket. Date: see restoredDate.
// No other field is taken: by From, To, Cc and Reply-To people and addresses are known, and no signature that we check
// says anything about them.
func protectedFields(outer, inner []field, decrypted, signed bool) (restored []field, record fromRecord) {
	protection := headerProtection(inner)
	if protection == "" || (!decrypted && !signed) {
		return outer, fromRecord{}
	}
	restored = restoreSubject(outer, inner)
	restored = restoreTexts(restored, inner, "Keywords")
	restored = restoreTexts(restored, inner, "Comments")
	restored = restoreThread(restored, inner, "In-Reply-To")
	restored = restoreThread(restored, inner, "References")
	if date, ok := restoredDate(outer, inner); ok && protection == "cipher" && decrypted {
		restored = replace(restored, date)
	}
	return restored, fromInside(outer, inner)
}

// headerProtection tells how the header of a payload's root is marked: clear, cipher, v1, or "" for not at all. Of
// several Content-Type fields none counts.
func headerProtection(inner []field) string {
	if len(named(inner, "content-type")) != 1 {
		return ""
	}
	_, params := mediaType(inner)
	switch hp := strings.ToLower(params["hp"]); {
	case hp == "clear", hp == "cipher":
		return hp
	case strings.EqualFold(params["protected-headers"], "v1"):
		return "v1"
	}
	return ""
}

// restoreSubject takes the Subject from inside. One of several is nobody's word: none counts then.
func restoreSubject(outer, inner []field) []field {
	inside := named(inner, "subject")
	if len(inside) != 1 {
		return outer
	}
	text := strings.TrimSpace(decodeWords(inside[0].value()))
	if outside := named(outer, "subject"); text == "" || (len(outside) == 1 && decodeWords(outside[0].value()) == text) {
		return outer
	}
	return replace(outer, textField("Subject", text))
}

// restoreTexts takes all fields of a name from inside, if there are any.
func restoreTexts(outer, inner []field, name string) []field {
	var texts []field
	for _, f := range named(inner, strings.ToLower(name)) {
		if text := strings.TrimSpace(decodeWords(f.value())); text != "" {
			texts = append(texts, textField(name, text))
		}
	}
	if len(texts) == 0 {
		return outer
	}
	kept := make([]field, 0, len(outer)+len(texts))
	for _, f := range outer {
		if f.name != texts[0].name {
			kept = append(kept, f)
		}
	}
	return append(withLineEnds(kept), texts...)
}

// restoreThread takes message ids from inside when there are none outside: some senders hide them.
func restoreThread(outer, inner []field, name string) []field {
	inside := named(inner, strings.ToLower(name))
	if len(inside) != 1 || len(named(outer, strings.ToLower(name))) > 0 || !areMessageIDs(inside[0].value()) {
		return outer
	}
	return append(withLineEnds(outer[:len(outer):len(outer)]), foldedIDs(name, inside[0].value()))
}

// areMessageIDs tells whether a value is message ids (RFC 5322, section 3.6.4) and nothing else, so that it can be
// written as it is.
func areMessageIDs(value string) bool {
	ids := strings.Fields(value)
	return len(ids) > 0 && !slices.ContainsFunc(ids, func(id string) bool { return !isMessageID(id) })
}

func isMessageID(id string) bool {
	inside, opened := strings.CutPrefix(id, "<")
	inside, closed := strings.CutSuffix(inside, ">")
	return opened && closed && inside != "" && !strings.ContainsAny(inside, "<>") && id == sentence(id) && len(id) <= maxLine/2
}

// dateBlur is how far a Date outside may be from the one inside: policies that hide a Date leave out the time of day or
// the time zone. A Date that is further away could put a message anywhere in a ticket.
const dateBlur = 24 * time.Hour

// restoredDate returns the Date inside, if the one outside only stands in for it: the sender's own record, HP-Outer
// (RFC 9788, section 2.2), says that it does, and nobody has changed it since. Without such a record the Date outside
// stays, as mail is sorted by it.
func restoredDate(outer, inner []field) (field, bool) {
	inside, outside := named(inner, "date"), named(outer, "date")
	record := outerRecord(inner, "date")
	if len(inside) != 1 || len(outside) != 1 || len(record) != 1 || record[0] != outside[0].value() || record[0] == inside[0].value() {
		return field{}, false
	}
	shown, err := mail.ParseDate(outside[0].value())
	if err != nil {
		return field{}, false
	}
	meant, err := mail.ParseDate(inside[0].value())
	if err != nil || meant.Sub(shown).Abs() > dateBlur {
		return field{}, false
	}
	return line("Date", meant.Format(time.RFC1123Z)), true
}

// outerRecord returns the values that the sender left outside in fields of a name, in lower case, as the HP-Outer lines
// of the payload tell.
func outerRecord(inner []field, name string) []string {
	var values []string
	for _, f := range named(inner, "hp-outer") {
		recorded, value, ok := strings.Cut(f.value(), ":")
		if ok && strings.EqualFold(strings.TrimSpace(recorded), name) {
			values = append(values, strings.TrimSpace(value))
		}
	}
	return values
}

// fromInside compares the two senders.
func fromInside(outer, inner []field) fromRecord {
	if len(named(inner, "from")) == 0 {
		return fromRecord{}
	}
	inside := senderOf(inner)
	if inside != "" && len(named(outer, "from")) == 1 && first(outer, "from") == first(inner, "from") {
		return fromRecord{Protected: true, Address: inside}
	}
	return fromRecord{Protected: true, Address: inside, Differs: !sameAddress(inside, senderOf(outer))}
}

// forOthers tells a message that was signed for other recipients than those outside: somebody who got it encrypted it
// anew, to make it look as if it were for us (surreptitious forwarding). It is known only where To and Cc were signed.
func forOthers(outer, inner []field) bool {
	if headerProtection(inner) == "" || (first(outer, "to") != "" && first(outer, "to") == first(inner, "to")) {
		return false
	}
	signed := append(addressesOf(inner, "to"), addressesOf(inner, "cc")...)
	shown := append(addressesOf(outer, "to"), addressesOf(outer, "cc")...)
	outside := make(map[string]bool, len(shown))
	for _, a := range shown {
		outside[folded(a)] = true
	}
	for _, a := range signed {
		if outside[folded(a)] {
			return false
		}
	}
	return len(signed) > 0 && len(shown) > 0
}
