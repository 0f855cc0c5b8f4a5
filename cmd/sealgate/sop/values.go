package sop

import (
	"bytes"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sealgate/sealgate/gateway/pgpmime/pgp"
)

// passwords are those of an option, each as it came and without blanks at its end: an editor adds a line end.
func (i *invocation) passwords(option string) ([][]byte, error) {
	var all [][]byte
	for _, name := range i.options[option] {
		password, err := i.input(name)
		if err != nil {
			return nil, err
		}
		all = append(all, password)
		if trimmed := bytes.TrimRightFunc(password, unicode.IsSpace); len(trimmed) < len(password) {
			all = append(all, trimmed)
		}
	}
	return all, nil
}

// newPassword is one to protect something with, nil where the option was not given: text that people can type, without
// blanks at its end.
func (i *invocation) newPassword(option string) ([]byte, error) {
	if !i.has(option) {
		return nil, nil
	}
	password, err := i.input(i.options[option][0])
	if err != nil {
		return nil, err
	}
	password = bytes.TrimRightFunc(password, unicode.IsSpace)
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	if len(password) == 0 || !utf8.Valid(password) || bytes.ContainsFunc(password, unprintable) {
		return nil, fail(PasswordNotHumanReadable, "the password is empty, or not text that can be typed")
	}
	return password, nil
}

// period is when a signature must have been made to count. Both ends belong to it.
type period struct{ from, to time.Time }

func (p period) contains(t time.Time) bool { return !t.Before(p.from) && !t.After(p.to) }

// period reads two options: by default from the beginning of time until now.
func (i *invocation) period(notBefore, notAfter string) (p period, err error) {
	if p.from, err = i.date(notBefore, "-", time.Time{}); err != nil {
		return p, err
	}
	p.to, err = i.date(notAfter, "now", time.Unix(1<<40, 0))
	return p, err
}

// date reads an option that is a time of RFC 3339, "now", or "-" for no limit.
func (i *invocation) date(option, otherwise string, noLimit time.Time) (time.Time, error) {
	switch v := i.value(option, otherwise); v {
	case "-":
		return noLimit, nil
	case "now":
		return i.Now, nil
	default:
		for _, layout := range []string{time.RFC3339, "20060102T150405Z", "2006-01-02T15:04Z", time.DateOnly} {
			if t, err := time.Parse(layout, v); err == nil {
				return t, nil
			}
		}
		return time.Time{}, fail(UnsupportedOption, "%s=%s is not a time: write it as 2006-01-02T15:04:05Z", option, v)
	}
}

// sessionKeyText writes a session key as the draft does: the cipher's number, a colon, hexadecimal digits.
func sessionKeyText(k pgp.SessionKey) []byte {
	return []byte(strconv.Itoa(int(k.Cipher)) + ":" + strings.ToUpper(hex.EncodeToString(k.Key)) + "\n")
}

func parseSessionKey(text []byte) (k pgp.SessionKey, err error) {
	number, digits, colon := strings.Cut(strings.TrimSpace(string(text)), ":")
	cipher, err := strconv.ParseUint(number, 10, 8)
	if err == nil {
		k.Key, err = hex.DecodeString(digits)
	}
	if err != nil || !colon || len(k.Key) == 0 {
		return k, fail(BadData, "this is not a session key: it looks like 9:FCA4…, the cipher's number and the key")
	}
	k.Cipher = uint8(cipher)
	return k, nil
}
