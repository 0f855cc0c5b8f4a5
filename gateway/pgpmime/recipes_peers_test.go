package pgpmime_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/gateway/bed"
)

// peerPrograms are the programs that a recipe may name: what must be installed for each.
var peerPrograms = map[string][]string{
	"gpg": {"gpg", "gpgconf"}, "sq": {"sq"}, "sqop": {"sqop"}, "rnp": {"rnp", "rnpkeys"}, "gosop": {"gosop"},
	"pgpainless": {"pgpainless-cli"}, "openpgpjs": {"openpgpjs"},
}

// peer returns a program, which is started once.
func (k *kitchen) peer(t testing.TB, name string) bed.OpenPGP {
	t.Helper()
	bed.Need(t, peerPrograms[name]...)
	if k.peers[name] == nil {
		k.peers[name] = map[string]func() bed.OpenPGP{
			"gpg":        func() bed.OpenPGP { return bed.NewGPGWithKeys(k.all) },
			"sq":         func() bed.OpenPGP { return bed.NewSQ(k.all) },
			"sqop":       func() bed.OpenPGP { return bed.NewSOP(k.all, "sqop") },
			"gosop":      func() bed.OpenPGP { return bed.NewSOP(k.all, "gosop") },
			"pgpainless": func() bed.OpenPGP { return bed.NewSOP(k.all, "pgpainless-cli") },
			"rnp":        func() bed.OpenPGP { return bed.NewRNP(k.all) },
			"openpgpjs":  func() bed.OpenPGP { return bed.NewOpenPGPJS(k.all) },
		}[name]()
	}
	return k.peers[name]
}

// byPeer lets another program do a block, whose name it precedes: gpg-signed alice. The forms are those of ownBlocks:
// signed, encrypted, sealed, armored, armored-sealed, detached, and clearsigned for gpg and the SOP programs. For gpg,
// options are its own: gpg-armored desk --throw-keyids. rnp-armored-ocb writes the packet of LibrePGP.
func (k *kitchen) byPeer(t testing.TB, program string, o order, content string) string {
	t.Helper()
	p := k.peer(t, program)
	var options, who []string
	for _, word := range o.who {
		if strings.HasPrefix(word, "--") {
			options = append(options, word)
		} else {
			who = append(who, word)
		}
	}
	for name, value := range o.options {
		options = append(options, name, value)
	}
	if g, is := p.(*bed.GPGWithKeys); is {
		p = gpgWithOptions{g, t, options}
	}
	entity := strings.TrimSuffix(content, "\r\n")
	switch o.what {
	case "signed":
		return mimeSigned(entity, strings.TrimSuffix(k.peerDetached(t, p, who[0], entity), "\r\n"))
	case "detached":
		return k.peerDetached(t, p, who[0], entity)
	case "encrypted":
		return pgpMIME(k.peerEncrypted(t, p, "", who, content))
	case "sealed":
		return pgpMIME(k.peerEncrypted(t, p, who[0], who[1:], content))
	case "armored":
		return k.peerEncrypted(t, p, "", who, content)
	case "armored-sealed":
		return k.peerEncrypted(t, p, who[0], who[1:], content)
	case "armored-ocb":
		message, err := p.(*bed.RNP).EncryptAEAD("OCB", []byte(content), nil, k.keys[who[0]].certificate)
		return made(t, message, err)
	case "sealed-ocb":
		message, err := p.(*bed.RNP).EncryptAEAD("OCB", []byte(content), k.keys[who[0]].secret, k.keys[who[1]].certificate)
		return pgpMIME(made(t, message, err))
	case "clearsigned":
		return k.peerClearsigned(t, p, who[0], entity)
	}
	t.Fatalf("%s does not do %s", program, o.what)
	return ""
}

// made is what a program made, with line ends for mail.
func made(t testing.TB, armor []byte, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return crlfText(strings.TrimRight(string(armor), "\r\n") + "\n")
}

func (k *kitchen) peerDetached(t testing.TB, p bed.OpenPGP, who, content string) string {
	t.Helper()
	signature, err := p.Sign([]byte(content), k.keys[who].secret)
	return made(t, signature, err)
}

func (k *kitchen) peerEncrypted(t testing.TB, p bed.OpenPGP, signer string, to []string, content string) string {
	t.Helper()
	var secret []byte
	if signer != "" {
		secret = k.keys[signer].secret
	}
	var certificates [][]byte
	for _, name := range to {
		certificates = append(certificates, k.keys[name].certificate)
	}
	message, err := p.Encrypt([]byte(content), secret, certificates...)
	return made(t, message, err)
}

func (k *kitchen) peerClearsigned(t testing.TB, p bed.OpenPGP, who, content string) string {
	t.Helper()
	switch p := p.(type) {
	case *bed.SOP:
		text, err := p.InlineSign([]byte(content), k.keys[who].secret, "clearsigned")
		return made(t, text, err)
	case gpgWithOptions:
		text, err := p.do(k.keys[who].secret, nil, []byte(content), "--clear-sign")
		return made(t, text, err)
	}
	t.Fatalf("%T does not clearsign", p)
	return ""
}

// gpgWithOptions is gpg with options of a recipe.
type gpgWithOptions struct {
	*bed.GPGWithKeys
	t       testing.TB
	options []string
}

// Sign implements bed.OpenPGP.
func (g gpgWithOptions) Sign(plain, key []byte) ([]byte, error) {
	return g.do(key, nil, plain, "--detach-sign")
}

// Encrypt implements bed.OpenPGP.
func (g gpgWithOptions) Encrypt(plain, signer []byte, certificates ...[]byte) ([]byte, error) {
	if signer == nil {
		return g.do(nil, certificates, plain, "--encrypt")
	}
	return g.do(signer, certificates, plain, "--encrypt", "--sign")
}

func (g gpgWithOptions) do(signer []byte, to [][]byte, plain []byte, orders ...string) ([]byte, error) {
	args := append([]string{"--armor"}, g.options...)
	if signer != nil {
		args = append(args, "--local-user", g.hold(signer))
	}
	for _, certificate := range to {
		args = append(args, "--recipient", g.hold(certificate))
	}
	out, _, err := g.Try(g.t, plain, append(args, orders...)...)
	return out, err
}

// hold imports a key and returns its fingerprint.
func (g gpgWithOptions) hold(key []byte) string {
	g.Run(g.t, key, "--import")
	return fmt.Sprintf("%X", readCertificate(g.t, key).PrimaryKey.Fingerprint)
}
