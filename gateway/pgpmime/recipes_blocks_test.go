package pgpmime_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"html"
	"mime/quotedprintable"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/sealgate/sealgate/gateway/bed"
)

// kitchen makes messages from recipes.
type kitchen struct {
	all   testing.TB // programs that were started live as long as this test
	keys  caseKeys
	peers map[string]bed.OpenPGP
}

func newKitchen(t testing.TB) *kitchen {
	t.Helper()
	return &kitchen{all: t, keys: readCaseKeys(t), peers: map[string]bed.OpenPGP{}}
}

// make makes the message of a recipe.
func (k *kitchen) make(t testing.TB, r recipe) []byte {
	t.Helper()
	return []byte(k.expand(t, r.lines))
}

// expand replaces the blocks of a recipe, the inner ones first.
func (k *kitchen) expand(t testing.TB, lines []string) string {
	t.Helper()
	var out strings.Builder
	for i := 0; i < len(lines); i++ {
		order, is := strings.CutPrefix(lines[i], "@@ ")
		if !is {
			out.WriteString(lines[i] + "\r\n")
			continue
		}
		end := endOfOrder(t, lines, i)
		out.WriteString(k.block(t, newOrder(order), k.expand(t, lines[i+1:end])))
		i = end
	}
	return out.String()
}

// endOfOrder is the line that ends the block that begins at a line.
func endOfOrder(t testing.TB, lines []string, at int) int {
	depth := 0
	for i := at; i < len(lines); i++ {
		if lines[i] == "@@ end" {
			depth--
		} else if strings.HasPrefix(lines[i], "@@ ") {
			depth++
		}
		if depth == 0 {
			return i
		}
	}
	t.Fatalf("the block %q has no end", lines[at])
	return 0
}

// order is the first line of a block: what to do, for whom, and how.
type order struct {
	what    string
	who     []string
	options map[string]string
}

func newOrder(text string) order {
	words := strings.Fields(text)
	o := order{what: words[0], options: map[string]string{}}
	for _, w := range words[1:] {
		w = unescape(w)
		if name, value, is := strings.Cut(w, "="); is {
			o.options[name] = value
		} else {
			o.who = append(o.who, w)
		}
	}
	return o
}

