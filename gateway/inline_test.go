package gateway_test

import (
	"crypto/rand"
	"encoding/base64"
	"strings"
	"testing"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/groups"
)

// pastes writes a mail as a customer who pastes what his OpenPGP program made for Support into the text of a mail,
// between some words of his own.
func (h *house) pastes(messageID, before, after string) []byte {
	h.t.Helper()
	o, err := pgpmime.Protect([]byte("From: carl@customer.test\r\nTo: "+support+"\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nHelp, "+canary+".\r\n"),
		pgpmime.ProtectRequest{Protection: pgpmime.Encrypted, To: []*openpgp.Entity{h.own.Entity}, Inline: true, Now: noon, Random: rand.Reader})
	if err != nil {
		h.t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(o.Bytes()), "\r\n\r\n")
	return []byte("From: carl@customer.test\r\nTo: " + support + "\r\nSubject: x\r\nMessage-ID: <" + messageID + ">\r\n" +
		"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n" + before + block + after)
}

func TestInlinePGPIsOpenedAsTheGroupWants(t *testing.T) {
	for _, c := range []struct {
		mode   groups.InlineIn
		among  bool
		opened bool
		want   pgpmime.Encryption
	}{
		{groups.InlineWhole, false, true, pgpmime.Decrypted},
		{groups.InlineAny, false, true, pgpmime.Decrypted},
		{groups.InlineOff, false, false, pgpmime.EncryptionPartial},
		{groups.InlineWhole, true, false, pgpmime.EncryptionPartial},
		{groups.InlineAny, true, true, pgpmime.EncryptionPartial},
		{groups.InlineOff, true, false, pgpmime.EncryptionPartial},
	} {
		name := string(c.mode) + ", the whole text"
		before, after := "", ""
		if c.among {
			name = string(c.mode) + ", among other text"
			before, after = "Dear all,\r\n\r\n", "\r\nRegards\r\n"
		}
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, func(g *groups.Group) { g.InlineIn = c.mode })
			h.receives(arrival(h.box, 7, h.pastes("1@customer.test", before, after)))
			article := h.articles()[0]
			shown := h.raw(article.ID)
			opened := strings.Contains(shown, canary) || strings.Contains(shown, base64.StdEncoding.EncodeToString([]byte("Help, "+canary)))
			if opened != c.opened || article.Encryption != string(c.want) {
				t.Errorf("it is opened: %t, want %t; the verdict is %s, want %s", opened, c.opened, article.Encryption, c.want)
			}
		})
	}
}

// What a group wants opened may change, and an article is then opened again as it wants now; without the group, as a
// new one would.
func TestReopeningFollowsTheGroup(t *testing.T) {
	h := newHouse(t, func(g *groups.Group) { g.InlineIn = groups.InlineOff })
	h.receives(arrival(h.box, 7, h.pastes("1@customer.test", "", "")))
	id := h.articles()[0].ID
	if appeared, err := h.Reopen(t.Context(), h.admin, id); err != nil || appeared {
		t.Fatalf("Reopen: %t, %v", appeared, err)
	}
	h.group.InlineIn = groups.InlineWhole
	if _, err := h.SaveGroup(t.Context(), h.admin, h.group); err != nil {
		t.Fatal(err)
	}
	if appeared, err := h.Reopen(t.Context(), h.admin, id); err != nil || !appeared {
		t.Fatalf("Reopen: %t, %v", appeared, err)
	}
	if all := h.articles(); len(all) != 2 || all[1].Encryption != string(pgpmime.Decrypted) {
		t.Errorf("the archive holds %+v", all)
	}
}

// The limits of the configuration bound what is opened; what is over one arrives with its name.
func TestLimitsBoundWhatIsOpened(t *testing.T) {
	h := newHouse(t)
	h.Limits.Decompressed = 10
	h.receives(arrival(h.box, 7, fromCustomer(t, "1@customer.test", h.own.Entity)))
	article := h.articles()[0]
	if article.Encryption != string(pgpmime.EncryptionRefused) || !strings.Contains(article.Verdict, `"limit":"decompressed"`) {
		t.Errorf("over the limit the verdict is %s", article.Verdict)
	}
	h.Limits = pgpmime.Limits{}
	h.receives(arrival(h.box, 8, fromCustomer(t, "2@customer.test", h.own.Entity)))
	if all := h.articles(); len(all) != 2 || all[1].Encryption != string(pgpmime.Decrypted) {
		t.Errorf("below the defaults: %+v", all)
	}
}
