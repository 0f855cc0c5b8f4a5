package pgpmime

import "strings"

// ticketToken returns the ticket number of a ticket system as it stands in a decoded subject, brackets included, or "".
// It knows the forms of
//
//	Zammad     [Ticket#67002]
//	Znuny      [Ticket#2015071510123456], [Ticket: 2015071510123456] and the like
//	RT         [example.com #12]
//	FreeScout  [#123]
//
// The token may stand outside an encryption, so it holds no words that somebody wrote: beside the digits there is only
// a word of the list below, or the host name that RT calls itself by. A hook with any other word is not found. Of
// several numbers the first counts.
func ticketToken(subject string) string {
	for {
		open := strings.IndexByte(subject, '[')
		if open < 0 {
			return ""
		}
		subject = subject[open:]
		end := strings.IndexAny(subject[1:], "[]") + 1
		if end > 0 && subject[end] == ']' && isTicket(subject[1:end]) {
			return subject[:end+1]
		}
		subject = subject[1:]
	}
}

// maxTicket is the longest text in the brackets: the number and a host name.
const maxTicket = 80

// isTicket tells whether the text between brackets is a ticket number and nothing else.
func isTicket(inside string) bool {
	if len(inside) > maxTicket {
		return false
	}
	before := strings.TrimRight(inside, "0123456789")
	if digits := len(inside) - len(before); digits == 0 || digits > 20 {
		return false
	}
	name := strings.TrimRight(before, "#: ")
	divider := before[len(name):]
	switch folded(name) {
	case "":
		return divider == "#"
	case "ticket", "case", "request", "incident", "issue":
		return isDivider(divider)
	}
	return divider == " #" && isHostName(name)
}

// isDivider tells what stands between the word and the number.
func isDivider(s string) bool {
	switch s {
	case "#", ":", "#:", ": ", "#: ", " #", " ":
		return true
	}
	return false
}

// isHostName tells names like example.com: a word alone could be one of the subject.
func isHostName(s string) bool {
	if !strings.Contains(s, ".") {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || strings.Trim(folded(label), "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return true
}
