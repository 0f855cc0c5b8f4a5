package mtasts_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/sealgate/sealgate/gateway/bed"
	"github.com/sealgate/sealgate/gateway/smarthost/mtasts"
	"github.com/sealgate/sealgate/gateway/smarthost/resolve/dnstest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const policyA = "version: STSv1\r\nmode: enforce\r\nmx: a.desk.test\r\nmax_age: 86400\r\n"

// web is a web server for mta-sts.desk.test with a DNS beside it, and a store that asks both.
type web struct {
	t     *testing.T
	dns   *dnstest.Server
	where netip.Addr
	store *mtasts.Store

	mu     sync.Mutex
	answer http.HandlerFunc
	asked  int
	now    time.Time
}

func newWeb(t *testing.T) *web {
	t.Helper()
	w := &web{t: t, dns: dnstest.Start(t), now: time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)}
	internet := bed.NewInternet(t)
	w.where = internet.Serve("mta-sts.desk.test", w.serve)
	w.store = &mtasts.Store{
		Resolver: w.dns.Client(), Cache: &mtasts.Memory{}, Roots: internet.Roots,
		Now: func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now },
		Dial: func(ctx context.Context, a netip.AddrPort) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", internet.Standing[a.Addr()].String())
		},
	}
	w.announce("1")
	w.text(policyA)
	return w
}

func (w *web) serve(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	if r.URL.Path != "/.well-known/mta-sts.txt" || r.Host != "mta-sts.desk.test" || r.Method != http.MethodGet {
		rw.WriteHeader(http.StatusTeapot)
		return
	}
	w.answer(rw, r)
}

// announce sets the id in the DNS; "" withdraws the record.
func (w *web) announce(id string) {
	records := []string{"mta-sts.desk.test. A " + w.where.String()}
	if id != "" {
		records = append(records, fmt.Sprintf(`_mta-sts.desk.test. TXT "v=STSv1; id=%s;"`, id))
	}
	w.dns.Set(w.t, records...)
}

func (w *web) handle(h http.HandlerFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = h
}

func (w *web) text(policy string) {
	w.handle(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
		io.WriteString(rw, policy) //nolint:errcheck // the client fails then
	})
}

func (w *web) later(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// policy says what holds now: the mode and the servers.
func (w *web) policy() string {
	w.t.Helper()
	p, err := w.store.Policy(w.t.Context(), "desk.test")
	if err != nil {
		w.t.Fatal(err)
	}
	return fmt.Sprintf("%s %s", p.Mode, p.Patterns())
}

// expect checks what holds and how often the web server has been asked so far.
func (w *web) expect(when, want string, asked int) {
	w.t.Helper()
	got := w.policy()
	w.mu.Lock()
	defer w.mu.Unlock()
	if got != want || w.asked != asked {
		w.t.Errorf("%s: got %q after %d fetches, want %q after %d", when, got, w.asked, want, asked)
	}
}

// TestALifeOfAPolicy: fetched once, kept while the id stays, fetched again when it changes, and kept through every
// attempt to suppress it until its own end.
func TestALifeOfAPolicy(t *testing.T) {
	w := newWeb(t)
	w.expect("at first", "enforce a.desk.test", 1)
	w.expect("again", "enforce a.desk.test", 1)
	w.text(strings.Replace(policyA, "a.desk", "b.desk", 1))
	w.expect("changed without a new id", "enforce a.desk.test", 1)
	w.announce("2")
	w.expect("with a new id", "enforce b.desk.test", 2)
	w.dns.Break("_mta-sts.desk.test", dns.RcodeServerFailure)
	w.expect("while the DNS is broken", "enforce b.desk.test", 2)
	w.dns.Break("_mta-sts.desk.test", 0)
	w.announce("")
	w.expect("with the record withdrawn", "enforce b.desk.test", 2)
	w.announce("3")
	w.handle(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusServiceUnavailable) })
	w.expect("with a web server that fails", "enforce b.desk.test", 3)
	w.expect("which is left alone for a while", "enforce b.desk.test", 3)
	w.later(6 * time.Minute)
	w.expect("and asked again later", "enforce b.desk.test", 4)
	w.later(24 * time.Hour)
	w.expect("after its end", " ", 5)
	w.text("version: STSv1\nmode: none\nmax_age: 60\n")
	w.later(6 * time.Minute)
	w.expect("given up", "none ", 6)
}

// TestWhatIsNoPolicy: an answer that the protocol does not allow is none.
func TestWhatIsNoPolicy(t *testing.T) {
	plain := func(h func(http.ResponseWriter)) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) { rw.Header().Set("Content-Type", "text/plain"); h(rw) }
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"a redirection": {plain(func(rw http.ResponseWriter) {
			rw.Header().Set("Location", "https://mta-sts.desk.test/other")
			rw.WriteHeader(http.StatusFound)
		}), "the web server answers 302 and not 200"},
		"another type": {func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "text/html")
			io.WriteString(rw, policyA) //nolint:errcheck // the client fails then
		}, "text/plain"},
		"too large":     {plain(func(rw http.ResponseWriter) { io.WriteString(rw, policyA+strings.Repeat("x: y\n", 20_000)) }), "more than 65536 bytes"}, //nolint:errcheck // the client leaves
		"huge headers":  {plain(func(rw http.ResponseWriter) { rw.Header().Set("X", strings.Repeat("y", 1<<20)) }), "exceeded"},
		"nothing in it": {plain(func(http.ResponseWriter) {}), "lacks version, mode or max_age"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWeb(t)
			w.handle(c.answer)
			if got := w.policy(); got != " " {
				t.Errorf("it counts as %q", got)
			}
			if _, err := w.store.Check(t.Context(), "desk.test"); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("check: %v, want %q", err, c.want)
			}
		})
	}
	w := newWeb(t)
	w.store.Roots = nil
	if got := w.policy(); got != " " {
		t.Errorf("from a web server that nobody knows: %q", got)
	}
	w.store.Dial = nil
	w.dns.Set(t, "mta-sts.desk.test. A 127.0.0.1", `_mta-sts.desk.test. TXT "v=STSv1; id=9;"`)
	if _, err := w.store.Check(t.Context(), "desk.test"); err == nil || !strings.Contains(err.Error(), "not public") {
		t.Errorf("from ourselves: %v", err)
	}
}

// TestManyAskOnce: many deliveries to one domain fetch its policy once.
func TestManyAskOnce(t *testing.T) {
	w := newWeb(t)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if p, err := w.store.Policy(t.Context(), "desk.test"); err != nil || p.Mode != mtasts.Enforce {
				t.Errorf("got %+v, %v", p, err)
			}
		})
	}
	all.Wait()
	w.expect("then", "enforce a.desk.test", 1)
}

// brokenCache has lost its database.
type brokenCache struct{ mtasts.Memory }

func (*brokenCache) LoadPolicy(context.Context, string) (mtasts.Policy, error) {
	return mtasts.Policy{}, errors.New("no database")
}

// TestABrokenCacheIsNoExcuse: without the cache nobody knows what was promised, so it is an error and not "no policy".
func TestABrokenCacheIsNoExcuse(t *testing.T) {
	w := newWeb(t)
	w.store.Cache = &brokenCache{}
	if p, err := w.store.Policy(t.Context(), "desk.test"); err == nil {
		t.Errorf("got %+v", p)
	}
}
