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

// Request is everything that Decide looks at. A level that is none of the four counts as Required.
type Request struct {
	HouseSign       Level // below this no group goes; "" for none
	HouseEncrypt    Level
	Sign, Encrypt   Level // the group's, already the automatic-mail ones for automatic mail
	Rules           []DomainRule
	Mixed           Mixed
	ThreadEncrypted bool   // the thread came encrypted: encrypt is raised to On
	Content         string // a content rule that the message meets, in words: encrypt is raised to Required; "" for none
	ToggleSign      Toggle
	ToggleEncrypt   Toggle
	ByAdmin         bool // may switch off what is Required
	CanSign         bool
	SignProblem     string // why not, in words
	Shadow          bool   // the group only watches: nothing but what is asked for happens
	Recipients      []Recipient
}

// Rule names what decided.
type Rule string

// The rules, as shown to people and in the activity log.
const (
	ByHouse     Rule = "house default"
	ByGroup     Rule = "group default"
	ByDomain    Rule = "recipient domain"
	ByThread    Rule = "thread came encrypted"
	ByShadow    Rule = "shadow mode"
	ByContent   Rule = "content rule"
	ByToggle    Rule = "agent's choice"
	ByAvailable Rule = "every recipient has a certificate"
	ByMissing   Rule = "not every recipient has a certificate"
	ByKey       Rule = "a secret key can sign"
	ByNoKey     Rule = "no secret key can sign"
)

// Origin is where a rule comes from.
type Origin string

// The origins, the widest first.
const (
	FromInstance     Origin = "instance"
	FromGroup        Origin = "group"
	FromDomain       Origin = "recipient domain"
	FromThread       Origin = "thread"
	FromMessage      Origin = "message"
	FromCertificates Origin = "keys at hand"
)

// Origin says where a rule comes from.
func (r Rule) Origin() Origin {
	switch r {
	case ByHouse:
		return FromInstance
	case ByDomain:
		return FromDomain
	case ByThread:
		return FromThread
	case ByContent, ByToggle:
		return FromMessage
	case ByAvailable, ByMissing, ByKey, ByNoKey:
		return FromCertificates
	}
	return FromGroup
}

// Ruling is the answer for signing or for encryption.
type Ruling struct {
	Level    Level // the effective level after domain rules and thread
	Do       bool  // what will happen
	Possible bool  // what could happen; with MixedSplit that includes notices to those without a certificate
	Default  bool  // what would happen without a toggle: the preselected state of the button
	Locked   bool  // the agent may not change it; asking for off is then without effect
	Rule     Rule
	Because  string // one short clause for people
}

// Refusal names why a message must not leave, for one recipient or (Recipient empty) as a whole.
type Refusal struct {
	Recipient string
	Sentence  string // what is wrong and what to do, one line of printable ASCII
}

// Decision is what happens to one message. The zero Decision refuses nothing and protects nothing; a message may leave
// only when Refusals is empty. When it is and Encrypt.Do holds, every recipient has a usable certificate or is in
// Notices.
type Decision struct {
	Sign     Ruling
	Encrypt  Ruling
	Notices  []string // recipients that get a content-free notice instead (MixedSplit)
	Refusals []Refusal
	Would    *Decision `json:",omitempty"` // in shadow mode: what would happen without it
}

// Decide is pure: the same request gives the same decision. A missing certificate or key never turns off what a level
// of On or Required, or a toggle, switched on: it becomes a refusal. The cases stand in testdata/decisions.txt.
func Decide(r Request) Decision {
	if r.Shadow {
		return shadowed(r)
	}
	return decide(r)
}

// shadowed does only what is asked for with the message, and tells what would happen otherwise.
func shadowed(r Request) Decision {
	r.Shadow = false
	would := decide(r)
	r.HouseSign, r.HouseEncrypt, r.Sign, r.Encrypt, r.Rules, r.ThreadEncrypted, r.Content = "", "", Off, Off, nil, false, ""
	d := decide(r)
	for _, ruling := range []*Ruling{&d.Sign, &d.Encrypt} {
		if ruling.Rule == ByGroup {
			ruling.Rule, ruling.Because = ByShadow, "this group is in shadow mode: only what is asked for is done"
		}
	}
	d.Would = &would
	return d
}

func decide(r Request) Decision {
	var d Decision
	d.Sign = decideSign(r)
	d.Encrypt = decideEncrypt(r)
	if d.Encrypt.Do {
		d.Notices, d.Refusals = withoutCertificate(r, d.Encrypt)
	}
	if d.Sign.Do && !r.CanSign {
		d.Refusals = append(d.Refusals, Refusal{Sentence: signSentence(r, d.Sign)})
	}
	return d
}

func decideSign(r Request) Ruling {
	level, origin := raise(floor(r.HouseSign, known(r.Sign)), r, func(rule DomainRule) Level { return rule.Sign })
	ruling := Ruling{Level: level, Possible: r.CanSign, Rule: origin.rule, Because: origin.because("signs", "signing")}
	if level == Auto {
		ruling.Rule, ruling.Because = ByKey, "a secret key can sign as this sender"
		if !r.CanSign {
			ruling.Rule, ruling.Because = ByNoKey, plain(signProblem(r))
		}
	}
	ruling.Default = level.wants(ruling.Possible)
	return ruling.toggled(r.ToggleSign, r.ByAdmin)
}

