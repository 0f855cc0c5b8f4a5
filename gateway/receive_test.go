package gateway_test

import (
	"context"
	"testing"

	"github.com/sealgate/sealgate/gateway/archive"
	"github.com/sealgate/sealgate/gateway/mailbox"
	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/keyring"
)

// receives hands over an arrival that must be taken.
func (h *house) receives(a mailbox.Arrival) {
	h.t.Helper()
	if err := h.Receive(h.ctx(), a); err != nil {
		h.t.Fatalf("Receive: %v", err)
	}
}

// articles are all articles, oldest first.
func (h *house) articles() []archive.Article {
	h.t.Helper()
	list, err := h.ListArticles(h.ctx(), h.admin, archive.Filter{Limit: 200})
	if err != nil {
		h.t.Fatal(err)
	}
	var all []archive.Article
	for i := len(list) - 1; i >= 0; i-- {
		all = append(all, list[i])
	}
	return all
}

// mirrored counts the messages that the ticket system sees.
func (h *house) mirrored() int64 {
	h.t.Helper()
	var n int64
	if err := h.DB.Table("mirror_messages").Count(&n).Error; err != nil {
		h.t.Fatal(err)
	}
	return n
}

func (h *house) raw(id string) string {
	h.t.Helper()
	f, err := h.RawArticle(h.ctx(), h.admin, id, false)
	if err != nil {
		h.t.Fatal(err)
	}
	return string(f.Content)
}

func TestTheSameArrivalTwiceIsOneArticle(t *testing.T) {
	h := newHouse(t)
	a := arrival(h.box, 7, fromCustomer(t, "1@customer.test", h.own.Entity))
	h.receives(a)
	h.receives(a)
	if all := h.articles(); len(all) != 1 || all[0].Encryption != string(pgpmime.Decrypted) || h.mirrored() != 1 {
		t.Errorf("%d articles, %d in the mirror", len(all), h.mirrored())
	}
	if e := h.entries("message.received"); len(e) != 1 {
		t.Errorf("%d entries", len(e))
	}
}

// The same bytes under another origin are another message: nothing is de-duplicated by content.
func TestTheSameMessageTwiceIsTwoArticles(t *testing.T) {
	h := newHouse(t)
	message := fromCustomer(t, "1@customer.test")
	h.receives(arrival(h.box, 7, message))
	h.receives(arrival(h.box, 8, message))
	if len(h.articles()) != 2 || h.mirrored() != 2 {
		t.Errorf("%d articles, %d in the mirror", len(h.articles()), h.mirrored())
	}
}

func TestAMessageThatComesBackHasTheBytesOfItsFirstTime(t *testing.T) {
	h := newHouse(t)
	a := arrival(h.box, 7, fromCustomer(t, "1@customer.test", h.own.Entity))
	h.receives(a)
	id := h.articles()[0].ID
	before := h.raw(id)
	if err := h.DB.Exec("DELETE FROM mirror_messages").Error; err != nil {
		t.Fatal(err)
	}
	if err := h.DeleteCertificate(t.Context(), h.admin, h.own.Fingerprint); err != nil {
		t.Fatal(err)
	}
	h.receives(a)
	if all := h.articles(); len(all) != 1 || h.mirrored() != 1 || h.raw(id) != before {
		t.Errorf("%d articles, %d in the mirror", len(all), h.mirrored())
	}
	if e := h.entries("message.returned"); len(e) != 1 || e[0].ArticleID != id {
		t.Errorf("the log holds %+v", e)
	}
}

func TestWhatCannotBeOpenedArrivesWithItsVerdict(t *testing.T) {
	h := newHouse(t)
	h.receives(arrival(h.box, 7, fromCustomer(t, "1@customer.test", newKey(t, "lost@desk.test", 0))))
	all := h.articles()
	if len(all) != 1 || all[0].Encryption != string(pgpmime.NoKey) || h.mirrored() != 1 {
		t.Errorf("the archive holds %+v, the mirror %d", all, h.mirrored())
	}
}

// While the keys cannot be read nothing may be called no-key: the arrival waits upstream.
func TestWhileTheKeysCannotBeReadNothingIsStored(t *testing.T) {
	h := newHouse(t)
	a := arrival(h.box, 7, fromCustomer(t, "1@customer.test", h.own.Entity))
	working := h.Keyring
	h.Keyring = keyring.NewStore(h.DB, h.closedKeeper())
	if err := h.Receive(t.Context(), a); err == nil {
		t.Error("a message was taken that could not be opened yet")
	}
	if len(h.articles()) != 0 || h.mirrored() != 0 {
		t.Errorf("%d articles, %d in the mirror", len(h.articles()), h.mirrored())
	}
	h.Keyring = working
	h.receives(a)
	if all := h.articles(); len(all) != 1 || all[0].Encryption != string(pgpmime.Decrypted) {
		t.Errorf("afterwards the archive holds %+v", all)
	}
}

func TestWithoutADatabaseAnArrivalIsAnError(t *testing.T) {
	h := newHouse(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Receive(ended, arrival(h.box, 7, fromCustomer(t, "1@customer.test"))); err == nil {
		t.Error("an arrival that could not be stored was taken")
	}
	if len(h.articles()) != 0 || h.mirrored() != 0 {
		t.Error("it left something behind")
	}
}
