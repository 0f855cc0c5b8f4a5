package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
	"github.com/sealgate/sealgate/migrations/dbtest"
	"gorm.io/gorm"
)

const aDay = 24 * time.Hour

// ends makes and imports a customer's certificate that ends so many days after noon.
func (h *house) ends(address string, days int) string {
	h.t.Helper()
	key := newKey(h.t, address, noon.Sub(newYear)+time.Duration(days)*aDay)
	h.imports(public(h.t, key), "")
	return fingerprint(key)
}

// writes sends one message to each address.
func (h *house) writes(addresses ...string) {
	h.t.Helper()
	for _, address := range addresses {
		if _, err := h.submit(letter{to: []string{address}}); err != nil {
			h.t.Fatal(err)
		}
	}
}

func (h *house) forecasts(a gateway.Actor) gateway.Forecast {
	h.t.Helper()
	f, err := h.Forecast(h.ctx(), a)
	if err != nil {
		h.t.Fatal(err)
	}
	return f
}

func owners(addresses ...string) func(*groups.Group) {
	return func(g *groups.Group) { g.Owners = addresses }
}

func TestForecast(t *testing.T) {
	h := newHouse(t, owners("olga@owners.test"))
	ann, carl := h.ends("ann@customer.test", 20), h.ends("carl@customer.test", -10)
	h.ends("erin@customer.test", 100)
	stranger := h.ends("far@customer.test", 3) // nobody writes there
	h.customer("dora@customer.test")
	h.writes("ann@customer.test", "bob@customer.test", "bob@customer.test", "carl@customer.test", "dora@customer.test", "erin@customer.test", "olga@owners.test")
	old := newKey(t, "old-desk@desk.test", 0)
	h.imports(public(t, old), "")
	h.receives(arrival(h.box, 1, fromCustomer(t, "1@customer.test", old)))

	f := h.forecasts(h.agent)
	var ending []string
	for _, e := range f.Ending {
		ending = append(ending, fmt.Sprintf("%s %d %d", e.Fingerprint, e.Days, len(e.Groups)))
	}
	want := fmt.Sprintf("[%s -10 1 %s 3 0 %s 20 1]", carl, stranger, ann)
	if fmt.Sprint(ending) != want {
		t.Errorf("ending: got %s, want %s", fmt.Sprint(ending), want)
	}
	var missing []string
	for _, m := range f.Missing {
		missing = append(missing, fmt.Sprintf("%s %d %s", m.Address, m.Times, m.Problem))
	}
	if want := "[carl@customer.test 1 expired on 2026-02-22 bob@customer.test 2 no certificate]"; fmt.Sprint(missing) != want {
		t.Errorf("missing: got %s, want %s", fmt.Sprint(missing), want)
	}
	if len(f.Waiting) != 1 || f.Waiting[0].KeyID != encryptionKeyID(old) || f.Waiting[0].Closed != 1 || f.Waiting[0].Group.Name != "Support" {
		t.Errorf("waiting: %+v", f.Waiting)
	}
	if other := h.forecasts(h.stranger); len(other.Missing) != 0 || len(other.Waiting) != 0 || len(other.Ending) != 3 || len(other.Ending[0].Groups) != 0 {
		t.Errorf("an agent of another group sees %+v", other)
	}
	if _, err := h.Forecast(t.Context(), gateway.Actor{}); !errors.Is(err, gateway.ErrForbidden) {
		t.Errorf("nobody: %v", err)
	}
}

// A group whose only key was revoked can neither sign nor be written to: that is said, once by mail too.
func TestARevokedOwnKeyIsForetold(t *testing.T) {
	h := newHouse(t, owners("olga@owners.test"))
	if f := h.forecasts(h.admin); len(f.Keyless) != 0 {
		t.Errorf("with its key: %+v", f.Keyless)
	}
	if _, err := h.RevokeKey(t.Context(), h.admin, h.own.Fingerprint, keyring.Compromised, ""); err != nil {
		t.Fatal(err)
	}
	h.passes(time.Minute)
	f := h.forecasts(h.agent)
	if len(f.Keyless) != 1 || !f.Keyless[0].Held || !strings.Contains(f.Keyless[0].Sentence(), "neither sign as support@desk.test") || !strings.Contains(f.Keyless[0].Problem, "revoked") {
		t.Errorf("revoked: %+v", f.Keyless)
	}
	for _, want := range []int{1, 0} {
		if r, err := h.WarnOwners(t.Context(), h.admin); err != nil || r != (gateway.WarningReport{Sent: want}) {
			t.Errorf("%+v, %v; want %d", r, err, want)
		}
	}
}

