package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestDemoShowsBothWaysAndLeavesNothing: the demo says where to click, shows a mail in and a reply out on both sides,
// serves the page, and is gone without a trace after Ctrl-C.
func TestDemoShowsBothWaysAndLeavesNothing(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	out := &watched{word: "Press Ctrl-C", seen: make(chan struct{})}
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, []string{"demo", "--web", "127.0.0.1:0"}, strings.NewReader(""), out, out) }()
	select {
	case <-out.seen:
	case code := <-ended:
		t.Fatalf("the demo ended by itself with %d:\n%s", code, out)
	}

	said := out.String()
	for _, words := range []string{
		"log in      admin / ", "Decrypted. Signed by alice@customer.test.", "my account number is 4711",
		"as the ticket system reads it", "yes, invoice 4711 is paid", "BEGIN PGP MESSAGE", "multipart/encrypted", "Autocrypt: addr=support@desk.test",
	} {
		if !strings.Contains(said, words) {
			t.Errorf("the demo does not say %q:\n%s", words, said)
		}
	}
	page := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(said)
	answer, err := http.Get(page + "/login")
	if err != nil {
		t.Fatal(err)
	}
	html, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil || answer.StatusCode != http.StatusOK || !strings.Contains(string(html), "Sealgate") {
		t.Errorf("the page: %s %v", answer.Status, err)
	}

	interrupt()
	if code := <-ended; code != 0 {
		t.Errorf("exit %d:\n%s", code, out)
	}
	if !strings.Contains(out.String(), "Stopped; nothing stayed behind.") {
		t.Error("the demo does not say that it stopped")
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// watched is a writer that tells when a word was written.
type watched struct {
	syncBuffer
	word string
	seen chan struct{}
	done bool
}

func (w *watched) Write(p []byte) (int, error) {
	n, err := w.syncBuffer.Write(p)
	if !w.done && strings.Contains(w.String(), w.word) {
		w.done = true
		close(w.seen)
	}
	return n, err
}
