package groups

// InlineIn says which inline PGP in the text of incoming mail is opened.
type InlineIn string

// The choices for inline PGP.
const (
	InlineOff   InlineIn = "off"
	InlineWhole InlineIn = "whole" // only what is the whole text
	InlineAny   InlineIn = "any"   // blocks among other text too
)

// ReadsInline tells whether a rule of the group says that mail to an address should be inline PGP.
func (g Group) ReadsInline(address string) bool {
	for _, rule := range g.DomainRules {
		if rule.Inline && domainOf(address) == foldDomain(rule.Domain) {
			return true
		}
	}
	return false
}

// checkForms checks how the group's mail looks.
func (g Group) checkForms() error {
	if g.KeepTicket && !g.HideSubject {
		return invalid("keep_ticket", "a ticket number can be kept outside only where the subject is hidden; hide the subject too, or do not keep the number")
	}
	if g.InlineIn != InlineOff && g.InlineIn != InlineWhole && g.InlineIn != InlineAny {
		return invalid("inline_in", "inline PGP in incoming mail can be off, whole or any; choose one of them")
	}
	return nil
}
