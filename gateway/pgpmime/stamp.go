package pgpmime

import (
	"encoding/base64"
	"encoding/json"
	"mime"
	"strings"
)

// stampWidth is the most characters of the structured verdict on one folded line.
const stampWidth = 70

// stamp writes the verdict on top of a stripped message. Every field is ours; none holds text of the message.
func stamp(stripped Message, v Verdict, subject string) OpenedMessage {
	v = v.withWords()
	stamps := []field{
		line("Sealgate-Encryption", string(v.Encryption)),
		line("Sealgate-Signature", string(v.Signature)),
	}
	if v.Signer != "" {
		stamps = append(stamps, line("Sealgate-Signer", v.Signer))
	}
	stamps = append(stamps, verdictField(v))
	return OpenedMessage{Message: joined(Of(join(stamps, nil, nil)), stripped), Verdict: v, Subject: decodeWords(subject)}
}

// withLineEnds ends a last field that the message cut off without a line end, so that what follows stays apart.
func withLineEnds(fields []field) []field {
	if n := len(fields); n > 0 && !strings.HasSuffix(string(fields[n-1].raw), "\n") {
		last := fields[n-1]
		fields = append(fields[:n-1:n-1], field{name: last.name, raw: append(append([]byte{}, last.raw...), "\r\n"...)})
	}
	return fields
}

// longestVerdict is how many bytes of JSON the stamp holds. Where the tree of layers would make more it is left out.
const longestVerdict = 16 << 10

// verdictField is the whole verdict as base64url JSON, folded.
func verdictField(v Verdict) field {
	text, err := json.Marshal(v)
	if len(text) > longestVerdict {
		v.Layers = nil
		text, err = json.Marshal(v)
	}
	if err != nil { // strings and numbers only: cannot happen
		text = []byte("{}")
	}
	encoded := base64.RawURLEncoding.EncodeToString(text)
	var folded strings.Builder
	folded.WriteString("Sealgate-Verdict:")
	for len(encoded) > 0 {
		n := min(stampWidth, len(encoded))
		folded.WriteString("\r\n " + encoded[:n])
		encoded = encoded[n:]
	}
	folded.WriteString("\r\n")
	return field{name: "sealgate-verdict", raw: []byte(folded.String())}
}

// encodeWords encodes text for a header field (RFC 2047) where it is not plain ASCII.
func encodeWords(s string) string { return mime.QEncoding.Encode("utf-8", s) }
