package armor_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/sealgate/sealgate/gateway/pgpmime/armor"
	"pgregory.net/rapid"
)

// armored is b as we write it.
func armored(t testing.TB, b []byte) string {
	t.Helper()
	var out bytes.Buffer
	write(t, armor.NewWriter(&out, armor.Message), b, len(b)+1)
	return out.String()
}

// read reads the first armor in text.
func read(text string) ([]byte, error) {
	r, err := armor.NewReader(strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// TestRoundTrip: whatever is written in whatever pieces is read again, and the lines are as they must be.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var want, text bytes.Buffer
		w := armor.NewWriter(&text, armor.Signature)
		for _, piece := range rapid.SliceOfN(rapid.SampledFrom([]int{0, 1, 2, 47, 48, 49, 1000, 48 << 10, 100_000}), 0, 5).Draw(t, "pieces") {
			b := object(piece)
			want.Write(b)
			if n, err := w.Write(b); n != len(b) || err != nil {
				t.Fatalf("wrote %d, %v", n, err)
			}
		}
		if err := errors.Join(w.Close(), w.Close()); err != nil {
			t.Fatal(err)
		}
		checkLines(t, text.String())
		var source io.Reader = &text
		if rapid.Bool().Draw(t, "slow source") {
			source = iotest.HalfReader(&text)
		}
		r, err := armor.NewReader(source)
		if err != nil || r.Type() != armor.Signature {
			t.Fatalf("%v", err)
		}
		got, err := io.ReadAll(iotest.OneByteReader(io.LimitReader(r, 100)))
		more, moreErr := io.ReadAll(r)
		if err = errors.Join(err, moreErr); err != nil || !bytes.Equal(append(got, more...), want.Bytes()) {
			t.Fatalf("%d bytes, want %d: %v", len(got)+len(more), want.Len(), err)
		}
	})
}

// checkLines: CRLF, 64 characters but in the last line of data, and no armor headers.
func checkLines(t *rapid.T, text string) {
	lines := strings.SplitAfter(text, "\r\n")
	if len(lines) < 5 || lines[0] != "-----BEGIN PGP SIGNATURE-----\r\n" || lines[1] != "\r\n" || lines[len(lines)-1] != "" {
		t.Fatalf("%.100q", text)
	}
	data := lines[2 : len(lines)-3]
	for i, line := range data {
		if size := len(line) - 2; size > 64 || size == 0 || size != 64 && i < len(data)-1 {
			t.Fatalf("line %d has %d characters", i, size)
		}
	}
	if strings.Count(text, "\n") != strings.Count(text, "\r\n") {
		t.Fatal("a line ends with LF alone")
	}
}

func TestWhatIsWritten(t *testing.T) {
	for _, c := range []struct{ name, object, want string }{
		{"nothing", "", "=twTO\r\n"},
		{"the check value of CRC-24/OPENPGP, 21CF02", "123456789", "MTIzNDU2Nzg5\r\n=Ic8C\r\n"},
		{"padding", "a", "YQ==\r\n=8lcT\r\n"},
		{"a whole line", strings.Repeat("x", 48), strings.Repeat("eHh4", 16) + "\r\n=fbtj\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := "-----BEGIN PGP MESSAGE-----\r\n\r\n" + c.want + "-----END PGP MESSAGE-----\r\n"
			if got := armored(t, []byte(c.object)); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}

// TestChecksumOnlyForOlderReaders: RFC 9580, section 6.1, forbids it where every reader knows that RFC.
func TestChecksumOnlyForOlderReaders(t *testing.T) {
	for _, c := range []struct {
		name   string
		object string
		want   bool
	}{
		{"session key 3", "\xc1\x5e\x03", true},
		{"session key 6", "\xc1\x5e\x06", false},
		{"signature 4", "\xc2\x75\x04", true},
		{"signature 6, length of two bytes", "\xc2\xc0\x20\x06", false},
		{"certificate 6, length of five bytes", "\xc6\xff\x00\x00\x10\x00\x06", false},
		{"one-pass signature 6", "\xc4\x46\x06", false},
		{"integrity protected data 1, partial length", "\xd2\xe1\x01", true},
		{"integrity protected data 2, partial length", "\xd2\xe1\x02", false},
		{"integrity protected data 2, shortest partial length", "\xd2\xe0\x02", false},
		{"older packet format", "\x88\x75\x06", true},
		{"literal data", "\xcb\x06\x06", true},
		{"cut short", "\xc1\xff\x00\x00\x10\x00", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			write(t, armor.NewWriter(&out, armor.Message), []byte(c.object+strings.Repeat("x", 80)), 1)
			if strings.HasPrefix(c.name, "cut") {
				out.Reset()
				write(t, armor.NewWriter(&out, armor.Message), []byte(c.object), 1)
			}
			if has := strings.Contains(out.String(), "\r\n="); has != c.want {
				t.Errorf("checksum %t, want %t:\n%s", has, c.want, out.String())
			}
		})
	}
}

// TestFullDisk: an error of the destination is returned and stays.
func TestFullDisk(t *testing.T) {
	full := errors.New("full")
	w := armor.NewWriter(failing{full}, armor.Message)
	_, first := w.Write(make([]byte, 100_000))
	_, second := w.Write([]byte("more"))
	if third := w.Close(); !errors.Is(first, full) || !errors.Is(second, full) || !errors.Is(third, full) {
		t.Errorf("%v, %v, %v", first, second, third)
	}
	w = armor.NewWriter(failing{full}, armor.Message)
	if _, err := w.Write([]byte("few")); err != nil {
		t.Errorf("what is waiting: %v", err)
	}
	if err := w.Close(); !errors.Is(err, full) {
		t.Errorf("close: %v", err)
	}
	w = armor.NewWriter(io.Discard, armor.Message)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("late")); err == nil {
		t.Error("written after close")
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
