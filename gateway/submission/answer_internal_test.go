package submission

import (
	"errors"
	"fmt"
	"testing"
)

// The log says why something was refused, and nothing of what it does not know.
func TestTheLogOfARefusal(t *testing.T) {
	for want, r := range map[string]*Refusal{
		"[doing DATA code 550 enhanced 5.7.1]":            {Code: 550, Enhanced: [3]int{5, 7, 1}, Sentence: "no certificate for a@x.test"},
		"[doing DATA code 451 enhanced 4.3.0 cause why?]": {Code: 451, Enhanced: [3]int{4, 3, 0}, Sentence: "later", Cause: errors.New("why?")},
	} {
		if got := fmt.Sprint(r.attributes("DATA")); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
