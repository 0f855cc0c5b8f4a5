package groups

import (
	"encoding/json"
	"strings"
	"time"
)

type groupRow struct {
	ID               string   `gorm:"column:id;primaryKey"`
	Name             string   `gorm:"column:name"`
	SignLevel        Level    `gorm:"column:sign_level"`
	EncryptLevel     Level    `gorm:"column:encrypt_level"`
	AutoSignLevel    Level    `gorm:"column:auto_sign_level"`
	AutoEncryptLevel Level    `gorm:"column:auto_encrypt_level"`
	Mixed            Mixed    `gorm:"column:mixed"`
	SubjectTags      bool     `gorm:"column:subject_tags"`
	HideSubject      bool     `gorm:"column:hide_subject"`
	KeepTicket       bool     `gorm:"column:keep_ticket"`
	AttachKey        bool     `gorm:"column:attach_key"`
	Autocrypt        bool     `gorm:"column:autocrypt"`
	InlineIn         InlineIn `gorm:"column:inline_in"`
	Owners           string   `gorm:"column:owners"`
	ContentSubjects  string   `gorm:"column:content_subjects"`
	ContentFiles     string   `gorm:"column:content_files"`
	ContentMarked    bool     `gorm:"column:content_sensitivity"`
	Shadow           bool     `gorm:"column:shadow"`
	RetryLifetimeMS  int64    `gorm:"column:retry_lifetime_ms"`
	RetryWarnMS      int64    `gorm:"column:retry_warn_after_ms"`
	RetryFirstMS     int64    `gorm:"column:retry_first_wait_ms"`
	RetryLongestMS   int64    `gorm:"column:retry_longest_wait_ms"`
	CreatedMS        int64    `gorm:"column:created_ms"`
	UpdatedMS        int64    `gorm:"column:updated_ms"`
	Revision         int64    `gorm:"column:revision"`
}

// TableName implements gorm's Tabler, as those below.
func (groupRow) TableName() string { return "groups" }

func rowOfGroup(g Group) groupRow {
	return groupRow{
		ID: g.ID, Name: g.Name, SignLevel: g.Sign, EncryptLevel: g.Encrypt,
		AutoSignLevel: g.AutoSign, AutoEncryptLevel: g.AutoEncrypt,
		Mixed: g.Mixed, SubjectTags: g.SubjectTags,
		HideSubject: g.HideSubject, KeepTicket: g.KeepTicket,
		AttachKey: g.AttachKey, Autocrypt: g.Autocrypt, InlineIn: g.InlineIn, Owners: strings.Join(g.Owners, " "),
		ContentSubjects: strings.Join(g.Content.Subjects, "\n"), ContentFiles: strings.Join(g.Content.Files, "\n"),
		ContentMarked: g.Content.Sensitivity, Shadow: g.Shadow,
		RetryLifetimeMS: g.Retry.Lifetime.Milliseconds(), RetryWarnMS: g.Retry.WarnAfter.Milliseconds(),
		RetryFirstMS: g.Retry.FirstWait.Milliseconds(), RetryLongestMS: g.Retry.LongestWait.Milliseconds(),
		CreatedMS: g.CreatedAt.UnixMilli(), UpdatedMS: g.UpdatedAt.UnixMilli(),
	}
}

func (r groupRow) group() Group {
	return Group{
		ID: r.ID, Name: r.Name, Sign: r.SignLevel, Encrypt: r.EncryptLevel,
		AutoSign: r.AutoSignLevel, AutoEncrypt: r.AutoEncryptLevel,
		Mixed: r.Mixed, SubjectTags: r.SubjectTags,
		HideSubject: r.HideSubject, KeepTicket: r.KeepTicket,
		AttachKey: r.AttachKey, Autocrypt: r.Autocrypt, InlineIn: r.InlineIn, Owners: wordsOf(r.Owners),
		Content: ContentRules{linesOf(r.ContentSubjects), linesOf(r.ContentFiles), r.ContentMarked}, Shadow: r.Shadow,
		Retry:     Retry{span(r.RetryLifetimeMS), span(r.RetryWarnMS), span(r.RetryFirstMS), span(r.RetryLongestMS)},
		CreatedAt: instant(r.CreatedMS), UpdatedAt: instant(r.UpdatedMS),
	}
}

