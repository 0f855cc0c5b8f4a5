package web

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
)

// longDump is a file that is longer than what is imported at once: a few certificates, again and again.
func longDump(certificates ...string) string {
	whole := strings.Join(certificates, "\n")
	return strings.Repeat(whole+"\n", 1+maxAtOnce/len(whole))
}

// TestDumpShowsItsProgress: a long file is imported as a stream, and the page that answers grows: a line after each
// batch, then the report. No script is needed, and nothing readable is left in a file.
func TestDumpShowsItsProgress(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	b := newBench(t)
	b.person("root", groups.Admin)
	v := b.as("root")
	ada := armoredKey(t, "Ada", "ada@example.test", 0, b.clock.Now())
	b.imports(ada)
	stranger := armoredKey(t, "Stranger", "ada@example.test", 0, b.clock.Now())
	bob := armoredKey(t, "Bob", "bob@example.test", 0, b.clock.Now())
	a := v.upload("dump.asc", []byte(longDump(ada, bob, stranger)), map[string]string{"text": ""})
	a.says(t, http.StatusOK, "Import of a dump", "200 certificates so far", "400 certificates so far", "All of it was read", "2 added", "unchanged",
		"1 certificate waits", "Compare and decide", "</html>")
	if n := strings.Count(a.body, "Stranger &lt;ada@example.test&gt;"); n != 1 {
		t.Errorf("what waits is named %d times, want once", n)
	}
	if first, report := strings.Index(a.body, "<progress"), strings.Index(a.body, "All of it was read"); first < 0 || first > report {
		t.Error("the report comes before the progress")
	}
	if c := b.certificateOf("bob@example.test"); c.State != keyring.Approved {
		t.Errorf("bob's is %s", c.State)
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) != 0 {
		t.Errorf("an upload left temporary files: %v %v", left, err)
	}
}

func (b *bench) certificateOf(address string) *keyring.Certificate {
	b.t.Helper()
	found, err := b.gateway.Keyring.ByAddress(b.t.Context(), []string{address}, b.clock.Now())
	if err != nil || len(found[address]) == 0 {
		b.t.Fatalf("no certificate for %s: %v", address, err)
	}
	return found[address][0]
}

// TestGrowingPageLeavesPieceByPiece: what is known is sent at once, and not kept until the end.
func TestGrowingPageLeavesPieceByPiece(t *testing.T) {
	b := newBench(t)
	answer := httptest.NewRecorder()
	v := &visit{site: newSite(&Server{Gateway: b.gateway, Log: b.logger()}), w: answer, r: httptest.NewRequest(http.MethodPost, "/keyring/import", nil)}
	page, err := v.grow("dump", "Import of a dump")
	if err != nil {
		t.Fatal(err)
	}
	tally := newTally(1000)
	tally.Seen = 7
	page.add("dump-line", tally)
	if so := answer.Body.String(); !answer.Flushed || !strings.Contains(so, "7 certificates so far") || strings.Contains(so, "</html>") {
		t.Errorf("flushed %t:\n%s", answer.Flushed, so)
	}
	page.end()
	if !strings.Contains(answer.Body.String(), "</html>") {
		t.Error("the page does not end")
	}
}

// TestLongFilesThatAreNone: what is refused is said in the report, with what to do.
func TestLongFilesThatAreNone(t *testing.T) {
	b := newBench(t)
	b.person("root", groups.Admin)
	v := b.as("root")
	noise := []byte(strings.Repeat("noise\n", maxAtOnce/5))
	v.upload("noise", noise, map[string]string{"text": ""}).says(t, http.StatusOK, "This is not OpenPGP data", "</html>")
	v.upload("noise", noise, map[string]string{"text": "x"}).says(t, http.StatusUnprocessableEntity, "This file is long", ">x</textarea>")
	good := armoredKey(t, "Ada", "ada@example.test", 0, b.clock.Now())
	damaged := strings.Replace(good, "\n\n", "\n\nAAAA", 1)
	a := v.upload("dump", []byte(longDump(good, damaged)), map[string]string{"text": ""})
	a.says(t, http.StatusOK, "1 added", "refused", "certificates so far")
}

// TestImportSaysWhatChanged: one row for each certificate, with what is new in it, or why it waits and the buttons to decide.
func TestImportSaysWhatChanged(t *testing.T) {
	b := newBench(t)
	b.person("root", groups.Admin)
	v := b.as("root")
	b.imports(armoredKey(t, "Ada", "ada@example.test", 0, b.clock.Now()))
	first := b.certificateOf("ada@example.test")
	stranger := armoredKey(t, "Ada, or so", "ada@example.test", 0, b.clock.Now().Add(time.Second))
	a := v.submit("/keyring/import", "/keyring/import", url.Values{"text": {"> " + strings.ReplaceAll(strings.TrimSpace(stranger), "\n", "\n> ")}})
	a.says(t, http.StatusOK, "Ada, or so", "Waits for approval", "another certificate is in use for <strong>ada@example.test</strong>",
		inFours(first.Fingerprint), `value="approved">Approve`, `value="blocked">Block`)
	_, action, _ := strings.Cut(a.body, `action="/keyring/`)
	fingerprint, _, _ := strings.Cut(action, "/state")
	form := url.Values{"state": {"blocked"}, "back": {"/keyring/waiting"}, "form_token": {tokenFor(t, a.body, "/keyring/"+fingerprint+"/state")}}
	if done := v.send("/keyring/"+fingerprint+"/state", form); done.path != "/keyring/waiting" || !strings.Contains(done.body, "No certificate waits") {
		t.Errorf("after the decision: %s\n%s", done.path, done.body)
	}
}
