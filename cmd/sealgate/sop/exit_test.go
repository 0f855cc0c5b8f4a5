package sop_test

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// descriptor is a copy of a file's descriptor, for the program to use and to close.
func descriptor(t *testing.T, f *os.File) string {
	t.Helper()
	copied, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(copied)
}

// scene makes the files that the table of exit codes names.
func scene(t *testing.T) {
	t.Helper()
	folder(t)
	person(t, "alice")
	person(t, "bob")
	person(t, "signer", "--signing-only")
	hello := []byte("hello\n")
	file(t, "password", []byte("correct horse\n"))
	file(t, "wrong", []byte("battery"))
	file(t, "noise", []byte("\xff\x00\xfe nothing"))
	file(t, "locked.key", must(t, []byte(read(t, "alice.key")), "change-key-password", "--new-key-password=password"))
	revoked := must(t, []byte(read(t, "alice.key")), "revoke-key")
	file(t, "revoked.cert", revoked)
	file(t, "revoked.key", withRevocation(t, []byte(read(t, "alice.key")), revoked))
	file(t, "signature", must(t, hello, "sign", "alice.key"))
	file(t, "late.sig", runAt(now.Add(30*time.Minute), hello, "sign", "alice.key").out)
	file(t, "sealed", must(t, hello, "encrypt", "alice.cert"))
	file(t, "inline", must(t, hello, "inline-sign", "alice.key"))
	file(t, "@ENV:THERE", nil)
}