func linesOf(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

func wordsOf(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Fields(text)
}

type addressRow struct {
	Address  string `gorm:"column:address;primaryKey"`
	GroupID  string `gorm:"column:group_id"`
	Position int    `gorm:"column:position"`
}

func (addressRow) TableName() string { return "group_addresses" }

type ruleRow struct {
	GroupID      string `gorm:"column:group_id;primaryKey"`
	Domain       string `gorm:"column:domain;primaryKey"`
	SignLevel    Level  `gorm:"column:sign_level"`
	EncryptLevel Level  `gorm:"column:encrypt_level"`
	Inline       bool   `gorm:"column:inline"`
}

func (ruleRow) TableName() string { return "group_domain_rules" }

type mailboxRow struct {
	ID                string `gorm:"column:id;primaryKey"`
	GroupID           string `gorm:"column:group_id"`
	Login             string `gorm:"column:login"`
	PasswordHash      string `gorm:"column:password_hash"`
	IMAPAddress       string `gorm:"column:imap_address"`
	IMAPTLS           TLS    `gorm:"column:imap_tls"`
	IMAPUsername      string `gorm:"column:imap_username"`
	IMAPCA            string `gorm:"column:imap_ca"`
	SMTPAddress       string `gorm:"column:smtp_address"`
	SMTPTLS           TLS    `gorm:"column:smtp_tls"`
	SMTPUsername      string `gorm:"column:smtp_username"`
	SMTPCA            string `gorm:"column:smtp_ca"`
	Route             Route  `gorm:"column:out_route"`
	Policy            string `gorm:"column:out_policy"`
	Pins              string `gorm:"column:out_pins"` // separated by blanks
	DANE              bool   `gorm:"column:out_dane"`
	Mechanism         string `gorm:"column:out_mechanism"`
	LoginWith         Login  `gorm:"column:out_login"`
	OAuth             string `gorm:"column:out_oauth"` // JSON, no secrets; "" for none
	CredentialVersion uint32 `gorm:"column:credential_version"`
	TokenVersion      uint32 `gorm:"column:token_version"`
	CreatedMS         int64  `gorm:"column:created_ms"`
	UpdatedMS         int64  `gorm:"column:updated_ms"`
}

func (mailboxRow) TableName() string { return "mailboxes" }

// fill copies everything but the id, the secrets and the times.
func (r *mailboxRow) fill(m Mailbox) {
	r.GroupID, r.Login = m.GroupID, m.Login
	r.IMAPAddress, r.IMAPTLS, r.IMAPUsername, r.IMAPCA = m.IMAP.Address, m.IMAP.TLS, m.IMAP.Username, m.IMAP.CA
	r.SMTPAddress, r.SMTPTLS, r.SMTPUsername, r.SMTPCA = m.SMTP.Address, m.SMTP.TLS, m.SMTP.Username, m.SMTP.CA
	r.Route, r.Policy, r.Pins, r.DANE = m.Out.Route, m.Out.Policy, strings.Join(m.Out.Pins, " "), m.Out.DANE
	r.Mechanism, r.LoginWith, r.OAuth = m.Out.Mechanism, m.Out.Login, m.Out.OAuth.text()
}

func (r mailboxRow) mailbox() Mailbox {
	return Mailbox{
		ID: r.ID, GroupID: r.GroupID, Login: r.Login,
		IMAP: Upstream{Address: r.IMAPAddress, TLS: r.IMAPTLS, Username: r.IMAPUsername, CA: r.IMAPCA},
		SMTP: Upstream{Address: r.SMTPAddress, TLS: r.SMTPTLS, Username: r.SMTPUsername, CA: r.SMTPCA},
		Out: NextHop{
			Route: r.Route, Policy: r.Policy, Pins: wordsOf(r.Pins), DANE: r.DANE,
			Mechanism: r.Mechanism, Login: r.LoginWith, OAuth: oauthOf(r.OAuth),
		},
		CreatedAt: instant(r.CreatedMS), UpdatedAt: instant(r.UpdatedMS),
	}
}

// text is how OAuth settings are stored.
func (o OAuth) text() string {
	if o.Grant == "" {
		return ""
	}
	text, err := json.Marshal(o)
	if err != nil { // it has no fields for which there is an error
		return ""
	}
	return string(text)
}

// oauthOf reads what text wrote. What cannot be read is none: then nobody logs in, and saving mends it.
func oauthOf(text string) (o OAuth) {
	if json.Unmarshal([]byte(text), &o) != nil {
		return OAuth{}
	}
	return o
}

type userRow struct {
	ID           string `gorm:"column:id;primaryKey"`
	Name         string `gorm:"column:name"`
	PasswordHash string `gorm:"column:password_hash"`
	Role         Role   `gorm:"column:role"`
	Disabled     bool   `gorm:"column:disabled"`
	CreatedMS    int64  `gorm:"column:created_ms"`
	UpdatedMS    int64  `gorm:"column:updated_ms"`
}

func (userRow) TableName() string { return "users" }

func (r userRow) user() User {
	return User{ID: r.ID, Name: r.Name, Role: r.Role, Disabled: r.Disabled, CreatedAt: instant(r.CreatedMS)}
}

type userGroupRow struct {
	UserID  string `gorm:"column:user_id;primaryKey"`
	GroupID string `gorm:"column:group_id;primaryKey"`
}

func (userGroupRow) TableName() string { return "user_groups" }

type tokenRow struct {
	Hash      string `gorm:"column:hash;primaryKey"`
	UserID    string `gorm:"column:user_id"`
	Label     string `gorm:"column:label"`
	CreatedMS int64  `gorm:"column:created_ms"`
}

func (tokenRow) TableName() string { return "api_tokens" }

func span(ms int64) time.Duration { return time.Duration(ms) * time.Millisecond }

func instant(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
