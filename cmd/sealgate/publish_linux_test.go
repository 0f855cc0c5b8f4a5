package main

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/keyring"
)

// published is an installation whose page is the web server of the group's domain, in a network of its own, and a
// stranger's gpg.
type published struct {
	*site
	fingerprint string
	env         []string
}

// newPublished serves names on port 443 under an authority that every program trusts.
func newPublished(t *testing.T, n *bed.OwnNetwork, names ...string) *published {
	t.Helper()
	return newPublishedAt(t, n, listen{Web: ":443 implicit"}, support, names...)
}

// newPublishedAt publishes the certificate of an address where its web server listens.
func newPublishedAt(t *testing.T, n *bed.OwnNetwork, at listen, address string, names ...string) *published {
	t.Helper()
	s := &site{t: t, tls: bed.NewAuthority(t, names...), gpg: bed.NewGPG(t), log: &syncBuffer{}}
	n.Names(t, names...)
	n.Trust(t, s.tls)
	s.config = s.newConfig()
	s.config.Listen = at
	s.start()
	group := gateway.NewGroup("Support")
	group.Addresses = []string{address}
	if _, err := s.parts.gateway.SaveGroup(t.Context(), cli, group); err != nil {
		t.Fatal(err)
	}
	own, err := s.parts.gateway.GenerateKey(t.Context(), cli, gateway.NewKey{Name: "Support", Address: address})
	if err != nil {
		t.Fatal(err)
	}
	return &published{site: s, fingerprint: own.Fingerprint, env: append(os.Environ(), "GNUPGHOME="+s.gpg.Home, "LC_ALL=C")}
}

// runs runs a stranger's program, which must succeed.
func (p *published) runs(program string, args ...string) string {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), program, args...)
	cmd.Env = p.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		p.t.Fatalf("%s %q: %v\n%s", program, args, err, out)
	}
	return string(out)
}

// wksClient is where GnuPG's client of web key directories is installed.
func wksClient(t *testing.T) string {
	t.Helper()
	if path, err := exec.LookPath("gpg-wks-client"); err == nil {
		return path
	}
	path := "/usr/lib/gnupg/gpg-wks-client"
	bed.Need(t, path)
	return path
}

// TestOthersFindOurCertificate: GnuPG and Sequoia, as they are installed, ask for a group's certificate by the name of its
// domain, and get it.
func TestOthersFindOurCertificate(t *testing.T) {
	for method, names := range map[string][]string{"advanced": {"openpgpkey.desk.test"}, "direct": {"desk.test"}} {
		t.Run(method, func(t *testing.T) {
			bed.Need(t, "gpg", "sq")
			client := wksClient(t)
			bed.InOwnNetwork(t, func(n *bed.OwnNetwork) {
				p := newPublished(t, n, names...)
				if said := p.runs(client, "--verbose", "--check", support); !strings.Contains(said, p.fingerprint) {
					t.Errorf("gpg-wks-client says\n%s", said)
				}
				p.runs("gpg", "--batch", "--auto-key-locate", "clear,wkd", "--locate-external-keys", support)
				if held := p.runs("gpg", "--batch", "--with-colons", "--list-keys", support); !strings.Contains(held, "fpr:::::::::"+p.fingerprint+":") {
					t.Errorf("gpg holds\n%s", held)
				}
				file := filepath.Join(t.TempDir(), "found.pgp")
				p.runs("sq", "wkd", "get", "--output", file, support)
				if said := p.runs("sq", "inspect", file); !strings.Contains(said, p.fingerprint) || strings.Contains(said, "Secret") {
					t.Errorf("sq found\n%s", said)
				}
			})
		})
	}
}

