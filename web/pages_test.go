package web

import (
	"bytes"
	"errors"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/activity"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
)

// upload sends the import form with a file, as a browser does.
func (v *visitor) upload(name string, content []byte, fields map[string]string) answered {
	v.b.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	fields["form_token"] = tokenFor(v.b.t, v.get("/keyring/import").body, "/keyring/import")
	for k, value := range fields {
		if err := w.WriteField(k, value); err != nil {
			v.b.t.Fatal(err)
		}
	}
	part, err := w.CreateFormFile("file", name)
	if err != nil {
		v.b.t.Fatal(err)
	}
	part.Write(content)
	w.Close()
	r, err := http.NewRequest(http.MethodPost, v.b.server.URL+"/keyring/import", &body)
	if err != nil {
		v.b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", w.FormDataContentType())
	return v.do(r)
}

func TestImportReportsEveryBlock(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	b := newBench(t)
	b.person("root", groups.Admin)
	v := b.as("root")
	v.get("/keyring").says(t, http.StatusOK, "The keyring is empty")
	one, two := armoredKey(t, "Ada", "ada@example.test", 0, b.clock.Now()), armoredKey(t, "Bob", "bob@example.test", 0, b.clock.Now())

	v.submit("/keyring/import", "/keyring/import", url.Values{"text": {one + "\n" + two}}).
		says(t, http.StatusOK, "Import report", "Ada", "Bob", "Added")
	v.upload("ada.asc", []byte(one), map[string]string{"text": ""}).says(t, http.StatusOK, "Ada", "Unchanged")
	v.submit("/keyring/import", "/keyring/import", url.Values{"text": {"ssh-ed25519 AAAA"}}).
		says(t, http.StatusUnprocessableEntity, "not an OpenPGP one", "ssh-ed25519 AAAA")
	v.upload("ada.asc", []byte(one), map[string]string{"text": strings.Repeat("x", importLimit+1)}).says(t, http.StatusRequestEntityTooLarge, "a paste may have 1 MiB")
	v.get("/keyring?q=ada@").says(t, http.StatusOK, "Ada", "1 to 1 of 1", "Never expires")
	v.get("/keyring?q=nobody").says(t, http.StatusOK, "Nothing matches")
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) != 0 {
		t.Errorf("an upload left temporary files: %v %v", left, err)
	}
}

func TestCertificatePage(t *testing.T) {
	b := newBench(t)
	b.person("root", groups.Admin)
	b.person("ada", groups.Agent)
	report := b.imports(armoredKey(t, "Soon gone", customer, 20*24*time.Hour, b.clock.Now()))
	path := "/keyring/" + report.Changes[0].Fingerprint
	v := b.as("root")
	v.get(path).says(t, http.StatusOK, "Soon gone", inFours(report.Changes[0].Fingerprint), "Approved", "in 19 days", "encrypt")
	v.get("/").says(t, http.StatusOK, "expires on", "in 19 days. Ask its owner")
	if page := b.as("ada").get(path); strings.Contains(page.body, "Block") || strings.Contains(page.body, "Delete") {
		t.Error("an agent is shown the buttons of admins")
	}

	v.submit(path, path+"/state", url.Values{"state": {"blocked"}}).says(t, http.StatusOK, "The certificate is blocked", "No. It was blocked here")
	v.submit(path, path+"/state", url.Values{"state": {"proposed"}})
	v.get("/keyring").says(t, http.StatusOK, "1 certificate waits")
	v.get("/keyring?waiting=1").says(t, http.StatusOK, "Soon gone", "1 to 1 of 1")
	v.submit(path, path+"/state", url.Values{"state": {"nonsense"}}).says(t, http.StatusUnprocessableEntity, "can be approved, blocked or proposed")
	a := v.get(path + "/public.asc")
	a.says(t, http.StatusOK, "BEGIN PGP PUBLIC KEY BLOCK")
	if want := report.Changes[0].Fingerprint + ".pub.asc"; !strings.HasPrefix(a.header.Get("Content-Disposition"), "attachment") || !strings.Contains(a.header.Get("Content-Disposition"), want) {
		t.Errorf("Content-Disposition %q", a.header.Get("Content-Disposition"))
	}
	v.get(path+"/delete").says(t, http.StatusOK, "Delete this certificate?", "block it instead")
	v.submit(path+"/delete", path+"/delete", url.Values{}).says(t, http.StatusOK, "The certificate is deleted")
	v.get(path).says(t, http.StatusNotFound)
}

