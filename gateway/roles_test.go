package gateway_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/archive"
	"github.com/sealgate/sealgate/gateway/queue"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

// TestRoles asks for every use case as every role; what is not forbidden may fail for another reason.
func TestRoles(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	roles := map[string]gateway.Actor{"agent": h.agent, "admin": h.admin, "auditor": h.auditor, "nobody": {}}
	cases := []struct {
		name string
		who  string // the roles that may
		do   func(a gateway.Actor) error
	}{
		{"read articles", "admin agent", func(a gateway.Actor) error { _, err := h.ListArticles(ctx, a, archive.Filter{}); return err }},
		{"read an article", "admin agent", func(a gateway.Actor) error { _, err := h.ReadArticle(ctx, a, "none"); return err }},
		{"download an article", "admin agent", func(a gateway.Actor) error { _, err := h.RawArticle(ctx, a, "none", true); return err }},
		{"open again", "admin agent", func(a gateway.Actor) error { _, err := h.Reopen(ctx, a, "none"); return err }},
		{"write", "admin agent", func(a gateway.Actor) error {
			_, err := h.Compose(ctx, a, gateway.Draft{GroupID: h.group.ID})
			return err
		}},
		{"see the queue", "admin agent", func(a gateway.Actor) error { _, err := h.ListQueue(ctx, a, queue.Filter{}); return err }},
		{"see a queued message", "admin agent", func(a gateway.Actor) error { _, err := h.QueuedCopy(ctx, a, "none"); return err }},
		{"see what cannot be reached", "admin", func(a gateway.Actor) error { _, err := h.RestingDestinations(ctx, a); return err }},
		{"see an access", "admin", func(a gateway.Actor) error { _, err := h.MailboxAccess(ctx, a, "none"); return err }},
		{"invite to an access", "admin", func(a gateway.Actor) error { _, err := h.InviteAccess(ctx, a, "none"); return err }},
		{"await an access", "admin", func(a gateway.Actor) error { return h.AwaitAccess(ctx, a, "none") }},
		{"replace an access", "admin", func(a gateway.Actor) error { return h.ReplaceAccess(ctx, a, "none", "x") }},
		{"reroute", "admin", func(a gateway.Actor) error { return h.RerouteQueued(ctx, a, "none", "none") }},
		{"hold", "admin", func(a gateway.Actor) error { return h.HoldQueued(ctx, a, "none") }},
		{"retry", "admin", func(a gateway.Actor) error { return h.RetryQueued(ctx, a, "none") }},
		{"delete from the queue", "admin", func(a gateway.Actor) error { return h.DeleteQueued(ctx, a, "none", "spam") }},
		{"verify the log", "admin auditor", func(a gateway.Actor) error { _, err := h.VerifyActivity(ctx, a); return err }},
		{"forecast", "admin agent auditor", func(a gateway.Actor) error { _, err := h.Forecast(ctx, a); return err }},
		{"explain", "admin agent", func(a gateway.Actor) error { _, err := h.Explain(ctx, a, gateway.ExplainRequest{}); return err }},
		{"ending certificates", "admin agent auditor", func(a gateway.Actor) error { _, err := h.EndingCertificates(ctx, a); return err }},
		{"warn owners", "admin", func(a gateway.Actor) error { _, err := h.WarnOwners(ctx, a); return err }},
		{"import", "admin", func(a gateway.Actor) error {
			_, err := h.ImportCertificates(ctx, a, gateway.ImportRequest{})
			return err
		}},
		{"approve", "admin", func(a gateway.Actor) error { return h.SetCertificateState(ctx, a, "none", keyring.Approved) }},
		{"delete a certificate", "admin", func(a gateway.Actor) error { return h.DeleteCertificate(ctx, a, "none") }},
		{"pin", "admin", func(a gateway.Actor) error { return h.PinCertificate(ctx, a, "ann@example.org", "none") }},
		{"unpin", "admin", func(a gateway.Actor) error { return h.UnpinCertificate(ctx, a, "ann@example.org") }},
		{"ignore tags", "admin", func(a gateway.Actor) error { return h.IgnoreTags(ctx, a, "no domain", true) }},
		{"import a dump", "admin", func(a gateway.Actor) error {
			return h.ImportDump(ctx, a, strings.NewReader(""), nil, func(gateway.ImportReport) error { return nil })
		}},
		{"generate a key", "admin", func(a gateway.Actor) error {
			_, err := h.GenerateKey(ctx, a, gateway.NewKey{Address: "none"})
			return err
		}},
		{"extend a key", "admin", func(a gateway.Actor) error { _, err := h.ExtendKey(ctx, a, "none", time.Time{}); return err }},
		{"add a subkey", "admin", func(a gateway.Actor) error {
			_, err := h.AddSubkey(ctx, a, "none", keyring.ToSign, 0)
			return err
		}},
		{"retire a subkey", "admin", func(a gateway.Actor) error { _, err := h.RetireSubkey(ctx, a, "none", "none"); return err }},
		{"revoke a key", "admin", func(a gateway.Actor) error {
			_, err := h.RevokeKey(ctx, a, "none", keyring.Retired, "")
			return err
		}},
		{"export a revocation", "admin", func(a gateway.Actor) error { _, err := h.RevocationCertificate(ctx, a, "none"); return err }},
		{"export a secret key", "admin", func(a gateway.Actor) error {
			_, err := h.ExportSecretKey(ctx, a, "none", []byte("long enough a passphrase"))
			return err
		}},
		{"upload a certificate", "admin", func(a gateway.Actor) error { _, err := h.UploadCertificate(ctx, a, "none", ""); return err }},
		{"look for a certificate", "admin", func(a gateway.Actor) error { _, err := h.DiscoverAddress(ctx, a, "none"); return err }},
		{"see the lookups", "admin", func(a gateway.Actor) error { _, err := h.DiscoveryStatus(ctx, a); return err }},
		{"see approvals", "admin", func(a gateway.Actor) error { _, err := h.Approvals(ctx, a, h.group.ID); return err }},
		{"see all approvals", "admin", func(a gateway.Actor) error { _, err := h.AllApprovals(ctx, a); return err }},
		{"set approvals", "admin", func(a gateway.Actor) error { return h.SetApprovals(ctx, a, "none", nil) }},
		{"save a group", "admin", func(a gateway.Actor) error { _, err := h.SaveGroup(ctx, a, groups.Group{}); return err }},
		{"delete a group", "admin", func(a gateway.Actor) error { return h.DeleteGroup(ctx, a, "none") }},
		{"list mailboxes", "admin", func(a gateway.Actor) error { _, err := h.ListMailboxes(ctx, a); return err }},
		{"save a mailbox", "admin", func(a gateway.Actor) error { _, err := h.SaveMailbox(ctx, a, gateway.MailboxRequest{}); return err }},
		{"check a mailbox", "admin", func(a gateway.Actor) error { _, err := h.CheckMailbox(ctx, a, "none"); return err }},
		{"delete a mailbox", "admin", func(a gateway.Actor) error { return h.DeleteMailbox(ctx, a, "none") }},
		{"list DKIM keys", "admin", func(a gateway.Actor) error { _, err := h.DKIMKeys(ctx, a); return err }},
		{"list sender domains", "admin", func(a gateway.Actor) error { _, err := h.SenderDomains(ctx, a); return err }},
		{"look after DKIM keys", "admin", func(a gateway.Actor) error { _, _, err := h.DKIMProblems(ctx, a); return err }},
		{"see a DKIM key", "admin", func(a gateway.Actor) error { _, err := h.DKIMKey(ctx, a, "none.test", "none"); return err }},
		{"make a DKIM key", "admin", func(a gateway.Actor) error { _, err := h.GenerateDKIMKeys(ctx, a, gateway.NewDKIMKey{}); return err }},
		{"import a DKIM key", "admin", func(a gateway.Actor) error {
			_, err := h.ImportDKIMKey(ctx, a, "none.test", "none", nil)
			return err
		}},
		{"check a DKIM key", "admin", func(a gateway.Actor) error { _, err := h.CheckDKIMKey(ctx, a, "none.test", "none"); return err }},
		{"activate a DKIM key", "admin", func(a gateway.Actor) error {
			_, err := h.ActivateDKIMKey(ctx, a, "none.test", "none", true)
			return err
		}},
		{"deactivate a DKIM key", "admin", func(a gateway.Actor) error {
			_, err := h.DeactivateDKIMKey(ctx, a, "none.test", "none")
			return err
		}},
		{"delete a DKIM key", "admin", func(a gateway.Actor) error { return h.DeleteDKIMKey(ctx, a, "none.test", "none") }},
		{"list users", "admin", func(a gateway.Actor) error { _, err := h.ListUsers(ctx, a); return err }},
		{"save a user", "admin", func(a gateway.Actor) error { _, err := h.SaveUser(ctx, a, groups.User{}, nil); return err }},
		{"delete a user", "admin", func(a gateway.Actor) error { return h.DeleteUser(ctx, a, "none") }},
		{"change another's password", "", func(a gateway.Actor) error { return h.ChangePassword(ctx, a, "bob", "old", "new") }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for role, actor := range roles {
				err := c.do(actor)
				if may := slices.Contains(strings.Fields(c.who), role); may == errors.Is(err, gateway.ErrForbidden) {
					t.Errorf("%s: %v", role, err)
				}
			}
		})
	}
}

