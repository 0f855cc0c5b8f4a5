package keyring

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

func scanAll(t testing.TB, r io.Reader) (items []*Item) {
	t.Helper()
	err := Scan(r, noon(), func(i *Item) error { items = append(items, i); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return items
}

// TestScanReadsWhatParseReads: certificates one after another, in one block or several, armored or not.
func TestScanReadsWhatParseReads(t *testing.T) {
	var binary, blocks bytes.Buffer
	for i := range 5 {
		public := newKeyAt(t, lastYear(), fmt.Sprint("Person ", i), fmt.Sprintf("p%d@example.org", i)).public()
		binary.Write(public)
		armored, err := encodeArmor(openpgp.PublicKeyType, public)
		if err != nil {
			t.Fatal(err)
		}
		blocks.WriteString("Dear desk,\n\n")
		blocks.Write(armored)
	}
	one, err := encodeArmor(openpgp.PublicKeyType, binary.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	for name, input := range map[string][]byte{"binary": binary.Bytes(), "one block": one, "five blocks": blocks.Bytes()} {
		t.Run(name, func(t *testing.T) {
			items := scanAll(t, bytes.NewReader(input))
			if len(items) != 5 {
				t.Fatalf("%d items", len(items))
			}
			for i, item := range items {
				if item.Err != nil || item.Index != i+1 || item.Certificate.UserIDs[0].Address != fmt.Sprintf("p%d@example.org", i) {
					t.Errorf("item %d: %+v", i, item)
				}
			}
		})
	}
}

// TestScanGoesOnAfterAHugeCertificate: one with too many certifications is refused by size alone, its neighbours are
// taken; a cut file loses only its last certificate.
func TestScanGoesOnAfterAHugeCertificate(t *testing.T) {
	good := ann(t).public()
	junk := rawPacket{tagSignature, bytes.Repeat([]byte{4}, 170)}.appendTo(nil)
	input := append(append(append([]byte{}, good...), bytes.Repeat(junk, 20_000)...), good...)
	items := scanAll(t, bytes.NewReader(input[:len(input)-1]))
	items = append(items, scanAll(t, bytes.NewReader(input))...)
	var words []string
	for _, item := range items {
		if item.Err == nil {
			words = append(words, "taken")
		} else {
			words = append(words, strings.Join(strings.Fields(item.Err.Error())[:5], " "))
		}
	}
	want := "this certificate is larger than|this block is cut off|this certificate is larger than|taken"
	if got := strings.Join(words, "|"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// endless is n octets of noise that were never in memory.
type endless struct{ n int }

func (e *endless) Read(b []byte) (int, error) {
	if e.n <= 0 {
		return 0, io.EOF
	}
	n := min(len(b), e.n)
	for i := range b[:n] {
		b[i] = byte('a' + (e.n-i)%23)
		if (e.n-i)%70 == 0 {
			b[i] = '\n'
		}
	}
	e.n -= n
	return n, nil
}

// TestScanRefusesNoiseInLittleMemory: 50 MB of text, of one endless line after another, and one packet that says it is 4 GB.
func TestScanRefusesNoiseInLittleMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	if err := Scan(&endless{50 << 20}, noon(), func(*Item) error { return nil }); err == nil {
		t.Error("50 MB of noise were taken")
	}
	huge := io.MultiReader(bytes.NewReader([]byte{0xc6, 0xff, 0xff, 0xff, 0xff, 0xff}), &endless{50 << 20})
	if items := scanAll(t, huge); len(items) != 1 || items[0].Err == nil {
		t.Errorf("a packet of 4 GB: %v", items)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 8<<20 {
		t.Errorf("%d octets are still held", grown)
	}
}

func FuzzScan(f *testing.F) {
	k := newKeyAt(f, time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), "Ann", "ann@example.org").public()
	armored, err := encodeArmor(openpgp.PublicKeyType, k)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(k)
	f.Add(armored)
	f.Add([]byte{0xc6, 0xe1, 4, 4, 0})
	f.Fuzz(func(t *testing.T, input []byte) {
		last := 0
		_ = Scan(bytes.NewReader(input), noon(), func(i *Item) error {
			if last++; i.Index != last || (i.Err == nil) == (i.Certificate == nil) {
				t.Errorf("item %d of %d: %v, %v", i.Index, last, i.Certificate, i.Err)
			}
			return nil
		})
	})
}