// TestStrangersUserIDIsHarmless: a certificate's owner chooses its user ID.
func TestStrangersUserIDIsHarmless(t *testing.T) {
	b := newBench(t)
	b.person("root", groups.Admin)
	b.desk(nil)
	evil := "<script>alert(1)</script> <evil@example.test>"
	v := b.as("root")
	v.submit("/keyring/import", "/keyring/import", url.Values{"text": {certificateNamed(t, evil, b.clock.Now())}}).
		says(t, http.StatusOK, "&lt;script&gt;alert(1)&lt;/script&gt;", "Added")
	found, _, err := b.gateway.Certificates(t.Context(), admin(), keyring.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range found {
		for _, path := range []string{"/keyring", "/keyring/" + c.Fingerprint, "/keyring/" + c.Fingerprint + "/delete", "/keyring?q=<script>alert(1)", "/", "/keyring/forecast", "/keyring/waiting", "/discovery"} {
			if page := v.get(path); page.status != http.StatusOK || strings.Contains(page.body, "<script>alert") {
				t.Errorf("%s: %d\n%s", path, page.status, page.body)
			}
		}
	}
}

// certificateNamed makes a certificate with any user ID; the library's own generator refuses most.
func certificateNamed(t *testing.T, userID string, now time.Time) string {
	t.Helper()
	config := &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Time: func() time.Time { return now.Add(-time.Hour) }}
	e, err := openpgp.NewEntity("x", "", "x@example.test", config)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w, err := armor.Encode(&out, openpgp.PublicKeyType, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range e.Identities {
		self := id.SelfCertifications[0].Packet
		err = errors.Join(err, self.SignUserId(userID, e.PrimaryKey, e.PrivateKey, config),
			e.PrimaryKey.Serialize(w), (&packet.UserId{Id: userID}).Serialize(w), self.Serialize(w))
	}
	for _, s := range e.Subkeys {
		err = errors.Join(err, s.PublicKey.Serialize(w), s.Bindings[0].Packet.Serialize(w))
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestSecretKeyNeedsOwnPasswordAgain(t *testing.T) {
	b := newBench(t)
	b.person("root", groups.Admin)
	b.desk(nil)
	found, err := b.gateway.Keyring.ByAddress(t.Context(), []string{support}, b.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	path := "/keyring/" + found[support][0].Fingerprint
	v := b.as("root")
	v.get(path+"/delete").says(t, http.StatusOK, "Group Support writes as "+support, "can then no longer be opened")
	form := url.Values{"password": {"wrong"}, "passphrase": {"a long passphrase"}, "repeated": {"a long passphrase"}}
	v.submit(path+"/secret", path+"/secret", form).says(t, http.StatusUnprocessableEntity, "Your own password is wrong")
	form.Set("password", password)
	form.Set("repeated", "another")
	v.submit(path+"/secret", path+"/secret", form).says(t, http.StatusUnprocessableEntity, "The two passphrases differ")
	form.Set("passphrase", "short")
	form.Set("repeated", "short")
	v.submit(path+"/secret", path+"/secret", form).says(t, http.StatusUnprocessableEntity, "at least 12 characters")
	form.Set("passphrase", "a long passphrase")
	form.Set("repeated", "a long passphrase")
	a := v.submit(path+"/secret", path+"/secret", form)
	a.says(t, http.StatusOK, "BEGIN PGP PRIVATE KEY BLOCK")

	items, err := keyring.Parse([]byte(a.body), b.clock.Now())
	if err != nil || len(items) != 1 {
		t.Fatalf("the file is no key: %v", err)
	}
	if err := items[0].Unlock(nil); err == nil {
		t.Error("the exported secret key is not protected")
	}
	if err := items[0].Unlock([]byte("a long passphrase")); err != nil {
		t.Errorf("the passphrase does not unlock the file: %v", err)
	}
	entries, err := b.gateway.ListActivity(t.Context(), admin(), activity.Filter{Act: "key.secret-exported"})
	if err != nil || len(entries) != 1 {
		t.Errorf("%d exports in the log, %v; want 1", len(entries), err)
	}
}

func TestGroupForm(t *testing.T) {
	b := newBench(t)
	b.person("root", groups.Admin)
	v := b.as("root")
	form := url.Values{
		"name": {"Sales"}, "addresses": {"sales@desk.test\r\nnot-an-address"}, "encrypt": {"on"}, "sign": {"required"},
		"auto_encrypt": {"auto"}, "auto_sign": {"off"}, "mixed": {"split"}, "subject_tags": {"1"},
		"rule_domain": {"Partner.Test", ""}, "rule_encrypt": {"required", "off"}, "rule_sign": {"on", "off"}, "rule_inline": {"inline", ""},
		"hide_subject": {"keep_ticket"}, "attach_key": {"1"}, "inline_in": {"any"},
	}
	v.submit("/groups/new", "/groups/new", form).says(t, http.StatusUnprocessableEntity, "not-an-address", `value="Sales"`, "Partner.Test",
		`value="keep_ticket" checked`, `name="attach_key" value="1" checked`, `value="any" checked`, `value="inline" selected`)
	form.Set("addresses", "sales@desk.test")
	v.submit("/groups/new", "/groups/new", form).says(t, http.StatusOK, "The group is saved", "Point your ticket system here", "seal.test")
	g, err := b.gateway.Groups.GroupByName(t.Context(), "Sales")
	if err != nil {
		t.Fatal(err)
	}
	if g.Encrypt != groups.On || g.Sign != groups.Required || g.AutoSign != groups.Off || g.Mixed != groups.MixedSplit || !g.SubjectTags ||
		len(g.DomainRules) != 1 || g.DomainRules[0] != (groups.DomainRule{Domain: "partner.test", Sign: groups.On, Encrypt: groups.Required, Inline: true}) ||
		!g.HideSubject || !g.KeepTicket || !g.AttachKey || g.Autocrypt || g.InlineIn != groups.InlineAny {
		t.Errorf("saved %+v", g)
	}
	v.get("/").says(t, http.StatusOK, "No usable key for sales@desk.test", "Group Sales has no mailbox")
	v.get("/keyring/generate?address=sales@desk.test").says(t, http.StatusOK, `value="Sales"`)
	v.submit("/keyring/generate", "/keyring/generate", url.Values{"name": {"Sales"}, "address": {"sales@desk.test"}}).
		says(t, http.StatusOK, "The key is ready", "Secret key held")
	v.submit("/groups/"+g.ID+"/delete", "/groups/"+g.ID+"/delete", url.Values{}).says(t, http.StatusOK, "The group is deleted")
}

func TestMailboxForm(t *testing.T) {
	b := newBench(t)
	b.person("root", groups.Admin)
	g := b.desk(nil)
	v := b.as("root")
	all, err := b.gateway.Groups.Mailboxes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	path := mailboxPath(all[0])
	form := url.Values{
		"login": {"support"}, "imap_address": {"127.0.0.1:1"}, "imap_tls": {"none"}, "imap_username": {"support"}, "imap_password": {"changed"},
		"smtp_address": {"127.0.0.1:1"}, "smtp_tls": {"none"}, "smtp_username": {"support"},
	}
	v.submit(path, path, form).says(t, http.StatusOK, "The mailbox is saved")
	c, err := b.gateway.Groups.Credentials(t.Context(), all[0].ID)
	if err != nil || c != (groups.Credentials{IMAPPassword: "changed", SMTPPassword: "upstream-smtp"}) {
		t.Errorf("stored passwords %+v, %v", c, err)
	}

	form.Set("smtp_address", "127.0.0.1:2")
	form.Set("imap_password", "")
	v.submit(path, path, form).says(t, http.StatusUnprocessableEntity, "type its password again", "127.0.0.1:2")
	v.submit(path, path+"/check", url.Values{}).says(t, http.StatusOK, "IMAP 127.0.0.1:1", "SMTP 127.0.0.1:1")
	if page := v.get(path).body; strings.Contains(page, "changed") || strings.Contains(page, "upstream-smtp") {
		t.Error("the page holds a stored password")
	}
	fresh := "/groups/" + g.ID + "/mailboxes/new"
	v.submit(fresh, fresh, url.Values{"login": {"new"}, "password": {password}, "imap_address": {"mail.test:993"}, "imap_tls": {"none"}}).
		says(t, http.StatusUnprocessableEntity, "Without TLS passwords and mail would cross")
}

func TestPeople(t *testing.T) {
	b := newBench(t)
	b.person("root", groups.Admin)
	g := b.desk(nil)
	v := b.as("root")
	form := url.Values{"name": {"Ada"}, "role": {"agent"}, "groups": {g.ID}, "password": {"short"}}
	v.submit("/users/new", "/users/new", form).says(t, http.StatusUnprocessableEntity, `value="Ada"`)
	form.Set("password", password)
	v.submit("/users/new", "/users/new", form).says(t, http.StatusOK, "ada is saved", "Support")
	ada, err := b.gateway.Groups.UserByName(t.Context(), "ada")
	if err != nil {
		t.Fatal(err)
	}
	visitor := b.as("ada")
	form.Set("disabled", "1")
	form.Set("password", "")
	v.submit("/users/"+ada.ID, "/users/"+ada.ID, form).says(t, http.StatusOK, "Disabled")
	if a := visitor.get("/"); a.path != "/login" {
		t.Errorf("a disabled person still sees %s", a.path)
	}
	v.submit("/users/"+ada.ID, "/users/"+ada.ID+"/token", url.Values{"label": {"script"}}).says(t, http.StatusOK, "sg_", "shown this once")

	root, err := b.gateway.Groups.UserByName(t.Context(), "root")
	if err != nil {
		t.Fatal(err)
	}
	v.submit("/users/"+root.ID, "/users/"+root.ID, url.Values{"name": {"root"}, "role": {"agent"}}).says(t, http.StatusUnprocessableEntity, "last enabled admin")
	v.submit("/users/"+ada.ID+"/delete", "/users/"+ada.ID+"/delete", url.Values{}).says(t, http.StatusOK, "The person is deleted")
}

func TestActivityExport(t *testing.T) {
	b := newBench(t)
	b.person("root", groups.Admin)
	b.desk(nil)
	v := b.as("root")
	v.get("/activity").says(t, http.StatusOK, "user.login", "group.saved", "user:root")
	page := v.get("/activity?act=group.")
	page.says(t, http.StatusOK, "group.saved")
	if strings.Contains(page.body, "<code>user.login</code>") {
		t.Error("the filter does not filter")
	}
	a := v.get("/activity.jsonl?act=user.")
	lines := strings.Split(strings.TrimSpace(a.body), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], `"act":"user.login"`) || !strings.Contains(lines[1], `"act":"user.saved"`) {
		t.Errorf("exported %q", lines)
	}
}
