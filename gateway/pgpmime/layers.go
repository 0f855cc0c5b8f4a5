package pgpmime

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sealgate/sealgate/gateway/pgpmime/pgp"
)

// The kinds of layers.
const (
	KindEncrypted       = "encrypted"        // multipart/encrypted, or a shape repaired to it
	KindSigned          = "signed"           // multipart/signed
	KindInlineEncrypted = "inline-encrypted" // armor in a text
	KindClearsigned     = "clearsigned"      // a cleartext signature in a text (RFC 9580, section 7)
	KindAttachment      = "attachment"       // an encrypted file
	KindSidecar         = "sidecar"          // a file with a signature beside it
)

// Layer is one place where OpenPGP was found, for those who want detail. Its words speak for that place only: whether
// the whole message deserves them is the Verdict's to say. Layers are those that were found inside.
type Layer struct {
	Kind       string           `json:"kind"`
	Part       string           `json:"part,omitempty"` // which part of what is around it, as in IMAP; "" for the whole
	Encryption Encryption       `json:"encryption,omitempty"`
	Signature  Signature        `json:"signature,omitempty"`
	Container  string           `json:"container,omitempty"` // SEIPDv1, SEIPDv2, OCB (GnuPG's packet 20), SED
	Cipher     string           `json:"cipher,omitempty"`
	KeyIDs     []string         `json:"key_ids,omitempty"` // of the recipients, 16 upper-case hex digits
	Signatures []LayerSignature `json:"signatures,omitempty"`
	Repaired   string           `json:"repaired,omitempty"` // name of the mangled shape
	Limit      string           `json:"limit,omitempty"`    // name of the limit that was hit
	Reason     string           `json:"reason,omitempty"`   // one sentence for people, free of input text
	Layers     []Layer          `json:"layers,omitempty"`
}

// LayerSignature is one signature of a layer.
type LayerSignature struct {
	Signature Signature `json:"signature"`
	Version   int       `json:"version,omitempty"`
	Signer    string    `json:"signer,omitempty"` // fingerprint of the certificate, upper-case hex
	KeyID     string    `json:"key_id,omitempty"` // of the key that signed
	Algorithm string    `json:"algorithm,omitempty"`
	Hash      string    `json:"hash,omitempty"`
	SignedAt  int64     `json:"signed_at,omitempty"`  // Unix seconds
	MatchedID string    `json:"matched_id,omitempty"` // the address of the user ID that equals From
	Reason    string    `json:"reason,omitempty"`
}

// maxLayers bounds the layers that are looked at in one message, each of which may cost a decryption.
const maxLayers = 50

// encryptedLayer says what became of one encrypted message.
func encryptedLayer(kind, part string, d pgp.Decryption) Layer {
	return Layer{
		Kind: kind, Part: part, Encryption: Encryption(d.Outcome), Container: d.Container, Cipher: d.Cipher,
		KeyIDs: d.KeyIDs, Limit: d.Limit, Reason: d.Reason,
	}
}

// judged puts signatures into a layer, with the word of the best one.
func (l *Layer) judged(signatures []LayerSignature) {
	l.Signatures = signatures
	best := strongest(signatures)
	l.Signature = best.Signature
	if l.Reason == "" {
		l.Reason = best.Reason
	}
}

// strongest is the signature that speaks: of several the strongest, and only for its own signer.
func strongest(signatures []LayerSignature) LayerSignature {
	best := LayerSignature{Signature: SignatureMalformed}
	for _, s := range signatures {
		if s.strength() >= best.strength() {
			best = s
		}
	}
	return best
}

// Gist is the verdict in words only, that of each layer among them: two openings with the same gist found the same.
func (v Verdict) Gist() string {
	v = v.withWords()
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", v.Encryption, v.Signature)
	writeGist(&b, v.Layers)
	return b.String()
}

func writeGist(b *strings.Builder, layers []Layer) {
	for _, l := range layers {
		fmt.Fprintf(b, "; %s %s %s %s", l.Kind, l.Part, l.Encryption, l.Signature)
		writeGist(b, l.Layers)
	}
}

// Flat is the tree of layers as a list, each with its depth, for those who show it.
func (v Verdict) Flat() []FlatLayer { return flat(nil, v.Layers, 0) }

// FlatLayer is a layer in a list.
type FlatLayer struct {
	Depth int
	Layer
}

func flat(list []FlatLayer, layers []Layer, depth int) []FlatLayer {
	for _, l := range layers {
		list = flat(append(list, FlatLayer{depth, l}), l.Layers, depth+1)
	}
	return list
}

// String is the layer in plain words: what it is, where, and what became of it.
func (l Layer) String() string {
	words := []string{l.name()}
	if l.Part != "" {
		words[0] += " in part " + l.Part
	}
	if l.Encryption != "" {
		words[0] += ": " + string(l.Encryption)
	}
	if with := nonEmpty(l.Container, l.Cipher); len(with) > 0 {
		words[0] += " (" + strings.Join(with, ", ") + ")"
	}
	for _, s := range l.Signatures {
		words = append(words, "signature "+string(s.Signature)+" ("+strings.Join(nonEmpty(s.Algorithm, s.Hash, s.KeyID), ", ")+")")
	}
	if l.Repaired != "" {
		words = append(words, "repaired: "+l.Repaired)
	}
	if l.Limit != "" {
		words = append(words, "over the limit: "+l.Limit)
	}
	return strings.Join(words, "; ")
}

func (l Layer) name() string {
	switch l.Kind {
	case KindEncrypted:
		return "Encrypted"
	case KindSigned:
		return "Signed"
	case KindInlineEncrypted:
		return "Encrypted text"
	case KindClearsigned:
		return "Signed text"
	case KindAttachment:
		return "Encrypted file"
	case KindSidecar:
		return "File with a signature"
	}
	return "OpenPGP"
}

func nonEmpty(texts ...string) []string {
	return slices.DeleteFunc(texts, func(t string) bool { return t == "" })
}
