package pgpmime_test

import (
	"slices"
	"testing"
)

// expectation names attempts that must fail, and says how. What no expectation names must succeed.
type expectation struct {
	direction, peer string
	ours            []string
	forms           []form
	says            string // is in the error: mostly the program's own words
	why             string // a sentence for the document
}

const (
	noNewIDs  = "It does not know the ids 27 and 25, under which RFC 9580 lists Ed25519 and X25519 since 2024."
	noV6      = "It does not know keys and signatures of version 6 (RFC 9580)."
	noQuantum = "It does not know the post-quantum algorithms (RFC 9980)."
	noClear   = "Its command line, of an early draft, has no clearsigned text."
	losesText = "It shows nothing of a message that such a key signed, although it can decrypt it."
	noOthers  = "It refuses a message that is encrypted to such a key as well as to its own, as our copies for the group are."
)

// expectations were all seen with the versions that docs/interop.md lists. None names a kind of the peers' keys: every
// kind that a peer makes works with our default.
func expectations() []expectation {
	newIDs, six, quantum := []string{v4New}, []string{v6, v6Long, v6Quantum}, []string{v6Quantum}
	ours := append(newIDs, six...)
	signs, encrypts := []form{signed, both}, []form{encrypted, both}
	text := []form{unverified}
	readable := []form{clearsigned}
	anyText := []form{encrypted, unverified}
	return []expectation{
		{weWrite, "gpg", newIDs, signs, "imported no key", noNewIDs},
		{weWrite, "gpg", six, signs, "unknown version 6", noV6},
		{weWrite, "gpg", six, text, "unknown version 6", losesText},
		{weWrite, "sq", newIDs, signs, "is not bound", noNewIDs},
		{weWrite, "sq", six, signs, "Unsupported primary key", noV6},
		{weWrite, "sqop", newIDs, signs, "No acceptable signatures", noNewIDs},
		{weWrite, "sqop", six, signs, "Invalid data type", noV6},
		{weWrite, "rnp", newIDs, signs, "unknown key algorithm: 27", noNewIDs},
		{weWrite, "rnp", six, signs, "wrong key packet version", noV6},
		{weWrite, "rnp", six, text, "no signatures", losesText},
		{weWrite, "PGPainless", newIDs, signs, "unknown PGP public key algorithm", noNewIDs},
		{weWrite, "PGPainless", six, signs, "unknown PGP public key algorithm", noV6},
		{weWrite, "PGPainless", ours, anyText, "not to contain a valid OpenPGP message", noOthers},
		{weWrite, "gosop", newIDs, signs, "error in reading key ring", noNewIDs},
		{weWrite, "gosop", six, signs, "error in reading key ring", noV6},
		{weWrite, "OpenPGP.js", quantum, signs, "No key packet found", noQuantum},

		{theyWrite, "gpg", newIDs, encrypts, "imported no key", noNewIDs},
		{theyWrite, "gpg", six, encrypts, "unknown version 6", noV6},
		{theyWrite, "sq", newIDs, encrypts, "no suitable encryption key", noNewIDs},
		{theyWrite, "sq", six, encrypts, "Unsupported primary key", noV6},
		{theyWrite, "sqop", newIDs, encrypts, "not encryption-capable", noNewIDs},
		{theyWrite, "sqop", six, encrypts, "Invalid data type", noV6},
		{theyWrite, "rnp", newIDs, encrypts, "unknown key algorithm: 27", noNewIDs},
		{theyWrite, "rnp", six, encrypts, "wrong key packet version", noV6},
		{theyWrite, "PGPainless", newIDs, encrypts, "does not contain an OpenPGP certificate", noNewIDs},
		{theyWrite, "PGPainless", six, encrypts, "does not contain an OpenPGP certificate", noV6},
		{theyWrite, "gosop", newIDs, encrypts, "error in reading key ring", noNewIDs},
		{theyWrite, "gosop", six, encrypts, "error in reading key ring", noV6},
		{theyWrite, "OpenPGP.js", quantum, encrypts, "No key packet found", noQuantum},

		{weWrite, "gosop", []string{v4Legacy}, readable, "Unsupported subcommand", noClear},
		{theyWrite, "gosop", []string{v4Legacy}, readable, "Unsupported subcommand", noClear},
	}
}

func (e expectation) names(a attempt) bool {
	return e.direction == a.direction && e.peer == a.peer && slices.Contains(e.ours, a.ours) && slices.Contains(e.forms, a.form)
}

func expected(a attempt) (expectation, bool) {
	for _, e := range expectations() {
		if e.names(a) {
			return e, true
		}
	}
	return expectation{}, false
}

// TestExpectationsAreOfUse: each names attempts that are made, and no attempt is named twice.
func TestExpectationsAreOfUse(t *testing.T) {
	used := map[int]int{}
	for _, a := range attempts() {
		found := 0
		for i, e := range expectations() {
			if e.names(a) {
				found++
				used[i]++
			}
		}
		if found > 1 {
			t.Errorf("%s: named %d times", a, found)
		}
	}
	for i, e := range expectations() {
		if used[i] == 0 {
			t.Errorf("names nothing: %+v", e)
		}
	}
}
