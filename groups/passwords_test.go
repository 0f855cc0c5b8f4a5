package groups

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestPasswordHashes(t *testing.T) {
	h := newHasher()
	first, err1 := h.hash(t.Context(), goodPassword)
	second, err2 := h.hash(t.Context(), goodPassword)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(first, "$argon2id$v=19$m=19456,t=2,p=1$") || first == second {
		t.Errorf("hashes %q and %q", first, second)
	}
	for password, want := range map[string]bool{goodPassword: true, goodPassword + " ": false, "": false} {
		if got, err := h.matches(t.Context(), first, password); err != nil || got != want {
			t.Errorf("%q matches: %t, %v", password, got, err)
		}
	}
	for _, password := range []string{"", goodPassword} {
		if got, err := h.matches(t.Context(), "", password); err != nil || got {
			t.Errorf("an unknown login matches %q: %t, %v", password, got, err)
		}
	}
}

func TestALongPasswordIsNotCutToARightOne(t *testing.T) {
	h := newHasher()
	longest := strings.Repeat("x", maxPassword)
	stored, err := h.hash(t.Context(), longest)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := h.matches(t.Context(), stored, longest+"y"); err != nil || got {
		t.Errorf("matches: %t, %v", got, err)
	}
}

func TestHashingWaitsForAFreePlace(t *testing.T) {
	h := newHasher()
	for range hashesAtOnce {
		h.slots <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.hash(ctx, goodPassword); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
}

func FuzzParsePHC(f *testing.F) {
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$argon2id$v=19$m=4294967295,t=2,p=1$AAAA$AAAA")
	f.Add("$2y$10$abcdefghijklmnopqrstuv")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePHC(text)
		if err != nil {
			return
		}
		if p.String() != text {
			t.Errorf("%q was read as %q", text, p)
		}
		if p.memory > 256<<10 || p.time > 16 || len(p.hash) > 512 {
			t.Errorf("%q is too expensive", text)
		}
	})
}