func TestAnAgentSeesItsOwnGroupOnly(t *testing.T) {
	h := newHouse(t)
	h.receives(arrival(h.box, 1, fromCustomer(t, "1@customer.test")))
	id := h.articles()[0].ID
	for _, actor := range []gateway.Actor{h.stranger, {Role: groups.Agent}} {
		if list, err := h.ListArticles(t.Context(), actor, archive.Filter{}); err != nil || len(list) != 0 {
			t.Errorf("sees %d articles of another group (%v)", len(list), err)
		}
		if list, err := h.ListArticles(t.Context(), actor, archive.Filter{Groups: []string{h.group.ID}}); err != nil || len(list) != 0 {
			t.Errorf("asking for the group by name sees %d articles (%v)", len(list), err)
		}
		if _, err := h.ReadArticle(t.Context(), actor, id); !errors.Is(err, gateway.ErrNotFound) {
			t.Errorf("reads an article of another group: %v", err)
		}
		if list, err := h.ListGroups(t.Context(), actor); err != nil || len(list) != 0 {
			t.Errorf("sees %d groups (%v)", len(list), err)
		}
	}
	if _, err := h.ReadArticle(t.Context(), h.agent, id); err != nil {
		t.Error(err)
	}
	if e := h.entries("article.viewed"); len(e) != 1 || e[0].Actor != h.agent.Name {
		t.Errorf("the log of views holds %+v", e)
	}
}

