package seal

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"testing"
)

func TestWrappedKeyIsBound(t *testing.T) {
	kek, dek := newTestKey(t), newTestKey(t)
	wrapped, err := kek.Wrap(dek, testContext(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	back, err := kek.Unwrap(wrapped, testContext())
	if err != nil || *back.b != *dek.b {
		t.Fatalf("unwrap: %v", err)
	}
	other := testContext()
	other.ID = "43"
	flipped := bytes.Clone(wrapped)
	flipped[20] ^= 1
	for name, unwrap := range map[string]func() (Key, error){
		"context":  func() (Key, error) { return kek.Unwrap(wrapped, other) },
		"kek":      func() (Key, error) { return newTestKey(t).Unwrap(wrapped, testContext()) },
		"flipped":  func() (Key, error) { return kek.Unwrap(flipped, testContext()) },
		"cut":      func() (Key, error) { return kek.Unwrap(wrapped[:30], testContext()) },
		"empty":    func() (Key, error) { return kek.Unwrap(nil, testContext()) },
		"extended": func() (Key, error) { return kek.Unwrap(append(bytes.Clone(wrapped), 0), testContext()) },
	} {
		if _, err := unwrap(); !errors.Is(err, ErrTampered) {
			t.Errorf("%s: %v, want tampered", name, err)
		}
	}
	dek.Wipe()
	dek.Wipe()
	if *dek.b != [keySize]byte{} {
		t.Error("the key is not wiped")
	}
}

// TestWipedKeySealsNothing: a wiped key is all zeros, which everyone knows.
func TestWipedKeySealsNothing(t *testing.T) {
	good, wiped := newTestKey(t), newTestKey(t)
	wrapped, err := good.Wrap(wiped, testContext(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	wiped.Wipe()
	for name, key := range map[string]Key{"wiped": wiped, "zero": {}} {
		key.Wipe()
		_, wrapErr := key.Wrap(good, testContext(), rand.Reader)
		_, childErr := good.Wrap(key, testContext(), rand.Reader)
		_, unwrapErr := key.Unwrap(wrapped, testContext())
		_, writerErr := NewWriter(io.Discard, key, testContext(), rand.Reader)
		_, readerErr := NewReader(bytes.NewReader(sealBytes(t, good, testContext(), nil)), key, testContext())
		for use, err := range map[string]error{
			"wrap": wrapErr, "be wrapped": childErr, "unwrap": unwrapErr, "seal": writerErr, "open": readerErr,
		} {
			if err == nil {
				t.Errorf("a %s key could %s", name, use)
			}
		}
	}
}

func TestKeyBytesAreTakenAndWiped(t *testing.T) {
	for size, ok := range map[int]bool{0: false, 31: false, 32: true, 33: false} {
		b := bytes.Repeat([]byte{7}, size)
		key, err := KeyFromBytes(b)
		if (err == nil) != ok || bytes.Contains(b, []byte{7}) {
			t.Errorf("%d bytes: %v, left %x", size, err, b)
		}
		if ok && !bytes.Equal(key.Export(), bytes.Repeat([]byte{7}, size)) {
			t.Error("the key is not what it was made of")
		}
	}
	if _, err := KeyFromBytes(make([]byte, 32)); !errors.Is(err, ErrTampered) {
		t.Errorf("a key of zeros: %v", err)
	}
	if _, err := NewKey(bytes.NewReader(make([]byte, 31))); err == nil {
		t.Error("a key was made of too little randomness")
	}
}