// withRevocation puts the revocation of a certificate behind the primary key of its secret key.
func withRevocation(t *testing.T, key, revoked []byte) []byte {
	t.Helper()
	var packets [2][]*packet.OpaquePacket
	for n, armored := range [][]byte{key, revoked} {
		r := packet.NewOpaqueReader(bytes.NewReader(must(t, armored, "dearmor")))
		for p, err := r.Next(); err == nil; p, err = r.Next() {
			packets[n] = append(packets[n], p)
		}
	}
	var out bytes.Buffer
	for _, p := range slices.Insert(packets[0], 1, packets[1][1]) {
		if err := p.Serialize(&out); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

// TestExitCodes reads a table: exit code, standard input (a file, or "-" for "hello"), arguments.
func TestExitCodes(t *testing.T) {
	scene(t)
	t.Setenv("THERE", "x")
	for _, row := range strings.Split(strings.TrimSpace(exitCodes), "\n") {
		fields := strings.Fields(row)
		t.Run(strings.Join(fields[2:], " "), func(t *testing.T) {
			want, err := strconv.Atoi(fields[0])
			if err != nil {
				t.Fatal(err)
			}
			stdin := "hello\n"
			if fields[1] != "-" {
				stdin = read(t, fields[1])
			}
			r := run([]byte(stdin), fields[2:]...)
			if r.code != want || want != 0 && len(r.out) > 0 {
				t.Errorf("exit %d, want %d; %d octets out\n%s", r.code, want, len(r.out), r.words)
			}
		})
	}
	if r := run(nil, "generate-key", "Zo\xc3"); r.code != 53 {
		t.Errorf("a user ID that is not text: exit %d", r.code)
	}
	if _, err := os.Stat("must-not-be"); err == nil {
		t.Error("a run that failed left an output")
	}
}

const exitCodes = `
0  -            version
0  -            version --backend
0  -            version --extended
0  -            version --sop-spec --debug
0  -            version --sopv
83 -            version --sopv --backend
69 -            foresee
69 -            help foresee
0  -            help encrypt
0  -            encrypt --help
0  -            list-profiles generate-key
0  -            list-profiles encrypt
89 -            list-profiles sign
19 -            list-profiles
37 -            list-profiles encrypt sign
89 -            generate-key --profile=rfc1991
0  -            generate-key --profile=security
0  -            generate-key --signing-only --with-key-password=password Zoe
31 -            generate-key --with-key-password=noise Zoe
61 -            generate-key --with-key-password=nowhere Zoe
37 -            generate-key --random
37 -            generate-key --no-armor=yes
83 -            generate-key --profile=rfc9580 --profile=rfc9580
19 -            generate-key --profile
0  alice.key    extract-cert
41 alice.cert   extract-cert
41 noise        extract-cert
41 -            extract-cert
67 locked.key   change-key-password
67 locked.key   change-key-password --old-key-password=wrong
0  locked.key   change-key-password --old-key-password=wrong --old-key-password=password
31 alice.key    change-key-password --new-key-password=noise
67 locked.key   revoke-key
0  locked.key   revoke-key --with-key-password=password
0  alice.key    update-key
67 locked.key   update-key
103 alice.key   update-key --merge-certs=revoked.cert
0  alice.cert   merge-certs bob.cert
41 alice.key    merge-certs
109 bob.cert    certify-userid --userid=bob --no-require-self-sig revoked.key
0  bob.cert     certify-userid --userid=bob --no-require-self-sig alice.key
107 bob.cert    certify-userid --userid=bob alice.key
67 bob.cert     certify-userid --userid=bob --no-require-self-sig locked.key
19 bob.cert     certify-userid alice.key
107 bob.cert    validate-userid bob@example.org alice.cert
0  bob.cert     validate-userid --addr-spec-only bob@example.org bob.cert
107 bob.cert    validate-userid --addr-spec-only eve@example.org bob.cert
37 bob.cert     validate-userid --validate-at=someday bob@example.org bob.cert
19 bob.cert     validate-userid bob@example.org
19 -            sign
61 -            sign nowhere
67 -            sign locked.key
67 -            sign --with-key-password=wrong locked.key
0  -            sign --with-key-password=wrong --with-key-password=password locked.key
41 -            sign alice.cert
41 -            sign signature
53 noise        sign --as=text alice.key
37 -            sign --as=mime alice.key
59 -            sign --micalg-out=noise alice.key
71 -            sign --micalg-out=@ENV:MICALG alice.key
71 -            sign @HARDWARE:1 
61 -            sign @ENV:NOWHERE
61 -            sign @FD:987
61 -            sign @FD:x
73 -            sign @ENV:THERE
0  -            sign -- alice.key
0  -            verify signature alice.cert
0  -            verify signature bob.cert alice.cert
3  -            verify signature bob.cert
3  -            verify signature revoked.cert
3  noise        verify signature alice.cert
3  -            verify --not-before=2026-11-23T12:00:01Z signature alice.cert
0  -            verify --not-before=2026-11-23T12:00:00Z signature alice.cert
3  -            verify --not-after=2026-11-23T11:59:59Z signature alice.cert
0  -            verify --not-before=- --not-after=- signature alice.cert
3  -            verify late.sig alice.cert
0  -            verify --not-after=- late.sig alice.cert
37 -            verify --not-after=tomorrow signature alice.cert
41 -            verify noise alice.cert
41 -            verify alice.cert alice.cert
41 -            verify signature alice.key
19 -            verify signature
0  -            encrypt alice.cert
0  -            encrypt --for=storage --profile=compatibility alice.cert bob.cert
19 -            encrypt
17 -            encrypt signer.cert
17 -            encrypt alice.cert revoked.cert
41 -            encrypt alice.key
53 noise        encrypt --as=text alice.cert
37 -            encrypt --with-password=password
37 -            encrypt --session-key-out=must-not-be alice.cert
37 -            encrypt --for=fun alice.cert
89 -            encrypt --profile=rfc4880 alice.cert
79 -            encrypt --sign-with=revoked.key alice.cert
0  sealed       decrypt alice.key
0  sealed       decrypt --with-key-password=password locked.key
67 sealed       decrypt locked.key
29 sealed       decrypt bob.key
41 inline       decrypt alice.key
41 noise        decrypt alice.key
41 sealed       decrypt alice.cert
19 sealed       decrypt
37 sealed       decrypt --with-password=password
23 sealed       decrypt --verify-with=bob.cert alice.key
23 sealed       decrypt --verifications-out=must-not-be alice.key
23 sealed       decrypt --verify-not-after=now alice.key
0  sealed       decrypt --verify-with=bob.cert --verify-out=none alice.key
59 sealed       decrypt --verify-with=bob.cert --verifications-out=noise alice.key
29 sealed       decrypt --verify-with=bob.cert --verifications-out=must-not-be bob.key
41 sealed       decrypt --with-session-key=noise alice.key
0  inline       inline-verify alice.cert
3  inline       inline-verify bob.cert
41 sealed       inline-verify alice.cert
41 -            inline-verify alice.cert
3  inline       inline-verify --verifications-out=must-not-be --not-after=2020-01-01T00:00:00Z alice.cert
19 inline       inline-detach
41 sealed       inline-detach --signatures-out=must-not-be
0  inline       inline-detach --signatures-out=detached --no-armor
83 -            inline-sign --as=clearsigned --no-armor alice.key
53 noise        inline-sign --as=clearsigned alice.key
41 -            armor
0  inline       armor
41 noise        dearmor
0  inline       dearmor
37 -            armor alice.cert
`
