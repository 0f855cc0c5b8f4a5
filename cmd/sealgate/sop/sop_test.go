package sop_test

import (
	"bytes"
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/cmd/sealgate/sop"
)

// now is the time of all runs. Keys are a minute older than messages.
var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// result is what one run left.
type result struct {
	code  int
	out   []byte
	words string
}

// runAt runs sealgate sop at a time.
func runAt(at time.Time, stdin []byte, args ...string) result {
	var out, words bytes.Buffer
	code := sop.Program{
		Version: "test", In: bytes.NewReader(stdin), Out: &out, Err: &words, LookupEnv: os.LookupEnv, Now: at, Random: rand.Reader,
	}.Run(args)
	return result{code, out.Bytes(), words.String()}
}

func run(stdin []byte, args ...string) result { return runAt(now, stdin, args...) }

// must is run for what must succeed.
func must(t *testing.T, stdin []byte, args ...string) []byte {
	t.Helper()
	r := run(stdin, args...)
	if r.code != 0 {
		t.Fatalf("sop %s: exit %d\n%s", strings.Join(args, " "), r.code, r.words)
	}
	return r.out
}

// file writes a file into the current folder and returns its name.
func file(t *testing.T, name string, content []byte) string {
	t.Helper()
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// person makes NAME.key and NAME.cert in the current folder.
func person(t *testing.T, name string, options ...string) {
	t.Helper()
	args := append([]string{"generate-key"}, options...)
	r := runAt(now.Add(-time.Minute), nil, append(args, name+" <"+name+"@example.org>")...)
	if r.code != 0 {
		t.Fatalf("generate %s: exit %d\n%s", name, r.code, r.words)
	}
	file(t, name+".key", r.out)
	file(t, name+".cert", must(t, r.out, "extract-cert"))
}

// folder makes an empty folder the current one.
func folder(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
}

const (
	version4 = "draft-koch-eddsa-for-openpgp-00"
	rsa3072  = "rfc4880"
	version6 = "rfc9580"
)

// TestMessages walks each kind of message there and back, with each kind of key.
func TestMessages(t *testing.T) {
	data := []byte("Grüße,\n- and \"thanks\"\n")
	for _, profile := range []string{version4, rsa3072, version6} {
		t.Run(profile, func(t *testing.T) {
			folder(t)
			person(t, "alice", "--profile="+profile)
			person(t, "bob", "--profile="+profile)

			for _, as := range []string{"binary", "text"} {
				sealed := must(t, data, "encrypt", "--as="+as, "--sign-with=alice.key", "bob.cert", "alice.cert")
				got := must(t, sealed, "decrypt", "--verify-with=alice.cert", "--verifications-out="+as, "bob.key")
				if !same(got, data, as) {
					t.Errorf("decrypted %q", got)
				}
				checkLine(t, read(t, as), as, "alice.cert")

				signature := must(t, data, "sign", "--as="+as, "alice.key", "bob.key")
				lines := must(t, data, "verify", file(t, as+".sig", signature), "alice.cert", "bob.cert")
				if one, two, _ := strings.Cut(strings.TrimSpace(string(lines)), "\n"); one == "" || two == "" {
					t.Errorf("two signers left the lines %q", lines)
				}
			}
			for as, mode := range map[string]string{"binary": "binary", "text": "text", "clearsigned": "text"} {
				message := must(t, data, "inline-sign", "--as="+as, "alice.key")
				got := must(t, message, "inline-verify", "--verifications-out=inline."+as, "alice.cert")
				if !same(got, data, as) {
					t.Errorf("%s: verified %q", as, got)
				}
				checkLine(t, read(t, "inline."+as), mode, "alice.cert")

				apart := must(t, message, "inline-detach", "--signatures-out=apart."+as)
				must(t, apart, "verify", "apart."+as, "alice.cert")
			}
		})
	}
}

// same compares data; text travels with CRLF (RFC 9580, section 5.9).
func same(got, data []byte, as string) bool {
	if as == "text" {
		data = bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n"))
	}
	return bytes.Equal(got, data)
}

// checkLine holds one verification against the draft's form: time, two fingerprints, mode, JSON.
func checkLine(t *testing.T, line, mode, signer string) {
	t.Helper()
	fields := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 5)
	if len(fields) != 5 || !strings.HasSuffix(line, "\n") {
		t.Fatalf("verification %q", line)
	}
	digits := strings.Trim(fields[1], "0123456789ABCDEF")
	switch {
	case fields[0] != "2026-11-23T12:00:00Z", digits != "", len(fields[1]) != 40 && len(fields[1]) != 64,
		fields[2] != fields[1], fields[3] != "mode:"+mode, fields[4] != `{"signers":["`+signer+`"]}`:
		t.Errorf("verification %q", line)
	}
}

