//go:build helpdesk

package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/groups"
)

// TestHelpdeskRT holds one whole conversation through a real ticket system: RT 5 fetches by fetchmail over Sealgate's
// IMAP and sends by msmtp over Sealgate's submission. The customer uses gpg.
func TestHelpdeskRT(t *testing.T) {
	bed.Need(t, rtServer, "rt-setup-database-5", "rt-mailgate-5", "fetchmail", "msmtp")
	s := newSite(t, func(g *groups.Group) { g.Sign, g.Encrypt, g.AutoEncrypt = groups.On, groups.On, groups.On })
	s.customerWithKey()
	s.importKeys(s.gpg.Export(t, customer), "")
	rt := startRT(s)

	// The customer's encrypted mail becomes a readable ticket.
	s.dovecot.Deliver(t, "support", s.gpg.PGPMIME(t, questionHeader, []byte(questionBody), customer, support))
	s.waitForTickets(s.ticket(), 1)
	rt.fetch()
	history := rt.get("/REST/1.0/ticket/1/history?format=l")
	if !strings.Contains(history, "What is the answer?") {
		t.Fatalf("the ticket does not show the customer's words:\n%s", history)
	}
	if content := rt.get("/REST/1.0/ticket/1/show"); !strings.Contains(content, "Subject: question") {
		t.Errorf("ticket:\n%s", content)
	}

	// The auto-reply and the agent's reply leave encrypted, and the customer's gpg reads them.
	rt.reply("The answer is forty-two.")
	var words []string
	for _, message := range s.waitForMail("customer", 2) {
		if bytes.Contains(message, []byte("forty-two")) {
			t.Error("a reply left in clear")
		}
		entity, status := s.gpg.Read(t, message)
		if !strings.Contains(status, "GOODSIG") || !strings.Contains(status, "GOODMDC") {
			t.Errorf("gpg says:\n%s", status)
		}
		words = append(words, string(entity))
	}
	if !strings.Contains(strings.Join(words, "\n"), "forty-two") {
		t.Errorf("the agent's reply is missing:\n%s", strings.Join(words, "\n----\n"))
	}
}

// rt is a running RT on SQLite in a temporary folder.
type rt struct {
	s      *site
	folder string
	url    string
	env    []string
}

const (
	rtServer   = "/usr/share/request-tracker5/libexec/rt-server"
	rtPassword = "rt-root-password"
)

// startRT sets up a database, rights and the server, all in a temporary folder on loopback.
func startRT(s *site) *rt {
	s.t.Helper()
	port := freePort(s.t)
	r := &rt{s: s, folder: bed.Dir(s.t), url: "http://" + port}
	r.env = append(os.Environ(), "RT_SITE_CONFIG="+r.path("RT_SiteConfig.pm"), "RT_SITE_CONFIG_DIR="+r.path("none"))
	r.writeFiles(port)
	r.command("rt-setup-database-5", "--action", "init", "--skip-create", "--root-password-file", r.path("rootpw"))
	r.command("perl", r.path("rights.pl"))
	r.serve(port)
	return r
}

func (r *rt) path(name string) string { return filepath.Join(r.folder, name) }

