package mailbox

import (
	"bytes"
	"mime"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// structure describes a message for BODYSTRUCTURE. RFC 9051, section 7.5.2.
func (m *frozen) structure() imap.BodyStructure { return describe(m.root()) }

func describe(p *part) imap.BodyStructure {
	if len(p.parts) > 0 {
		return describeMultipart(p)
	}
	kind, params := p.kind, p.params
	if p.bounds {
		// A multipart without parts and a message without structure cannot be described.
		kind, params = "application/octet-stream", nil
	}
	main, sub, _ := strings.Cut(kind, "/")
	s := &imap.BodyStructureSinglePart{
		Type: main, Subtype: sub, Params: ascii(params),
		ID:          firstValue(p.header, "Content-ID"),
		Description: firstValue(p.header, "Content-Description"),
		Encoding:    encodingOf(p.header),
		Size:        uint32(len(p.body)),
		Extended: &imap.BodyStructureSinglePartExt{
			Disposition: dispositionOf(p.header), Language: languagesOf(p.header), Location: firstValue(p.header, "Content-Location"),
		},
	}
	lines := int64(bytes.Count(p.body, []byte("\n")))
	switch {
	case p.inner != nil:
		s.MessageRFC822 = &imap.BodyStructureMessageRFC822{
			Envelope: envelopeOf(p.inner.header), BodyStructure: describe(p.inner), NumLines: lines,
		}
	case kind == "message/rfc822" || kind == "message/global":
		// It is encoded, against RFC 2046, and so not cut: only its type can be said, not its structure.
		s.Type, s.Subtype = "application", "octet-stream"
	case main == "text":
		s.Text = &imap.BodyStructureText{NumLines: lines}
	}
	return s
}

func describeMultipart(p *part) imap.BodyStructure {
	s := &imap.BodyStructureMultiPart{
		Subtype: strings.TrimPrefix(p.kind, "multipart/"),
		Extended: &imap.BodyStructureMultiPartExt{
			Params: ascii(p.params), Disposition: dispositionOf(p.header),
			Language: languagesOf(p.header), Location: firstValue(p.header, "Content-Location"),
		},
	}
	for _, child := range p.parts {
		s.Children = append(s.Children, describe(child))
	}
	return s
}

func encodingOf(header []byte) string {
	if e := firstValue(header, "Content-Transfer-Encoding"); isToken(e) {
		return strings.ToLower(e)
	}
	return "7bit"
}

func dispositionOf(header []byte) *imap.BodyStructureDisposition {
	value := firstValue(header, "Content-Disposition")
	if value == "" {
		return nil
	}
	kind, params, err := mime.ParseMediaType(value)
	if err != nil {
		kind, _, _ = strings.Cut(value, ";")
		kind, params = strings.ToLower(strings.TrimSpace(kind)), nil
		if name := looseParam(value, "filename"); name != "" {
			params = map[string]string{"filename": name}
		}
	}
	if !isToken(kind) {
		return nil
	}
	return &imap.BodyStructureDisposition{Value: kind, Params: ascii(params)}
}

func languagesOf(header []byte) []string {
	var languages []string
	for _, l := range strings.Split(firstValue(header, "Content-Language"), ",") {
		if l = strings.TrimSpace(l); isToken(l) {
			languages = append(languages, l)
		}
	}
	return languages
}

// ascii makes parameter values fit for an IMAP string, as encoded words where they are more than ASCII.
func ascii(params map[string]string) map[string]string {
	converted := make(map[string]string, len(params))
	for k, v := range params {
		converted[k] = mime.QEncoding.Encode("utf-8", toUTF8([]byte(v)))
	}
	return converted
}
