package bed

import (
	"bytes"
	"context"
	"fmt"
	"net/textproto"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Dovecot is a running Dovecot with a Maildir per user, password "secret". IMAP offers STARTTLS and takes passwords
// in clear; LMTP delivers to user@anything.
type Dovecot struct {
	IMAP, IMAPS, LMTP, SASL string // host:port
	Config                  string // doveadm -c
	Users                   []string
}

// StartDovecot starts one. It calls Need.
func StartDovecot(t testing.TB, a Authority, users ...string) *Dovecot {
	t.Helper()
	Need(t, "dovecot", "doveadm")
	dir := filepath.Join(Dir(t), "dovecot")
	makeDovecotFolders(t, dir)
	var accounts strings.Builder
	for _, name := range users {
		fmt.Fprintf(&accounts, "%s:{PLAIN}secret::::::\n", name)
	}
	if err := os.WriteFile(filepath.Join(dir, "users"), []byte(accounts.String()), 0o644); err != nil {
		t.Fatalf("write users: %v", err)
	}
	config := filepath.Join(dir, "dovecot.conf")
	ports := startTwice(t, 4, func(p []int) error {
		configure(t, "dovecot.conf", config, map[string]any{
			"Dir": dir, "CertFile": a.CertFile, "KeyFile": a.KeyFile, "IMAP": p[0], "IMAPS": p[1], "LMTP": p[2], "SASL": p[3],
		})
		return start(dir, "dovecot", "-c", config)
	})
	stopAtEnd(t, filepath.Join(dir, "dovecot.log"), filepath.Join(dir, "run", "master.pid"))
	if err := listening(ports); err != nil {
		t.Fatal(err)
	}
	return &Dovecot{
		IMAP: local(ports[0]), IMAPS: local(ports[1]), LMTP: local(ports[2]), SASL: local(ports[3]),
		Config: config, Users: users,
	}
}

// makeDovecotFolders makes dir, which every user may pass through, and a mail folder that belongs to the user mail.
func makeDovecotFolders(t testing.TB, dir string) {
	t.Helper()
	for _, name := range []string{"", "run", "state", "mail"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatalf("make dovecot folder: %v", err)
		}
	}
	giveTo(t, "mail", filepath.Join(dir, "mail"))
}

// giveTo makes a system user the owner of a file.
func giveTo(t testing.TB, name, path string) {
	t.Helper()
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatalf("find the owner of %s: %v", path, err)
	}
	uid, _ := strconv.Atoi(u.Uid) // numbers on every system with these peers
	gid, _ := strconv.Atoi(u.Gid)
	if err := os.Chown(path, uid, gid); err != nil {
		t.Fatal(err)
	}
}

// Deliver puts a message into a user's INBOX by LMTP (RFC 2033).
func (d *Dovecot) Deliver(t testing.TB, user string, message []byte) {
	t.Helper()
	c, err := textproto.Dial("tcp", d.LMTP)
	if err != nil {
		t.Fatalf("connect to LMTP: %v", err)
	}
	defer c.Close()
	if _, _, err := c.ReadResponse(220); err != nil {
		t.Fatalf("LMTP greeting: %v", err)
	}
	say := func(code int, line string) {
		t.Helper()
		if err := c.PrintfLine("%s", line); err != nil {
			t.Fatalf("LMTP %s: %v", line, err)
		}
		if _, _, err := c.ReadResponse(code); err != nil {
			t.Fatalf("LMTP %s: %v", line, err)
		}
	}
	say(250, "LHLO bed.desk.test")
	say(250, "MAIL FROM:<bed@desk.test>")
	say(250, "RCPT TO:<"+user+"@desk.test>")
	say(354, "DATA")
	content := c.DotWriter() // writes CRLF line ends and doubles leading dots
	_, err = content.Write(message)
	if err := content.Close(); err != nil {
		t.Fatalf("LMTP message: %v", err)
	}
	if err != nil {
		t.Fatalf("LMTP message: %v", err)
	}
	if _, _, err := c.ReadResponse(250); err != nil {
		t.Fatalf("LMTP end of message: %v", err)
	}
	say(221, "QUIT")
}

// Messages returns the raw messages of a user's folder, oldest first, with CRLF line ends (doveadm fetch). A folder
// that does not exist fails the test.
func (d *Dovecot) Messages(t testing.TB, user, folder string) [][]byte {
	t.Helper()
	var messages [][]byte
	for uid := range strings.FieldsSeq(d.Doveadm(t, "-f", "tab", "fetch", "-u", user, "uid", "mailbox", folder, "all")) {
		if uid == "uid" { // the table's head
			continue
		}
		text := []byte(d.Doveadm(t, "fetch", "-u", user, "text", "mailbox", folder, "uid", uid))
		text, found := bytes.CutPrefix(text, []byte("text:\n"))
		if !found { // expunged since
			continue
		}
		messages = append(messages, crlf(text))
	}
	return messages
}

// Doveadm runs doveadm with the peer's configuration and returns its output; a non-zero exit fails the test.
func (d *Dovecot) Doveadm(t testing.TB, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, find("doveadm"), append([]string{"-c", d.Config}, args...)...)
	var out, words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &words
	if err := cmd.Run(); err != nil {
		t.Fatalf("doveadm %q: %v\n%s", args, err, words.Bytes())
	}
	return out.String()
}
