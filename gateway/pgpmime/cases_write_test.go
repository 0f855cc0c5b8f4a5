package pgpmime_test

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestWriteCases freezes cases, when SEALGATE_WRITE_CASES is set: those that have no files yet, and those whose numbers
// SEALGATE_CASES names (042,107). With SEALGATE_WRITE_CASES=expected the messages stay, and what is expected of them is
// written anew, for all or for those named. What does not fit the recipe's wishes is never written: look at the
// difference before it is committed. Other programs sign by the clock on the wall: when that is past casesOpened, the
// recipe needs a line at.
func TestWriteCases(t *testing.T) {
	mode := os.Getenv("SEALGATE_WRITE_CASES")
	if mode == "" {
		t.Skip("SEALGATE_WRITE_CASES is not set")
	}
	named := strings.FieldsFunc(os.Getenv("SEALGATE_CASES"), func(r rune) bool { return r == ',' })
	k := newKitchen(t)
	for _, r := range readRecipes(t) {
		number, _, _ := strings.Cut(r.name, "-")
		isNamed := slices.Contains(named, number)
		_, err := os.Stat(r.file(".tree"))
		switch missing := err != nil; {
		case mode == "expected" && (isNamed || len(named) == 0), missing, isNamed:
			t.Run(r.name, func(t *testing.T) { k.freeze(t, r, isNamed && mode != "expected") })
		}
	}
}

// freeze writes the files of a case.
func (k *kitchen) freeze(t *testing.T, r recipe, anew bool) {
	message, err := os.ReadFile(r.file(".eml"))
	if err != nil || anew {
		message = k.make(t, r)
		writeFile(t, r.file(".eml"), message)
	}
	names := k.keys.names()
	o := r.open(t, message, k.keys)
	r.check(t, o, names)
	if t.Failed() {
		return
	}
	writeFile(t, r.file(".out"), o.Message)
	writeFile(t, r.file(".tree"), []byte(tree(o, names)))
}