func decideEncrypt(r Request) Ruling {
	level, origin := raise(floor(r.HouseEncrypt, known(r.Encrypt)), r, func(rule DomainRule) Level { return rule.Encrypt })
	if r.ThreadEncrypted && rank(level) < rank(On) {
		level, origin = On, source{rule: ByThread}
	}
	if r.Content != "" && rank(level) < rank(Required) {
		level, origin = Required, source{rule: ByContent, words: r.Content}
	}
	missing := missingCertificates(r.Recipients)
	ruling := Ruling{
		Level: level, Possible: len(missing) == 0 && len(r.Recipients) > 0,
		Rule: origin.rule, Because: origin.because("encrypts", "encryption"),
	}
	if level == Auto {
		ruling.Rule, ruling.Because = ByAvailable, "every recipient has a usable certificate"
		if !ruling.Possible {
			ruling.Rule, ruling.Because = ByMissing, missingClause(missing)
		}
	}
	ruling.Default = level.wants(ruling.Possible)
	ruling.Possible = ruling.Possible || splits(r, missing)
	return ruling.toggled(r.ToggleEncrypt, r.ByAdmin)
}

// wants is what a level does on its own.
func (l Level) wants(possible bool) bool { return rank(l) >= rank(On) || l == Auto && possible }

// toggled applies what was asked for. Off moves nothing that is Required, except for an admin.
func (u Ruling) toggled(asked Toggle, byAdmin bool) Ruling {
	u.Do = u.Default
	u.Locked = u.Level == Required && !byAdmin
	switch {
	case asked == ToggleOn && u.Level != Required:
		u.Do, u.Rule, u.Because = true, ByToggle, "asked for with this message"
	case asked == ToggleOff && !u.Locked:
		u.Do, u.Rule, u.Because = false, ByToggle, "switched off for this message"
	case asked == ToggleOff:
		u.Because += "; only an administrator may switch it off"
	}
	return u
}

// source is what an effective level comes from.
type source struct {
	rule   Rule
	level  Level
	domain string
	words  string
}

// because says it in a clause; verb and noun are the act, such as "signs" and "signing".
func (s source) because(verb, noun string) string {
	switch {
	case s.rule == ByThread:
		return "the thread came encrypted"
	case s.rule == ByContent:
		return noun + " is required, as " + plain(s.words)
	case s.rule == ByDomain && s.level == Required:
		return noun + " is required for " + plain(s.domain)
	case s.rule == ByDomain:
		return noun + " is raised for " + plain(s.domain)
	case s.level == Off:
		return "this group " + verb + " only if asked"
	case s.level == Required:
		return noun + " is required in this " + s.owner()
	}
	return "this " + s.owner() + " " + verb + " by default"
}

func (s source) owner() string {
	if s.rule == ByHouse {
		return "house"
	}
	return "group"
}

// floor is where raising begins: the group's level, or the house's where that is stronger.
func floor(house, group Level) source {
	if house != "" && rank(house) > rank(group) {
		return source{rule: ByHouse, level: known(house)}
	}
	return source{rule: ByGroup, level: group}
}

// raise returns the strongest of where it begins and the rules for the recipients' domains.
func raise(origin source, r Request, of func(DomainRule) Level) (Level, source) {
	level := origin.level
	for _, rule := range r.Rules {
		ruled := of(rule)
		if ruled == "" || rank(ruled) <= rank(level) || !concerns(rule, r.Recipients) {
			continue
		}
		level = known(ruled)
		origin = source{rule: ByDomain, level: level, domain: rule.Domain}
	}
	return level, origin
}

func concerns(rule DomainRule, recipients []Recipient) bool {
	for _, to := range recipients {
		if domainOf(to.Address) == foldDomain(rule.Domain) {
			return true
		}
	}
	return false
}

// known is l, or Required for what is no level: a damaged setting must not weaken protection.
func known(l Level) Level {
	if l.valid() {
		return l
	}
	return Required
}

func rank(l Level) int {
	switch l {
	case Off:
		return 0
	case Auto:
		return 1
	case On:
		return 2
	}
	return 3
}

// valid tells whether l is one of the four levels.
func (l Level) valid() bool { return l == Off || l == Auto || l == On || l == Required }

func missingCertificates(recipients []Recipient) []Recipient {
	var missing []Recipient
	for _, to := range recipients {
		if !to.Encrypted {
			missing = append(missing, to)
		}
	}
	return missing
}

// splits tells whether some can read an encrypted message and the others get a notice. A message that nobody could
// read is never split.
func splits(r Request, missing []Recipient) bool {
	return r.Mixed == MixedSplit && len(missing) > 0 && len(missing) < len(r.Recipients)
}

// withoutCertificate says what becomes of the recipients of an encrypted message who have no usable certificate.
func withoutCertificate(r Request, encrypt Ruling) (notices []string, refusals []Refusal) {
	missing := missingCertificates(r.Recipients)
	if len(r.Recipients) == 0 {
		return nil, []Refusal{{Sentence: "the message has no recipient; name at least one"}}
	}
	split := splits(r, missing)
	for _, to := range missing {
		if split {
			notices = append(notices, to.Address)
			continue
		}
		refusals = append(refusals, Refusal{Recipient: to.Address, Sentence: encryptSentence(to, encrypt)})
	}
	return notices, refusals
}