// TestOthersLearnOfARevocation: who asks again gets the new certificate, and with it the revocation of the one before.
func TestOthersLearnOfARevocation(t *testing.T) {
	bed.Need(t, "gpg")
	client := wksClient(t)
	bed.InOwnNetwork(t, func(n *bed.OwnNetwork) {
		p := newPublished(t, n, "openpgpkey.desk.test")
		locate := func() string {
			p.runs("gpg", "--batch", "--auto-key-locate", "clear,wkd", "--locate-external-keys", support)
			return p.runs("gpg", "--batch", "--with-colons", "--list-keys", support)
		}
		locate()
		g, ctx := p.parts.gateway, t.Context()
		if _, err := g.RevokeKey(ctx, cli, p.fingerprint, keyring.Compromised, "stolen"); err != nil {
			t.Fatal(err)
		}
		p.runs("gpg", "--batch", "--auto-key-locate", "clear,wkd", "--locate-external-keys", support)
		if _, err := g.GenerateKey(ctx, cli, gateway.NewKey{Kind: keyring.Version6, Address: support}); err != nil { // gpg cannot read it
			t.Fatal(err)
		}
		second, err := g.GenerateKey(ctx, cli, gateway.NewKey{Name: "Support", Address: support, Confirmed: true})
		if err != nil {
			t.Fatal(err)
		}
		held := locate()
		for _, want := range []string{"\npub:r:255:22:" + p.fingerprint[24:], "\npub:-:255:22:" + second.Fingerprint[24:]} {
			if !strings.Contains(held, want) {
				t.Errorf("gpg does not hold %q:\n%s", want, held)
			}
		}
		p.runs(client, "--check", support)
	})
}

// TestSealgateFindsOurCertificate: another Sealgate takes a revocation and its successor from our web key directory.
func TestSealgateFindsOurCertificate(t *testing.T) {
	bed.Need(t, "gpg")
	bed.InOwnNetwork(t, func(n *bed.OwnNetwork) {
		p := newPublished(t, n, "openpgpkey.desk.test")
		other := newKeyDesk(t, "sqlite:data/other.db")
		said := must(t, "", "-c", other.config, "discover", support)
		if !strings.Contains(said, "added  "+p.fingerprint+" (proposed)") {
			t.Errorf("the other one says\n%s", said)
		}
	})
}

// TestBehindNginx takes the configuration of nginx and the questions of a stranger from docs/publishing.md. What is not
// for strangers cannot be reached.
func TestBehindNginx(t *testing.T) {
	bed.Need(t, "nginx", "gpg", "curl")
	client := wksClient(t)
	text, err := os.ReadFile("../../docs/publishing.md")
	if err != nil {
		t.Fatal(err)
	}
	bed.InOwnNetwork(t, func(n *bed.OwnNetwork) {
		const host = "openpgpkey.desk.example"
		at := listen{Web: "127.0.0.1:8025 plain", Proxies: []string{"127.0.0.1"}}
		p := newPublishedAt(t, n, at, "support@desk.example", host)
		startNginx(t, p.tls, blockWith(t, string(text), "server {"))
		asked := strings.TrimSpace(blockWith(t, string(text), "gpg-wks-client"))
		for _, line := range strings.Split(asked, "\n") {
			words := strings.Fields(line)
			if words[0] == "gpg-wks-client" {
				words[0] = client
			}
			p.runs(words[0], words[1:]...)
		}
		if held := p.runs("gpg", "--batch", "--with-colons", "--list-keys"); !strings.Contains(held, p.fingerprint) {
			t.Errorf("gpg holds\n%s", held)
		}
		if page := p.runs("curl", "-fsS", "https://"+host+"/keys/support@desk.example"); !strings.Contains(page, p.fingerprint[36:]) {
			t.Errorf("the public page is\n%s", page)
		}
		for _, path := range []string{"/", "/login", "/keyring", "/api/v1/openapi.json", "/keysx"} {
			if status := p.runs("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "https://"+host+path); status != "404" {
				t.Errorf("%s can be reached by strangers: %s", path, status)
			}
		}
	})
}

