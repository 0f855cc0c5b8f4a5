package mtasts

import (
	"errors"
	"strings"
)

// RecordID reads the id from the TXT records of _mta-sts.DOMAIN (RFC 8461, section 3.1); "" means that no policy is
// announced. Several announcements count as none.
func RecordID(records []string) (string, error) {
	id, found := "", 0
	for _, record := range records {
		if version, rest, _ := strings.Cut(record, ";"); strings.TrimRight(version, " \t") == "v=STSv1" {
			found++
			id = idOf(rest)
		}
	}
	switch {
	case found == 0:
		return "", nil
	case found > 1:
		return "", errors.New("there are several MTA-STS records")
	case id == "":
		return "", errors.New("the MTA-STS record has no usable id")
	}
	return id, nil
}

// idOf finds the id among the fields: 1 to 32 letters and digits.
func idOf(fields string) string {
	for field := range strings.SplitSeq(fields, ";") {
		key, value, _ := strings.Cut(strings.Trim(field, " \t"), "=")
		if strings.TrimRight(key, " \t") != "id" {
			continue
		}
		value = strings.Trim(value, " \t")
		if value == "" || len(value) > 32 || strings.Trim(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
			return ""
		}
		return value
	}
	return ""
}
