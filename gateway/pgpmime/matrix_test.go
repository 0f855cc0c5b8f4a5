package pgpmime_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/sealgate/sealgate/gateway/pgpmime"
)

// The directions of the matrix.
const (
	weWrite   = "we write, they read"
	theyWrite = "they write, we read"
)

// form is what is tried in each cell: PGP/MIME as RFC 3156 has it, and inline PGP.
type form string

const (
	signed     = form(pgpmime.Signed)
	encrypted  = form(pgpmime.Encrypted)
	both       = form(pgpmime.SignedEncrypted)
	unverified = form("signed+encrypted, to a reader without our certificate") // the text should arrive all the same
)

func (f form) signs() bool    { return f != encrypted }
func (f form) encrypts() bool { return f != signed }

// formsOf are those of PGP/MIME in a direction. The reader without our certificate comes first: gpg keeps what it was handed.
func formsOf(direction string) []form {
	if direction == weWrite {
		return []form{unverified, signed, encrypted, both}
	}
	return []form{signed, encrypted, both}
}

// attempt is one message of the matrix.
type attempt struct {
	direction, peer string
	theirs          string // kind of the peer's key
	ours            string // kind of our key
	form            form
}

func (a attempt) String() string {
	return strings.Join([]string{a.direction, a.peer + " with " + a.theirs, a.ours, string(a.form)}, ", ")
}

// TestInterop sends a message from us to every peer and from every peer to us, for every kind of key and every form.
// Each attempt must end as the table of expectations says, so that the table, and docs/interop.md that is written from
// it, cannot claim anything that is not so.
func TestInterop(t *testing.T) {
	keys := newOurKeys(t)
	var versions sync.Map
	t.Run("with", func(t *testing.T) {
		for _, p := range peers() {
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				versions.Store(p.name, p.play(t, keys))
			})
		}
	})
	t.Run("containers", playContainers)
	if !t.Failed() { // nothing is written down that was not so
		checkDocument(t, &versions)
	}
}

// play makes all attempts with one peer and returns its version.
func (p peer) play(t *testing.T, keys ourKeys) string {
	program, version := p.start(t)
	for i, theirs := range p.kinds {
		them := newCorrespondent(t, program, theirs)
		for j, ours := range ourKindsWith(i) {
			us := keys.read(t, ours.name)
			a := attempt{peer: p.name, theirs: theirs.name, ours: ours.name}
			exchange(t, a, them, us, j == 0)
			if i == 0 && j == 0 {
				exchangeInline(t, a, them, us)
			}
		}
	}
	return version
}

// exchange makes the attempts with one kind of their keys and one of ours. What they only sign has nothing to do with
// our key: once is enough.
func exchange(t *testing.T, a attempt, them alice, us desk, alsoSigned bool) {
	a.direction = weWrite
	for _, a.form = range formsOf(weWrite) {
		check(t, a, sendOut(them, us, a.form))
	}
	a.direction = theyWrite
	for _, a.form = range formsOf(theyWrite) {
		if a.form != signed || alsoSigned {
			check(t, a, sendIn(them, us, a.form))
		}
	}
}

// ourKindsWith are the kinds of our keys that meet the peer's kind number i: the peer's first meets all of them, the
// others our first only.
func ourKindsWith(i int) []ourKind {
	if i > 0 {
		return ourKinds[:1]
	}
	return ourKinds
}

// attempts are all of the matrix.
func attempts() []attempt {
	var all []attempt
	for _, p := range peers() {
		for i, theirs := range p.kinds {
			for _, ours := range ourKindsWith(i) {
				for _, direction := range []string{weWrite, theyWrite} {
					for _, form := range append(formsOf(direction), inlineForms...) {
						all = append(all, attempt{direction, p.name, theirs.name, ours.name, form})
					}
				}
			}
		}
	}
	return all
}

// check compares what became of an attempt with what was expected.
func check(t *testing.T, a attempt, err error) {
	t.Helper()
	e, named := expected(a)
	switch {
	case !named && err != nil:
		t.Errorf("%s: %v", a, err)
	case named && err == nil:
		t.Errorf("%s: works, but the table says: %s", a, e.why)
	case named && !strings.Contains(err.Error(), e.says):
		t.Errorf("%s: fails otherwise than with %q: %v", a, e.says, err)
	}
}
