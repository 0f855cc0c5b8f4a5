package pgpmime

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"

	"github.com/sealgate/sealgate/gateway/pgpmime/pgp"
)

// payload is what is protected: the content of a message with the header that is protected with it, 7-bit, CRLF. It is
// written as it is read, so that it is never whole in memory.
type payload struct {
	*protecting
	root   placed
	header []field // of the message, to be protected
	err    error
}

// errorOf prefers an error of the content to what a writer around it made of it.
func (c *payload) errorOf(err error) error {
	if c.err != nil {
		return c.err
	}
	return err
}

// WriteTo implements io.WriterTo.
func (c *payload) WriteTo(w io.Writer) (int64, error) {
	n := &counter{w: w}
	content := contentFields(c.root.fields)
	if c.Attach != nil {
		c.err = c.withCertificate(n, content)
	} else {
		c.err = c.writeRoot(n, content)
	}
	return n.n, c.err
}

// counter counts what is written.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// writeRoot writes the content with the protected header in front.
func (c *payload) writeRoot(w io.Writer, content []field) error {
	content, err := asciiFields(content)
	if err != nil {
		return err
	}
	if len(named(content, "content-type")) > 1 {
		return fmt.Errorf("%w: a part has more than one Content-Type", ErrMalformed)
	}
	marked, err := c.marked(first(content, "content-type"))
	if err != nil {
		return err
	}
	return sevenBit(w, c.root, append(c.header[:len(c.header):len(c.header)], replace(content, marked)...))
}

// marked is the root's Content-Type with the mark of header protection.
func (c *payload) marked(contentType string) (field, error) {
	value, err := withHP(contentType, c.Protection.encrypts())
	return field{name: "content-type", raw: []byte("Content-Type: " + value + lineEnd)}, err
}

// withCertificate writes the content and an attached certificate.
func (c *payload) withCertificate(w io.Writer, content []field) error {
	name, armored, err := certificateAttachment(c.Attach)
	if err != nil {
		return fmt.Errorf("attach certificate: %w", err)
	}
	boundary, err := newBoundary(c.Random)
	if err != nil {
		return err
	}
	root, err := c.marked("multipart/mixed; boundary=\"" + boundary + "\"")
	if err != nil {
		return err
	}
	if err := writeHeader(w, append(c.header[:len(c.header):len(c.header)], root)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "--%s\r\n", boundary); err != nil {
		return err
	}
	if err := sevenBit(w, c.root, content); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "\r\n--%s\r\nContent-Type: application/pgp-keys\r\nContent-Disposition: %s\r\n\r\n%s\r\n--%s--\r\n",
		boundary, dispositionAttachment(name), armored, boundary)
	return err
}

// dispositionAttachment is the Content-Disposition of a file.
func dispositionAttachment(name string) string {
	if d := mime.FormatMediaType("attachment", map[string]string{"filename": name}); d != "" {
		return d
	}
	return "attachment"
}

// isOneText tells whether a message is one text and nothing else.
func isOneText(root placed) bool {
	return root.mediaType == "text/plain" && len(named(root.fields, "content-type")) <= 1 && !root.isAttachment() && root.end-root.body <= maxInline
}

// inline protects a message that is one text as inline PGP: armor takes the place of the text. Its header is not
// protected.
func (p *protecting) inline(root placed, fields []field) (Outgoing, error) {
	content, err := root.content().Bytes()
	if err != nil {
		return Outgoing{}, err
	}
	text := toUTF8(decodeTransfer(root.encoding(), crlf(content)), root.params["charset"])
	armored, err := p.inlineText([]byte(text))
	if err != nil {
		return Outgoing{}, err
	}
	outer := append(withMIMEVersion(p.withAutocrypt(fields)), line("Content-Type", "text/plain; charset=utf-8"))
	out := p.ws.sink()
	err = sevenBitLeaf(out, textBody{Of(armored), true}, outer, "8bit", true)
	m, failed := out.message()
	if err = errors.Join(err, failed); err != nil {
		return Outgoing{}, err
	}
	if err := hasForm(p.Protection, m); err != nil {
		return Outgoing{}, fmt.Errorf("protect: %w", err)
	}
	return p.outgoing(m), nil
}

// inlineText is the armor that takes the place of a text.
func (p *protecting) inlineText(text []byte) ([]byte, error) {
	var out bytes.Buffer
	if p.Protection == Signed {
		err := pgp.Clearsign(&out, bytes.TrimRight(text, "\r\n"), p.writing())
		out.WriteString(lineEnd)
		return crlf(out.Bytes()), err
	}
	err := pgp.EncryptArmored(&out, Of(text), p.writing())
	return out.Bytes(), err
}