// blockWith is the first fenced block of a document that holds some words.
func blockWith(t *testing.T, text, words string) string {
	t.Helper()
	for i, block := range strings.Split(text, "```") {
		if i%2 == 1 && strings.Contains(block, words) {
			return block
		}
	}
	t.Fatalf("there is no block with %q", words)
	return ""
}

// startNginx runs nginx with a documented server, and waits until it listens.
func startNginx(t *testing.T, a bed.Authority, server string) {
	t.Helper()
	dir := bed.Dir(t)
	server = strings.NewReplacer("/etc/nginx/openpgpkey.pem", a.CertFile, "/etc/nginx/openpgpkey.key", a.KeyFile).Replace(server)
	temporary := ""
	for _, what := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		temporary += what + "_temp_path " + filepath.Join(dir, what) + ";\n"
	}
	conf := filepath.Join(dir, "nginx.conf")
	content := "daemon off;\nmaster_process off;\npid " + filepath.Join(dir, "pid") + ";\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n" + temporary + server + "}\n"
	if err := os.WriteFile(conf, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	var words syncBuffer
	cmd := exec.CommandContext(t.Context(), "nginx", "-p", dir, "-e", "stderr", "-c", conf)
	cmd.Stdout, cmd.Stderr = &words, &words
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
	})
	s := &site{t: t, log: &words}
	s.wait("nginx to listen", func() bool {
		conn, err := net.Dial("tcp", "127.0.0.1:443")
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// TestUploadCommand uploads a certificate to a keyserver that stands at its name, and says what to do with its mail.
func TestUploadCommand(t *testing.T) {
	bed.InOwnNetwork(t, func(n *bed.OwnNetwork) {
		vks := bed.NewVKS()
		serveTLS(t, bed.NewAuthority(t, "keys.openpgp.org", "keys.test"), n, vks, "keys.openpgp.org", "keys.test")
		k := newKeyDesk(t, "sqlite:data/sealgate.db")
		must(t, "", "-c", k.config, "group", "save", "Support", "--address", support)
		fp := strings.TrimSpace(k.do("", "generate", support))
		k.says("It arrives as a ticket: open the link in it", "upload", support)
		if mails := vks.Mails(); len(mails) != 1 || mails[0] != support {
			t.Errorf("the keyserver wrote to %v", mails)
		}
		vks.Confirm(support)
		k.says("is on keys.test", "upload", fp, "--keyserver", "https://keys.test")
		k.says(support+"  published", "upload", fp)
		k.fails("", []string{"upload", k.imported("customer@example.org")}, "for its owner to decide")
		k.fails("", []string{"upload", fp, "--keyserver", "https://elsewhere.test"}, "could not be uploaded", "name another keyserver")
	})
}

// TestDocumentedUpload runs the commands of docs/publishing.md, that which uploads among them.
func TestDocumentedUpload(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	bed.InOwnNetwork(t, func(n *bed.OwnNetwork) {
		vks := bed.NewVKS()
		serveTLS(t, bed.NewAuthority(t, "keys.openpgp.org"), n, vks, "keys.openpgp.org")
		text, err := os.ReadFile(filepath.Join(root, "docs", "publishing.md"))
		if err != nil {
			t.Fatal(err)
		}
		t.Chdir(documentedFolder(t, root))
		for _, line := range commandLines(string(text)) {
			must(t, "", strings.Fields(line)[1:]...)
		}
		if mails := vks.Mails(); len(mails) != 1 {
			t.Errorf("the keyserver wrote to %v", mails)
		}
	})
}

// serveTLS serves names on port 443.
func serveTLS(t *testing.T, a bed.Authority, n *bed.OwnNetwork, h http.Handler, names ...string) {
	t.Helper()
	n.Names(t, names...)
	n.Trust(t, a)
	pair, err := tls.X509KeyPair(a.CertPEM, a.KeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", ":443")
	if err != nil {
		t.Fatal(err)
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: h}, TLS: &tls.Config{Certificates: []tls.Certificate{pair}}}
	s.StartTLS()
	t.Cleanup(s.Close)
}
