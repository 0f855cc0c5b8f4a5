package mtasts_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/smarthost/mtasts"
)

// TestParse reads policy files, good and bad.
func TestParse(t *testing.T) {
	const head = "version: STSv1\nmode: enforce\n"
	for text, want := range map[string]string{
		policyA: "enforce [a.desk.test] 24h0m0s",
		head + "mx: *.Desk.test\nmx:b.test \nmax_age: 604800": "enforce [*.desk.test b.test] 168h0m0s",
		head + "mx: a.test\nmax_age: 99999999999":             "the policy's max_age \"99999999999\" is no number",
		head + "mx: a.test\nmax_age: 9999999999":              "enforce [a.test] 8766h0m0s",
		head + "mx: a.test\nmax_age: 60\nmode: none\nx-y: z":  "enforce [a.test] 1m0s",
		head + "mx: a.test\nmax_age: -1":                      "max_age",
		head + "max_age: 60":                                  "names no mail server",
		head + "mx: a.test":                                   "lacks version, mode or max_age",
		head + "mx: a..test\nmax_age: 60":                     "no host name",
		head + "mx: *.*.test\nmax_age: 60":                    "no host name",
		head + "mx: a b\nmax_age: 60":                         "no host name",
		head + "mx a.test\nmax_age: 60":                       "no colon",
		"version: STSv2\nmode: none\nmax_age: 1":              "only STSv1",
		"version: STSv1\nmode: maybe\nmax_age: 1":             "unknown",
		head + strings.Repeat("mx: a.test\n", 501):            "more than 500",
		strings.Repeat("\n", 70_000):                          "more than 65536",
	} {
		got := ""
		if p, err := mtasts.Parse(text); err != nil {
			got = err.Error()
		} else {
			got = fmt.Sprint(p.Mode, " ", p.MX, " ", p.MaxAge)
		}
		if !strings.Contains(got, want) {
			t.Errorf("%.60q: got %s, want %s", text, got, want)
		}
	}
}

// TestNames: a star is one label.
func TestNames(t *testing.T) {
	p := mtasts.Policy{MX: []string{"a.desk.test", "*.mail.test"}}
	for host, want := range map[string]bool{
		"a.desk.test": true, "A.Desk.Test.": true, "b.desk.test": false, "x.mail.test": true, "x.y.mail.test": false, "mail.test": false, ".mail.test": false, "": false,
	} {
		if p.Names(host) != want {
			t.Errorf("%q: %v", host, !want)
		}
	}
}

// TestRecordID reads TXT records.
func TestRecordID(t *testing.T) {
	for records, want := range map[string]string{
		"": " <nil>", "v=spf1 -all": " <nil>", "v=STSv1; id=20260304T12;": "20260304T12 <nil>", "v=STSv1;id=1": "1 <nil>", "v=STSv1 ; a=b ; id = 2 ;": "2 <nil>",
		"v=STSv12; id=1": " <nil>", "v=STSv1; id=;": "no usable id", "v=STSv1; id=a-b": "no usable id", "v=STSv1;": "no usable id", "v=STSv1; id=1|v=spf1": "1 <nil>",
		"v=STSv1; id=1|v=STSv1; id=1": "several", "v=STSv1; id=" + strings.Repeat("1", 33): "no usable id",
	} {
		id, err := mtasts.RecordID(strings.Split(records, "|"))
		if got := fmt.Sprint(id, " ", err); !strings.Contains(got, want) {
			t.Errorf("%q: got %s, want %s", records, got, want)
		}
	}
}

// FuzzParse: whatever a web server sends, a policy that is taken can be used, and is within its limits.
func FuzzParse(f *testing.F) {
	f.Add(policyA)
	f.Add("version:STSv1\nmode:testing\nmx:*.a.test\nmx:b\nmax_age:1\nodd: x")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := mtasts.Parse(text)
		if err != nil {
			return
		}
		if p.MaxAge < 0 || p.MaxAge.Hours() > 8766 || len(p.MX) > 500 || p.Mode != mtasts.None && len(p.MX) == 0 {
			t.Fatalf("%q gave %+v", text, p)
		}
		for _, pattern := range p.MX {
			if host := strings.Replace(pattern, "*", "x", 1); !p.Names(host) || strings.ContainsAny(pattern, " \r\n") {
				t.Fatalf("%q does not match %q", pattern, host)
			}
		}
	})
}

// FuzzRecordID: an id is short and plain, or there is none.
func FuzzRecordID(f *testing.F) {
	f.Add("v=STSv1; id=20260304;")
	f.Add("v=STSv1;id=1;id=2;;")
	f.Fuzz(func(t *testing.T, record string) {
		id, err := mtasts.RecordID([]string{record, "v=spf1 -all"})
		if err == nil && id != "" && (len(id) > 32 || strings.ContainsAny(id, " ;=\r\n") || !strings.HasPrefix(record, "v=STSv1")) {
			t.Fatalf("%q gave %q", record, id)
		}
	})
}