// number is the one number of an order.
func (o order) number(t testing.TB) int {
	t.Helper()
	if len(o.who) != 1 {
		t.Fatalf("%s needs a number", o.what)
	}
	n, err := strconv.Atoi(o.who[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// at is when something is signed, by our own clock.
func (o order) at(t testing.TB) time.Time {
	t.Helper()
	if o.options["at"] == "" {
		return now
	}
	at, err := time.Parse(time.DateOnly, o.options["at"])
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// block makes one block of its content. Lines end with CRLF on both sides.
func (k *kitchen) block(t testing.TB, o order, content string) string {
	t.Helper()
	if program, what, is := strings.Cut(o.what, "-"); is && peerPrograms[program] != nil {
		o.what = what
		return k.byPeer(t, program, o, content)
	}
	for _, blocks := range []map[string]func(testing.TB, order, string) string{k.ownBlocks(), k.packetBlocks(), textBlocks} {
		if make := blocks[o.what]; make != nil {
			return make(t, o, content)
		}
	}
	t.Fatalf("nobody knows a block %q", o.what)
	return ""
}

// ownBlocks are made with the library that Sealgate uses too:
//
//	signed WHO…              a multipart/signed; hash=, type=, version=, at=, expires= as in signature
//	encrypted WHO…           a multipart/encrypted
//	sealed SIGNER WHO…       one that is signed inside
//	armored WHO…             the armored message alone; armored-sealed SIGNER WHO… likewise
//	clearsigned WHO          a text with a cleartext signature
//	detached WHO…            the armored signature alone
//	inline-signed WHO        an armored message that is signed and not encrypted; version= as in signature
//	literal, compressed N    an armored message that is neither
//	pgp-mime                 a multipart/encrypted around the armor in the block
func (k *kitchen) ownBlocks() map[string]func(testing.TB, order, string) string {
	return map[string]func(testing.TB, order, string) string{
		"signed": func(t testing.TB, o order, content string) string {
			entity := strings.TrimSuffix(content, "\r\n")
			return mimeSigned(entity, k.detached(t, o, entity))
		},
		"detached": func(t testing.TB, o order, content string) string {
			return k.detached(t, o, strings.TrimSuffix(content, "\r\n")) + "\r\n"
		},
		"encrypted": func(t testing.TB, o order, content string) string {
			return pgpMIME(k.encrypt(t, o, nil, o.who, content))
		},
		"sealed": func(t testing.TB, o order, content string) string {
			return pgpMIME(k.encrypt(t, o, k.entities(t, o.who[:1]), o.who[1:], content))
		},
		"armored": func(t testing.TB, o order, content string) string { return k.encrypt(t, o, nil, o.who, content) },
		"armored-sealed": func(t testing.TB, o order, content string) string {
			return k.encrypt(t, o, k.entities(t, o.who[:1]), o.who[1:], content)
		},
		"clearsigned":   func(t testing.TB, o order, content string) string { return k.clearsigned(t, o, content) },
		"inline-signed": func(t testing.TB, o order, content string) string { return k.inlineSigned(t, o, content) },
		"pgp-mime":      func(t testing.TB, _ order, content string) string { return pgpMIME(content) },
	}
}

// entities are the secret keys of people.
func (k *kitchen) entities(t testing.TB, names []string) (all []*openpgp.Entity) {
	t.Helper()
	for _, name := range names {
		if k.keys[name].entity == nil {
			t.Fatalf("there is nobody called %q", name)
		}
		all = append(all, k.keys[name].entity)
	}
	return all
}

// encrypt makes an armored encrypted message. hidden=yes leaves out who it is for, compress=yes compresses,
// chunks=small makes chunks of 64 bytes of what is SEIPDv2.
func (k *kitchen) encrypt(t testing.TB, o order, signers []*openpgp.Entity, to []string, content string) string {
	t.Helper()
	config := configAt(o.at(t))
	if o.options["compress"] != "" {
		config.DefaultCompressionAlgo = packet.CompressionZLIB
	}
	if o.options["chunks"] != "" {
		config.AEADConfig = &packet.AEADConfig{ChunkSize: 64}
	}
	visible, hidden := k.entities(t, to), []*openpgp.Entity(nil)
	if o.options["hidden"] != "" {
		visible, hidden = nil, visible
	}
	return crlfText(armored(t, func(b *bytes.Buffer) error {
		w, err := openpgp.Encrypt(b, visible, hidden, signers, nil, config)
		if err != nil {
			return err
		}
		return writeAll(w, content)
	}))
}

func crlfText(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n")
}

// textBlocks change text:
//
//	base64, quoted-printable, html    encoded
//	prefixed TEXT, suffixed TEXT      at each line; _ stands for a blank
//	repeated N                        N times, {N} counts
//	nested N                          inside N multiparts
//	twin                              a multipart/alternative with the text, and with a page that shows it
//	checksum none|wrong               armor without its checksum, or with one of another text
//	bare-lf                           line ends become LF
var textBlocks = map[string]func(testing.TB, order, string) string{
	"base64": func(_ testing.TB, _ order, content string) string {
		return inLines(base64.StdEncoding.EncodeToString([]byte(content)))
	},
	"quoted-printable": func(t testing.TB, _ order, content string) string {
		var b bytes.Buffer
		if err := writeAll(quotedprintable.NewWriter(&b), content); err != nil {
			t.Fatal(err)
		}
		return b.String()
	},
	"html": func(_ testing.TB, _ order, content string) string { return html.EscapeString(content) },
	"prefixed": func(_ testing.TB, o order, content string) string {
		return eachLine(content, strings.ReplaceAll(o.who[0], "_", " "), "")
	},
	"suffixed": func(_ testing.TB, o order, content string) string {
		return eachLine(content, "", strings.ReplaceAll(o.who[0], "_", " "))
	},
	"repeated": func(t testing.TB, o order, content string) string {
		var b strings.Builder
		for i := range o.number(t) {
			b.WriteString(strings.ReplaceAll(content, "{N}", fmt.Sprint(i+1)))
		}
		return b.String()
	},
	"nested": func(t testing.TB, o order, content string) string {
		for i := range o.number(t) {
			content = fmt.Sprintf("Content-Type: multipart/mixed; boundary=\"n%d\"\r\n\r\n--n%d\r\n%s--n%d--\r\n", i, i, content, i)
		}
		return content
	},
	"twin": func(_ testing.TB, _ order, content string) string {
		return "Content-Type: multipart/alternative; boundary=\"twin\"\r\n\r\n--twin\r\nContent-Type: text/plain\r\n\r\n" + content +
			"--twin\r\nContent-Type: text/html\r\n\r\n<html><body><pre>" + html.EscapeString(content) + "</pre></body></html>\r\n--twin--\r\n"
	},
	"checksum": func(_ testing.TB, o order, content string) string {
		other := map[string]string{"none": "", "wrong": "=aaaa\r\n"}[o.who[0]]
		return regexp.MustCompile(`(?m)^=[A-Za-z0-9+/]{4}\r\n`).ReplaceAllLiteralString(content, other)
	},
	"bare-lf": func(_ testing.TB, _ order, content string) string { return strings.ReplaceAll(content, "\r\n", "\n") },
}

func inLines(text string) string {
	var b strings.Builder
	for len(text) > 0 {
		n := min(76, len(text))
		b.WriteString(text[:n] + "\r\n")
		text = text[n:]
	}
	return b.String()
}

func eachLine(content, before, after string) string {
	var b strings.Builder
	for line := range strings.Lines(content) {
		b.WriteString(before + strings.TrimSuffix(line, "\r\n") + after + "\r\n")
	}
	return b.String()
}
