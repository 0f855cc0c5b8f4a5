package gateway

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/gateway/queue"
)

// reports are one notification of each kind. SEALGATE_GOLDEN=write writes testdata/dsn anew.
func reports() map[string]report {
	noon := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	until := noon.Add(5 * 24 * time.Hour)
	to := func(address, orcpt, reply string) queue.Recipient {
		return queue.Recipient{Address: address, ORcpt: orcpt, LastReply: reply}
	}
	failed := queue.Notice{
		Action: queue.ActionFailed, Recipient: to("gone@customer.test", "rfc822;Gone+old@customer.test", ""),
		Result: queue.Result{Code: "5.1.1", Reply: "550 no such user\r\nhere: \xe4", Host: "mx.customer.test"},
	}
	delayed := queue.Notice{
		Action: queue.ActionDelayed, Recipient: to("late@customer.test", "", ""), Until: until,
		Result: queue.Result{Code: "4.4.1", Reply: "cannot connect to mx.customer.test:25"},
	}
	relayed := queue.Notice{
		Action: queue.ActionRelayed, Recipient: to("old@customer.test", "", ""),
		Result: queue.Result{Code: "2.0.0", Reply: "250 taken", Host: "mx.customer.test"},
	}
	over := failed
	over.Result = queue.Result{Code: "4.2.2", Reply: "given up after 5 days; the last answer was: 452 mailbox is full"}
	umlaut := failed
	umlaut.Recipient = to(`jürgen+a\b@customer.test`, "utf-8;jürgen@customer.test", "")
	m := queue.Message{ReversePath: "support@desk.test", MessageID: "1@desk.test", EnvID: "ticket 1\x01", CreatedAt: noon.Add(-time.Hour)}
	secret, foreign := m, m
	secret.RequireTLS = true
	foreign.ReversePath, foreign.SMTPUTF8 = "büro@desk.test", true
	header := "From: Support <support@desk.test>\r\nTo: gone@customer.test\r\nSubject: [...]\r\nMessage-ID: <1@desk.test>\r\n"
	foreignHeader := "From: Büro <büro@desk.test>\r\nTo: jürgen@customer.test\r\nSubject: Größe\r\nMessage-ID: <1@desk.test>\r\n"
	r := report{domain: "sealgate.test", now: noon, id: "dsn-1", boundary: "part"}
	one := func(m queue.Message, header string, notices ...queue.Notice) report {
		r.message, r.header, r.notices = m, []byte(header), notices
		return r
	}
	return map[string]report{
		"failed":             one(m, header, failed),
		"given-up":           one(m, header, over),
		"delayed":            one(m, header, delayed),
		"relayed":            one(m, header, relayed),
		"several":            one(m, header, failed, delayed, relayed),
		"requiretls":         one(secret, header, failed),
		"utf8-recipient":     one(m, foreignHeader, umlaut),
		"utf8-sender":        one(foreign, foreignHeader, umlaut, delayed),
		"utf8-sender-relays": one(foreign, foreignHeader, relayed),
	}
}

func TestNotificationsOfEachKind(t *testing.T) {
	for name, r := range reports() {
		t.Run(name, func(t *testing.T) {
			file, got := filepath.Join("testdata", "dsn", name+".eml"), r.bytes()
			if os.Getenv("SEALGATE_GOLDEN") == "write" {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s: got\n%s\nwant\n%s", file, got, want)
			}
			if !r.international() && !isASCII(string(got)) {
				t.Error("a notification to an ASCII address is not 7-bit")
			}
		})
	}
}

// pythonReads tells what Python's email package sees in a notification: the parts, and each recipient's fields.
const pythonReads = `
import email, email.policy, sys
m = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.default)
print(m.get_content_type(), m.get_param("report-type"), "defects:", [type(d).__name__ for p in m.walk() for d in p.defects])
for part in m.iter_parts():
    kind = part.get_content_type()
    print("-", kind)
    if kind == "message/delivery-status":
        for block in part.get_payload():
            print("  ", "; ".join(f"{k}={v}" for k, v in block.items()))
    elif kind == "message/global-delivery-status":
        for block in part.as_bytes().decode().replace("\r", "").split("\n\n")[1:]:
            print("  ", "; ".join(line.replace(": ", "=", 1) for line in block.strip().split("\n")))
    elif kind == "text/rfc822-headers":
        print("  ", len(email.message_from_string(part.get_content(), policy=email.policy.default).items()), "fields")
`

// TestPythonReadsNotifications: an independent reader sees the same parts and fields.
func TestPythonReadsNotifications(t *testing.T) {
	bed.Need(t, "python3")
	for name, r := range reports() {
		t.Run(name, func(t *testing.T) {
			read := exec.Command("python3", "-X", "utf8", "-c", pythonReads)
			read.Stdin = bytes.NewReader(r.bytes())
			out, err := read.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			got := string(out)
			for _, want := range []string{
				"multipart/report " + r.kind("delivery-status") + " defects: []\n", "- text/plain\n", "- message/" + r.kind("delivery-status") + "\n",
				"Reporting-MTA=dns; sealgate.test; Original-Envelope-Id=ticket 1?; Arrival-Date=Wed, 04 Mar 2026 11:00:00 +0000",
			} {
				if !strings.Contains(got, want) {
					t.Errorf("it does not see %q:\n%s", want, got)
				}
			}
			for _, n := range r.notices {
				if want := "; Action=" + string(n.Action) + "; Status=" + statusOf(n); !strings.Contains(got, want) {
					t.Errorf("it does not see %q:\n%s", want, got)
				}
			}
		})
	}
}

func TestTheHeaderOfWhatIsQueuedIsRead(t *testing.T) {
	long := "X: " + strings.Repeat("x", 9000) + "\r\n"
	for name, c := range map[string]struct{ message, want string }{
		"a message":     {"A: 1\r\nB: 2\r\n\r\nbody\r\n\r\nmore", "A: 1\r\nB: 2\r\n"},
		"without body":  {"A: 1\r\n", "A: 1\r\n"},
		"with nothing":  {"", ""},
		"a long line":   {long + "\r\nbody", long},
		"a long header": {strings.Repeat(long, 20) + "\r\nbody", strings.Repeat(long, 20)},
	} {
		got, err := headerOf(strings.NewReader(c.message))
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %.60q, %d bytes (%v)", name, got, len(got), err)
		}
	}
	endless, err := headerOf(strings.NewReader(strings.Repeat(long, 1000)))
	if err != nil || len(endless) > maxOuterHeader+len(long) {
		t.Errorf("%d bytes of an endless header (%v)", len(endless), err)
	}
	broken := errors.New("the seal is broken")
	if _, err := headerOf(io.MultiReader(strings.NewReader("A: 1\r\n\r\nbody"), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("a body that does not open: %v", err)
	}
}
