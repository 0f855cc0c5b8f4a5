package groups

import (
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// encryptSentence is what an agent reads in the ticket about one recipient.
func encryptSentence(to Recipient, encrypt Ruling) string {
	sentence := "no usable certificate for " + plain(to.Address)
	if to.Problem != "" {
		sentence += " (" + plain(to.Problem) + ")"
	}
	return sentence + "; " + remedy("Encrypt", encrypt)
}

func signSentence(r Request, sign Ruling) string {
	return "cannot sign: " + plain(signProblem(r)) + "; " + remedy("Sign", sign)
}

func signProblem(r Request) string {
	if r.SignProblem == "" {
		return "no secret key for this sender"
	}
	return r.SignProblem
}

// remedy says how to get the message out: never a button that would not obey.
func remedy(button string, u Ruling) string {
	if u.Locked {
		return "import one, or ask an administrator to send it (" + u.Because + ")"
	}
	return "import one or switch " + button + " off"
}

// shownMissing bounds how many addresses a clause names.
const shownMissing = 3

// missingClause names the recipients without a usable certificate.
func missingClause(missing []Recipient) string {
	if len(missing) == 0 {
		return "there is no recipient yet"
	}
	var names []string
	for _, to := range missing[:min(len(missing), shownMissing)] {
		names = append(names, plain(to.Address))
	}
	clause := "no usable certificate for " + strings.Join(names, ", ")
	if more := len(missing) - shownMissing; more > 0 {
		clause += " and " + strconv.Itoa(more) + " more"
	}
	return clause
}

// plain makes text fit for one line of an SMTP reply: what is not printable ASCII becomes an escape.
func plain(text string) string {
	quoted := strconv.QuoteToASCII(text)
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(quoted[1 : len(quoted)-1])
}

// domainOf returns the domain of an address in the form in which domains are compared.
func domainOf(address string) string {
	return foldDomain(address[strings.LastIndexByte(address, '@')+1:])
}

// foldDomain returns the lower-case A-label form of a domain; what has none is only lower-cased, so that a rule for
// it still holds.
func foldDomain(domain string) string {
	domain = strings.TrimSuffix(domain, ".")
	if ascii, err := idna.Lookup.ToASCII(domain); err == nil {
		return ascii
	}
	return strings.ToLower(domain)
}
