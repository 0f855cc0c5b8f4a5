package groups

// Toggle is what one agent asked for one message.
type Toggle string

// The toggles. Unset and "auto" leave the decision to the group.
const (
	Unset     Toggle = ""
	ToggleOn  Toggle = "on"
	ToggleOff Toggle = "off"
)

// Recipient is a fact about one forward-path: whether mail to it can be encrypted, and if not, why in words that
// follow "no usable certificate: ", such as "expired on 2026-01-02".
type Recipient struct {
	Address   string
	Encrypted bool // a usable certificate exists
	Problem   string
}

// Request is everything that Decide looks at.
type Request struct {
	Sign, Encrypt   Level // the group's, already the automatic-mail ones for automatic mail
	Rules           []DomainRule
	Mixed           Mixed
	ThreadEncrypted bool // the thread came encrypted: encrypt is raised to On
	ToggleSign      Toggle
	ToggleEncrypt   Toggle
	ByAdmin         bool // may switch off what is Required
	CanSign         bool
	SignProblem     string // why not, in words
	Recipients      []Recipient
}

// Rule names what decided.
type Rule string

// The rules, as shown to people and in the activity log.
const (
	ByGroup     Rule = "group default"
	ByDomain    Rule = "recipient domain"
	ByThread    Rule = "thread came encrypted"
	ByToggle    Rule = "agent's choice"
	ByAvailable Rule = "every recipient has a certificate"
	ByMissing   Rule = "not every recipient has a certificate"
)

// Ruling is the answer for signing or for encryption.
type Ruling struct {
	Level    Level // the effective level after domain rules and thread
	Do       bool  // what will happen
	Possible bool  // what could happen
	Default  bool  // what would happen without a toggle: the preselected state of the button
	Locked   bool  // the agent may not change it
	Rule     Rule
	Because  string // one short clause for people
}

// Refusal names why a message must not leave, for one recipient or (Recipient empty) as a whole.
type Refusal struct {
	Recipient string
	Sentence  string // what is wrong and what to do, one line
}

// Decision is what happens to one message. The zero Decision refuses nothing and protects nothing; a message may leave
// only when Refusals is empty.
type Decision struct {
	Sign     Ruling
	Encrypt  Ruling
	Notices  []string // recipients that get a content-free notice instead (MixedSplit)
	Refusals []Refusal
}

// ParsePolicy reads a Sealgate-Policy field value, such as "encrypt=on; sign=auto". Errors are *Invalid.
func ParsePolicy(value string) (sign, encrypt Toggle, err error) { panic("skeleton") }

// SubjectTags takes [encrypt], [noencrypt], [sign] and [nosign] out of a subject. Errors are *Invalid.
func SubjectTags(subject string) (rest string, sign, encrypt Toggle, err error) { panic("skeleton") }

// Decide is pure: the same request gives the same decision. The cases stand in testdata/decisions.txt.
func Decide(r Request) Decision { panic("skeleton") }