func TestASecretKeyLeavesOnlyUnderAPassphrase(t *testing.T) {
	h := newHouse(t)
	var problem *gateway.Problem
	if _, err := h.ExportSecretKey(t.Context(), h.admin, h.own.Fingerprint, []byte("eleven-char")); !errors.As(err, &problem) {
		t.Errorf("a passphrase of 11 characters: %v, want a Problem", err)
	}
	if e := h.entries("key.secret-exported"); len(e) != 0 {
		t.Errorf("the log tells of an export that was not: %+v", e)
	}
	f, err := h.ExportSecretKey(t.Context(), h.admin, h.own.Fingerprint, []byte("twelve-chars"))
	if err != nil {
		t.Fatal(err)
	}
	items, err := keyring.Parse(f.Content, noon)
	if err != nil || len(items) != 1 || !items[0].Locked || items[0].Unlock([]byte("twelve-chars")) != nil {
		t.Errorf("what was exported: %+v (%v)", items, err)
	}
	if e := h.entries("key.secret-exported"); len(e) != 1 || e[0].Fingerprint != h.own.Fingerprint {
		t.Errorf("the log holds %+v", e)
	}
	carl := h.customer("carl@customer.test")
	if _, err := h.ExportSecretKey(t.Context(), h.admin, fingerprint(carl), []byte("twelve-chars")); !errors.As(err, &problem) {
		t.Errorf("of a customer's certificate: %v, want a Problem", err)
	}
}

func TestWhatSuffersFromADeletionIsSaidInWords(t *testing.T) {
	h := newHouse(t)
	words, err := h.Dependents(t.Context(), h.admin, h.own.Fingerprint)
	if all := strings.Join(words, "; "); err != nil || !strings.Contains(all, "group Support writes as "+support) || !strings.Contains(all, "secret key") {
		t.Errorf("%q (%v)", all, err)
	}
	carl := h.customer("carl@customer.test")
	if words, err := h.Dependents(t.Context(), h.admin, fingerprint(carl)); err != nil || len(words) != 0 {
		t.Errorf("a customer's certificate: %q (%v)", words, err)
	}
	if _, err := h.Dependents(t.Context(), h.admin, "none"); !errors.Is(err, gateway.ErrNotFound) {
		t.Errorf("no certificate: %v", err)
	}
}

func TestThereIsOneFirstAdministrator(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		h := emptyHouse(t, db)
		const contenders = 8
		errs := make([]error, contenders)
		var all sync.WaitGroup
		for i := range contenders {
			all.Go(func() {
				_, errs[i] = h.CreateFirstAdmin(context.WithoutCancel(t.Context()), "ada"+strings.Repeat("x", i), "correct horse battery")
			})
		}
		all.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else if !errors.Is(err, gateway.ErrForbidden) {
				t.Errorf("a loser is told %v", err)
			}
		}
		users, err := h.Groups.Users(t.Context())
		if err != nil || won != 1 || len(users) != 1 || users[0].Role != groups.Admin {
			t.Errorf("%d won, the users are %+v (%v)", won, users, err)
		}
		if e := h.entries("user.saved"); len(e) != 1 {
			t.Errorf("%d entries", len(e))
		}
	})
}
