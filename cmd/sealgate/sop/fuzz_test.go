package sop_test

import (
	"bytes"
	"crypto/rand"
	"testing"

	"github.com/sealgate/sealgate/cmd/sealgate/sop"
)

// runIn runs with an environment of its own.
func runIn(environment map[string][]byte, stdin []byte, args ...string) (code int, out []byte, words string) {
	var o, w bytes.Buffer
	code = sop.Program{
		Version: "test", In: bytes.NewReader(stdin), Out: &o, Err: &w, Now: now, Random: rand.Reader,
		LookupEnv: func(name string) (string, bool) {
			value, known := environment[name]
			return string(value), known
		},
	}.Run(args)
	return code, o.Bytes(), w.String()
}

// FuzzInput gives the same noise to everything that reads OpenPGP data: it may fail, but only in a way that the draft
// names, and then nothing comes out.
func FuzzInput(f *testing.F) {
	key := run(nil, "generate-key", "Alice <alice@example.org>").out
	environment := map[string][]byte{"KEY": key, "CERT": run(key, "extract-cert").out}
	write := func(stdin string, args ...string) []byte {
		_, out, _ := runIn(environment, []byte(stdin), args...)
		return out
	}
	for _, seed := range [][]byte{
		key, environment["CERT"], write(string(key), "dearmor"), write(string(key), "revoke-key"),
		write("hello", "sign", "@ENV:KEY"), write("hello", "encrypt", "--no-armor", "@ENV:CERT"),
		write("hello", "inline-sign", "--no-armor", "@ENV:KEY"), write("- hello", "inline-sign", "--as=clearsigned", "@ENV:KEY"),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		environment := map[string][]byte{"KEY": key, "CERT": environment["CERT"], "INPUT": input}
		for _, args := range [][]string{
			{"armor"},
			{"dearmor"},
			{"extract-cert"},
			{"merge-certs", "@ENV:CERT"},
			{"update-key"},
			{"decrypt", "@ENV:KEY"},
			{"inline-verify", "@ENV:CERT"},
			{"inline-detach", "--signatures-out=" + t.TempDir() + "/s"},
			{"validate-userid", "x", "@ENV:CERT"},
			{"decrypt", "--with-session-key=@ENV:INPUT"},
			{"verify", "@ENV:INPUT", "@ENV:CERT"},
		} {
			code, out, words := runIn(environment, input, args...)
			if code == 1 || code != 0 && len(out) > 0 {
				t.Fatalf("%v: exit %d, %d octets out: %s", args, code, len(out), words)
			}
		}
	})
}