// TestBinary: --no-armor leaves the armor off, and armor and dearmor change nothing else.
func TestBinary(t *testing.T) {
	folder(t)
	person(t, "alice")
	key := []byte(read(t, "alice.key"))
	for name, made := range map[string]struct {
		binary []byte
		begin  string
	}{
		"key":       {must(t, nil, "generate-key", "--no-armor", "X"), "-----BEGIN PGP PRIVATE KEY BLOCK-----"},
		"cert":      {must(t, key, "extract-cert", "--no-armor"), "-----BEGIN PGP PUBLIC KEY BLOCK-----"},
		"signature": {must(t, nil, "sign", "--no-armor", "alice.key"), "-----BEGIN PGP SIGNATURE-----"},
		"message":   {must(t, nil, "encrypt", "--no-armor", "alice.cert"), "-----BEGIN PGP MESSAGE-----"},
		"inline":    {must(t, nil, "inline-sign", "--no-armor", "alice.key"), "-----BEGIN PGP MESSAGE-----"},
	} {
		armored := must(t, made.binary, "armor")
		if made.binary[0]&0x80 == 0 || !bytes.HasPrefix(armored, []byte(made.begin)) {
			t.Errorf("%s: %.40q, armored %.40q", name, made.binary, armored)
		}
		if again := must(t, armored, "armor"); !bytes.Equal(again, armored) {
			t.Errorf("%s: armored twice", name)
		}
		if back := must(t, armored, "dearmor"); !bytes.Equal(back, made.binary) {
			t.Errorf("%s: dearmored to something else", name)
		}
	}
}

// TestArmorInside: armor in what a binary message says is not its own.
func TestArmorInside(t *testing.T) {
	folder(t)
	person(t, "alice")
	inside := must(t, []byte("hello"), "sign", "alice.key")
	message := must(t, inside, "inline-sign", "--no-armor", "alice.key")
	if got := must(t, message, "inline-verify", "alice.cert"); !bytes.Equal(got, inside) {
		t.Errorf("verified %.60q", got)
	}
	if r := run(message, "dearmor"); r.code != 41 {
		t.Errorf("dearmored a binary message: exit %d", r.code)
	}
}

// TestMicalg: the hash's name goes into the header of PGP/MIME.
func TestMicalg(t *testing.T) {
	folder(t)
	person(t, "alice")
	must(t, nil, "sign", "--micalg-out=micalg", "alice.key")
	if got := read(t, "micalg"); got != "pgp-sha256" {
		t.Errorf("micalg %q", got)
	}
}

