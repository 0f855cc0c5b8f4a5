package sop_test

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// TestPassword: a key that was protected signs with its password only, and loses it again.
func TestPassword(t *testing.T) {
	for _, profile := range []string{version4, version6} {
		t.Run(profile, func(t *testing.T) {
			folder(t)
			file(t, "one", []byte("first password\r\n"))
			file(t, "two", []byte("second"))
			person(t, "alice", "--profile="+profile, "--with-key-password=one")
			changed := must(t, []byte(read(t, "alice.key")), "change-key-password", "--old-key-password=one", "--new-key-password=two")
			file(t, "changed.key", changed)
			if r := run(nil, "sign", "--with-key-password=one", "changed.key"); r.code != 67 {
				t.Errorf("the old password still signs: exit %d", r.code)
			}
			file(t, "signature", must(t, nil, "sign", "--with-key-password=two", "changed.key"))
			must(t, nil, "verify", "signature", "alice.cert")
			file(t, "open.key", must(t, changed, "change-key-password", "--old-key-password=two"))
			must(t, nil, "sign", "open.key")
		})
	}
}

// TestUserIDs: any text is a user ID, the first is the primary one, and a key may do without.
func TestUserIDs(t *testing.T) {
	for _, profile := range []string{version4, version6} {
		t.Run(profile, func(t *testing.T) {
			folder(t)
			key := must(t, nil, "generate-key", "--no-armor", "--profile="+profile, "Zoe <zoe@example.org>", `<<any "text">>`, "--", "--zoe")
			cert := must(t, key, "extract-cert")
			file(t, "zoe.cert", cert)
			last := -1
			for _, userID := range []string{"Zoe <zoe@example.org>", `<<any "text">>`, "--zoe"} {
				at := bytes.Index(key, []byte(userID))
				if at <= last {
					t.Errorf("%q stands at %d", userID, at)
				}
				last = at
				must(t, cert, "validate-userid", "--", userID, "zoe.cert")
			}
			nobody := must(t, nil, "generate-key", "--profile="+profile)
			must(t, nobody, "extract-cert")
		})
	}
}

// TestRevocation: a revoked certificate takes no mail, its signatures do not count, and a merge carries the news.
func TestRevocation(t *testing.T) {
	folder(t)
	person(t, "alice")
	signature := must(t, nil, "sign", "alice.key")
	file(t, "signature", signature)
	revoked := must(t, []byte(read(t, "alice.key")), "revoke-key")
	merged := must(t, []byte(read(t, "alice.cert")), "merge-certs", file(t, "revoked.cert", revoked))
	for name, cert := range map[string][]byte{"revoked": revoked, "merged": merged} {
		file(t, "now.cert", cert)
		if r := run(nil, "verify", "signature", "now.cert"); r.code != 3 || !strings.Contains(r.words, "revoked") {
			t.Errorf("%s: verify: exit %d %s", name, r.code, r.words)
		}
		if r := run(nil, "encrypt", "now.cert"); r.code != 17 {
			t.Errorf("%s: encrypt: exit %d", name, r.code)
		}
	}
	again := must(t, merged, "merge-certs", "revoked.cert", "alice.cert")
	if !bytes.Equal(again, merged) {
		t.Error("merging the same news again changed the certificate")
	}
}

// TestMergeKeepsOthersOut: only what is about the certificates on standard input comes out, each once.
func TestMergeKeepsOthersOut(t *testing.T) {
	folder(t)
	person(t, "alice")
	person(t, "bob")
	twice := append([]byte(read(t, "alice.cert")), read(t, "alice.cert")...)
	merged := must(t, twice, "merge-certs", "--no-armor", "bob.cert")
	if !bytes.Equal(merged, must(t, []byte(read(t, "alice.cert")), "dearmor")) {
		t.Error("something else than Alice's certificate came out")
	}
}

// TestCertification: an authority vouches for a user ID; others, other names and other times do not count.
func TestCertification(t *testing.T) {
	for _, profile := range []string{version4, version6} {
		t.Run(profile, func(t *testing.T) {
			folder(t)
			person(t, "alice", "--profile="+profile)
			person(t, "bob", "--profile="+profile)
			person(t, "ca", "--profile="+profile)
			name := "bob <bob@example.org>"
			vouched := must(t, []byte(read(t, "bob.cert")), "certify-userid", "--userid="+name, "ca.key")
			for _, try := range []struct {
				code int
				args []string
			}{
				{0, []string{name, "ca.cert"}},
				{0, []string{name, "alice.cert", "ca.cert"}},
				{0, []string{"--addr-spec-only", "bob@EXAMPLE.org", "ca.cert"}},
				{107, []string{name, "alice.cert"}},
				{107, []string{"bob", "ca.cert"}},
				{107, []string{"--addr-spec-only", "rob@example.org", "ca.cert"}},
				{107, []string{"--validate-at=2026-11-23T11:59:30Z", name, "ca.cert"}},
			} {
				if r := run(vouched, append([]string{"validate-userid"}, try.args...)...); r.code != try.code {
					t.Errorf("%v: exit %d, want %d: %s", try.args, r.code, try.code, r.words)
				}
			}
			file(t, "ca.revoked", must(t, []byte(read(t, "ca.key")), "revoke-key"))
			if r := run(vouched, "validate-userid", name, "ca.revoked"); r.code != 107 {
				t.Errorf("a revoked authority vouches: exit %d", r.code)
			}
			if r := run(append(vouched, read(t, "alice.cert")...), "validate-userid", name, "ca.cert"); r.code != 107 {
				t.Errorf("one of two certificates is not bound: exit %d", r.code)
			}
		})
	}
}

// TestUpdate adds what is missing for encryption, and protects it as the rest.
func TestUpdate(t *testing.T) {
	for _, profile := range []string{version4, version6} {
		t.Run(profile, func(t *testing.T) {
			folder(t)
			file(t, "password", []byte("password"))
			person(t, "alice", "--profile="+profile, "--signing-only", "--with-key-password=password")
			key := []byte(read(t, "alice.key"))
			for _, no := range []string{"--signing-only", "--no-added-capabilities"} {
				kept := must(t, key, "update-key", "--with-key-password=password", no)
				if r := run(nil, "encrypt", file(t, "kept.cert", must(t, kept, "extract-cert"))); r.code != 17 {
					t.Errorf("%s: encrypt: exit %d", no, r.code)
				}
			}
			updated := runAt(now.Add(-time.Second), key, "update-key", "--with-key-password=password").out
			file(t, "updated.key", updated)
			sealed := must(t, []byte("hello"), "encrypt", file(t, "updated.cert", must(t, updated, "extract-cert")))
			if r := run(sealed, "decrypt", "updated.key"); r.code != 67 {
				t.Errorf("the new subkey is not protected: exit %d", r.code)
			}
			if got := must(t, sealed, "decrypt", "--with-key-password=password", "updated.key"); string(got) != "hello" {
				t.Errorf("decrypted %q", got)
			}
		})
	}
}