// A certificate that has a successor concerns nobody any more.
func TestASuccessorEndsTheConcern(t *testing.T) {
	h := newHouse(t, owners("olga@owners.test"))
	h.passes(3*365*aDay - 10*aDay)
	f := h.forecasts(h.admin)
	if len(f.Ending) != 1 || !f.Ending[0].Own || f.Ending[0].Successor != "" || !strings.HasPrefix(f.Ending[0].Sentence(), "Your own key of support@desk.test expires on ") {
		t.Fatalf("%+v", f.Ending)
	}
	next, err := h.GenerateKey(t.Context(), h.admin, gateway.NewKey{Name: "Support", Address: support, Confirmed: true})
	if err != nil {
		t.Fatal(err)
	}
	if f := h.forecasts(h.admin); len(f.Ending) != 1 || f.Ending[0].Successor != next.Fingerprint {
		t.Errorf("%+v", f.Ending)
	}
	if r, err := h.WarnOwners(t.Context(), h.admin); err != nil || r != (gateway.WarningReport{}) {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestOwnersAreWarnedOnceAtEachThreshold(t *testing.T) {
	h := newHouse(t, owners("olga@owners.test", "paul@owners.test"))
	h.customer("olga@owners.test")
	before := 0
	for _, step := range []struct {
		left   int // days until the end of the own key
		letter bool
	}{{61, false}, {60, true}, {45, false}, {30, true}, {8, false}, {7, true}, {3, false}, {-1, true}, {-2, false}} {
		end := h.own.Expires
		h.Now = func() time.Time { return end.Add(-time.Duration(step.left) * aDay) }
		for _, again := range []bool{false, true} {
			want := gateway.WarningReport{}
			if step.letter && !again {
				want.Sent, before = 2, before+2
			}
			r, err := h.WarnOwners(t.Context(), h.admin)
			if err != nil || r != want {
				t.Errorf("%d days before: %+v, %v; want %+v", step.left, r, err, want)
			}
		}
		if copies := h.copies(); len(copies) != before {
			t.Errorf("%d days before: %d letters in the queue, want %d", step.left, len(copies), before)
		}
	}
	for _, c := range h.copies() {
		encrypted := c.Recipients[0].Address == "olga@owners.test"
		if got := strings.Contains(c.payload, "multipart/encrypted"); got != encrypted || strings.Contains(c.payload, h.own.Fingerprint) == encrypted {
			t.Errorf("to %s: encrypted is %v\n%s", c.Recipients[0].Address, got, c.payload)
		}
		if c.ReversePath != "" || !strings.Contains(c.payload, "Auto-Submitted: auto-generated") {
			t.Errorf("reverse-path %q\n%s", c.ReversePath, c.payload)
		}
	}
}

// What policy does not let leave is not counted as told: it is tried again, and leaves when it can.
func TestARefusedWarningIsTriedAgain(t *testing.T) {
	h := newHouse(t, owners("olga@owners.test"), func(g *groups.Group) { g.AutoEncrypt = groups.Required })
	h.ends("ann@customer.test", 5)
	h.customer("filler@customer.test")
	h.writes("ann@customer.test")
	queued := len(h.copies())
	for range 2 {
		if r, err := h.WarnOwners(t.Context(), h.admin); err != nil || r != (gateway.WarningReport{Failed: 1}) || len(h.copies()) != queued {
			t.Fatalf("without a certificate: %+v, %v", r, err)
		}
	}
	h.customer("olga@owners.test")
	if r, err := h.WarnOwners(t.Context(), h.admin); err != nil || r != (gateway.WarningReport{Sent: 1}) {
		t.Errorf("with one: %+v, %v", r, err)
	}
	if e := h.entries("message.submitted"); e[0].Actor != h.admin.Name || e[1].Outcome != "refused" {
		t.Errorf("the log holds %+v", e)
	}
}

// TestTwoServersWarnOnce: of two servers on one database, one sends.
func TestTwoServersWarnOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		h := emptyHouse(t, db)
		h.group = h.newGroup("Support", support, owners("olga@owners.test"))
		h.box = h.newMailbox(h.group, "support")
		var err error
		if h.own, err = h.GenerateKey(t.Context(), h.admin, gateway.NewKey{Address: support, Until: noon.Add(20 * aDay)}); err != nil {
			t.Fatal(err)
		}
		const servers = 4
		reports := make(chan gateway.WarningReport, servers)
		for range servers {
			go func() {
				r, err := h.WarnOwners(t.Context(), h.admin)
				if err != nil {
					t.Error(err)
				}
				reports <- r
			}()
		}
		sent := 0
		for range servers {
			r := <-reports
			sent += r.Sent
			if r.Failed != 0 {
				t.Errorf("%+v", r)
			}
		}
		if sent != 1 || len(h.copies()) != 1 {
			t.Errorf("%d letters, %d in the queue; want 1", sent, len(h.copies()))
		}
	})
}

func TestOwnersHearOfMailThatCannotLeaveOrBeRead(t *testing.T) {
	h := newHouse(t, owners("olga@owners.test"), func(g *groups.Group) {
		g.DomainRules = []groups.DomainRule{{Domain: "court.test", Sign: groups.Off, Encrypt: groups.On}}
	})
	h.writes("bob@customer.test")
	if _, err := h.submit(letter{to: []string{"judge@court.test"}, fields: []string{"Sealgate-Policy: encrypt=off"}}); err != nil {
		t.Fatal(err)
	}
	old := newKey(t, "old-desk@desk.test", 0)
	h.imports(public(t, old), "")
	h.receives(arrival(h.box, 1, fromCustomer(t, "1@customer.test", old)))
	if r, err := h.WarnOwners(t.Context(), h.admin); err != nil || r != (gateway.WarningReport{Sent: 1}) {
		t.Fatalf("%+v, %v", r, err)
	}
	text := h.copyFor("olga@owners.test").payload
	for _, words := range []string{"judge@court.test", encryptionKeyID(old)} {
		if !strings.Contains(text, words) {
			t.Errorf("%s is missing in\n%s", words, text)
		}
	}
	if strings.Contains(text, "bob@customer.test") {
		t.Errorf("mail to bob leaves without encryption by policy, and concerns nobody\n%s", text)
	}
}

func TestRunWarningsEnds(t *testing.T) {
	h := newHouse(t, owners("olga@owners.test"))
	end := h.own.Expires
	h.Now = func() time.Time { return end.Add(-time.Hour) }
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- h.RunWarnings(ctx, time.Millisecond) }()
	for len(h.copies()) == 0 && ctx.Err() == nil {
		runtime.Gosched()
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if len(h.copies()) != 1 {
		t.Errorf("%d letters", len(h.copies()))
	}
}