// TestSessionKey: who has a message's session key reads it without a secret key.
func TestSessionKey(t *testing.T) {
	for _, profile := range []string{version4, rsa3072, version6} {
		t.Run(profile, func(t *testing.T) {
			folder(t)
			person(t, "alice", "--profile="+profile)
			person(t, "bob", "--profile="+profile)
			sealed := must(t, []byte("hello"), "encrypt", "--sign-with=bob.key", "alice.cert")
			must(t, sealed, "decrypt", "--session-key-out=session", "alice.key")
			if text := read(t, "session"); !strings.HasPrefix(text, "9:") || len(strings.TrimSpace(text)) != 2+64 {
				t.Fatalf("session key %q", text)
			}
			got := must(t, sealed, "decrypt", "--with-session-key=session", "--verify-with=bob.cert", "--verifications-out=lines")
			if string(got) != "hello" {
				t.Errorf("decrypted %q", got)
			}
			checkLine(t, read(t, "lines"), "binary", "bob.cert")
			wrong := file(t, "wrong", []byte("9:"+strings.Repeat("00", 32)))
			if got := must(t, sealed, "decrypt", "--with-session-key="+wrong, "alice.key"); string(got) != "hello" {
				t.Errorf("after a wrong session key the secret key decrypted %q", got)
			}
			if r := run(sealed, "decrypt", "--with-session-key="+wrong); r.code != 29 || len(r.out) > 0 {
				t.Errorf("wrong session key: exit %d, %q", r.code, r.out)
			}
		})
	}
}

// TestOnlyNamedSignersCount: a key that decrypts vouches for no signature, though its certificate is at hand.
func TestOnlyNamedSignersCount(t *testing.T) {
	folder(t)
	person(t, "alice")
	person(t, "bob")
	sealed := must(t, []byte("hello"), "encrypt", "--sign-with=bob.key", "bob.cert")
	must(t, sealed, "decrypt", "--verify-with=alice.cert", "--verifications-out=lines", "bob.key")
	if lines := read(t, "lines"); lines != "" {
		t.Errorf("verifications %q", lines)
	}
	must(t, sealed, "decrypt", "--verify-with=alice.cert", "--verify-with=bob.cert", "--verifications-out=both", "bob.key")
	checkLine(t, read(t, "both"), "binary", "bob.cert")
}

// TestIndirect: inputs come from the environment and from open descriptors, outputs go to descriptors.
func TestIndirect(t *testing.T) {
	folder(t)
	person(t, "alice")
	t.Setenv("ALICE_KEY", read(t, "alice.key"))
	in, err := os.Open("alice.cert")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close() //nolint:errcheck // read only
	sealed := must(t, []byte("hello"), "encrypt", "--sign-with=@ENV:ALICE_KEY", "@FD:"+descriptor(t, in))
	out, err := os.Create("lines")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close() //nolint:errcheck // what was written is read again
	must(t, sealed, "decrypt", "--verify-with=alice.cert", "--verifications-out=@FD:"+descriptor(t, out), "@ENV:ALICE_KEY")
	checkLine(t, read(t, "lines"), "binary", "alice.cert")
}

// TestNothingLeavesBeforeProof: neither output nor files appear when a message was altered at any place.
func TestNothingLeavesBeforeProof(t *testing.T) {
	folder(t)
	person(t, "alice")
	sealed := must(t, bytes.Repeat([]byte("canary "), 1000), "encrypt", "--no-armor", "--sign-with=alice.key", "alice.cert")
	signed := must(t, []byte("canary"), "inline-sign", "--no-armor", "alice.key")
	for name, try := range map[string]struct {
		message []byte
		args    []string
	}{
		"encrypted": {sealed, []string{"decrypt", "--verify-with=alice.cert", "--verifications-out=lines", "--session-key-out=session", "alice.key"}},
		"signed":    {signed, []string{"inline-verify", "--verifications-out=lines", "alice.cert"}},
	} {
		for _, at := range []int{len(try.message) / 2, len(try.message) - 1, 60} {
			altered := bytes.Clone(try.message)
			altered[at] ^= 1
			r := run(altered, try.args...)
			left, err := filepath.Glob("[ls][ie][ns][es]*")
			if r.code == 0 || len(r.out) > 0 || len(left) > 0 || err != nil {
				t.Errorf("%s altered at %d: exit %d, %d octets out, files %v, %v", name, at, r.code, len(r.out), left, err)
			}
		}
	}
}