// writeFiles writes RT's configuration, the sendmail that hands mail to Sealgate, and fetchmail's account.
func (r *rt) writeFiles(port string) {
	r.s.t.Helper()
	_, webPort, _ := net.SplitHostPort(port)
	_, imapPort, _ := net.SplitHostPort(r.s.address("imap", "implicit"))
	_, smtpPort, _ := net.SplitHostPort(r.s.address("submission", "starttls"))
	files := map[string]string{
		"RT_SiteConfig.pm": "Set($rtname,'desk.test'); Set($Organization,'desk.test');\n" +
			"Set($CorrespondAddress,'support@desk.test'); Set($CommentAddress,'support@desk.test');\n" +
			"Set($WebDomain,'127.0.0.1'); Set($WebPort," + webPort + "); Set($WebPath,'');\n" +
			"Set($DatabaseType,'SQLite'); Set($DatabaseName,'" + r.path("rtdb") + "');\n" +
			"Set($MailCommand,'sendmailpipe'); Set($SendmailPath,'" + r.path("sendmail") + "'); Set($SendmailArguments,'-oi');\n" +
			"Set($LogToSTDERR,'info'); Set($MasonDataDir,'" + r.path("mason") + "'); Set($MasonSessionDir,'" + r.path("session") + "');\n" +
			"Set(%GnuPG, Enable => 0); Set(%SMIME, Enable => 0);\n1;\n",
		"rights.pl": "use lib '/usr/share/request-tracker5/lib'; use RT; RT::LoadConfig(); RT::Init();\n" +
			"my $q = RT::Queue->new(RT->SystemUser); $q->Load('General') or die 'queue';\n" +
			"my $g = RT::Group->new(RT->SystemUser); $g->LoadSystemInternalGroup('Everyone');\n" +
			"for (qw(CreateTicket ReplyToTicket CommentOnTicket SeeQueue ShowTicket)) {\n" +
			"  my ($ok, $msg) = $g->PrincipalObj->GrantRight(Right => $_, Object => $q); die $msg unless $ok }\n",
		"rootpw":   rtPassword + "\n",
		"password": gatewayPassword + "\n",
		"sendmail": "#!/bin/sh\nexec msmtp -C " + r.path("msmtprc") + " --read-envelope-from --read-recipients \"$@\"\n",
		"msmtprc": "account default\nhost localhost\nport " + smtpPort + "\ntls on\ntls_starttls on\ntls_trust_file " + r.s.tls.CertFile +
			"\nauth plain\nuser support\npasswordeval \"cat " + r.path("password") + "\"\nauto_from off\nlogfile " + r.path("msmtp.log") + "\n",
		"fetchmailrc": "poll localhost protocol IMAP port " + imapPort + "\n  user 'support' password '" + gatewayPassword + "'\n" +
			"  ssl sslcertck sslcertfile '" + r.s.tls.CertFile + "'\n" +
			"  mda \"rt-mailgate-5 --queue General --action correspond --url " + r.url + "/\"\n",
	}
	for _, folder := range []string{"mason", "session", "none"} {
		if err := os.Mkdir(r.path(folder), 0o700); err != nil {
			r.s.t.Fatal(err)
		}
	}
	for name, content := range files {
		if err := os.WriteFile(r.path(name), []byte(content), 0o700); err != nil {
			r.s.t.Fatal(err)
		}
	}
}

// command runs one program to its end with RT's environment.
func (r *rt) command(name string, args ...string) string {
	r.s.t.Helper()
	c := exec.CommandContext(r.s.t.Context(), name, args...)
	c.Env = r.env
	out, err := c.CombinedOutput()
	if err != nil {
		r.s.t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// serve starts the web server in a process group of its own, ended with the test.
func (r *rt) serve(port string) {
	r.s.t.Helper()
	host, p, _ := net.SplitHostPort(port)
	log, err := os.Create(r.path("server.log"))
	if err != nil {
		r.s.t.Fatal(err)
	}
	c := exec.Command(rtServer, "--host", host, "--port", p)
	c.Env, c.Stdout, c.Stderr = r.env, log, log
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.Start(); err != nil {
		r.s.t.Fatalf("rt-server: %v", err)
	}
	r.s.t.Cleanup(func() {
		syscall.Kill(-c.Process.Pid, syscall.SIGKILL) //nolint:errcheck // it may have ended
		c.Wait()                                      //nolint:errcheck // it was killed
		log.Close()
		if r.s.t.Failed() {
			for _, name := range []string{"server.log", "msmtp.log"} {
				text, _ := os.ReadFile(r.path(name))
				r.s.t.Logf("%s:\n%s", name, text)
			}
		}
	})
	r.s.wait("RT's web server", func() bool {
		answer, err := http.Get(r.url + "/")
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode < 500
	})
}

// fetch runs fetchmail once; each mail goes through rt-mailgate.
func (r *rt) fetch() {
	r.s.t.Helper()
	r.command("fetchmail", "--nosyslog", "--nodetach", "-v", "-f", r.path("fetchmailrc"), "--pidfile", r.path("fetchmail.pid"), "-i", r.path("fetchids"))
}

// get asks RT's REST interface as root.
func (r *rt) get(path string) string {
	r.s.t.Helper()
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	answer, err := http.Get(r.url + path + separator + "user=root&pass=" + rtPassword)
	if err != nil {
		r.s.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		r.s.t.Fatal(err)
	}
	return string(body)
}

// reply writes an agent's reply to ticket 1.
func (r *rt) reply(text string) {
	r.s.t.Helper()
	client := &http.Client{Timeout: time.Minute}
	answer, err := client.PostForm(r.url+"/REST/1.0/ticket/1/comment?user=root&pass="+rtPassword,
		url.Values{"content": {fmt.Sprintf("id: 1\nAction: correspond\nText: %s", text)}})
	if err != nil {
		r.s.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	if !strings.Contains(string(body), "200 Ok") {
		r.s.t.Fatalf("reply: %s", body)
	}
}
