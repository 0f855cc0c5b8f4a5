package web

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/keyring"
)

// maxAtOnce is the longest input in bytes that is imported as a whole; a longer file is a dump.
const maxAtOnce = 1 << 20

type importPage struct {
	Text, Sentence string
}

func importForm(v *visit) error {
	return v.show("import", "Import certificates", importPage{})
}

// readFields reads a streamed form up to its file.
func (v *visit) readFields() error {
	parts, err := v.r.MultipartReader()
	if err != nil {
		return err
	}
	v.r.PostForm = url.Values{}
	left := int64(importLimit)
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if part.FormName() == "file" {
			v.file = part
			return nil
		}
		value, err := io.ReadAll(http.MaxBytesReader(v.w, io.NopCloser(part), left))
		if err != nil {
			return err
		}
		left -= int64(len(value))
		v.r.PostForm.Add(part.FormName(), string(value))
	}
}

// importReport says what became of each block, and which of them wait for somebody's decision.
type importReport struct {
	gateway.ImportReport
	Count map[string]int
}

// importCertificates takes a file, a paste, or both, and reports on every block. A file that is longer than what is
// imported at once is a dump.
func importCertificates(v *visit) error {
	text := v.r.PostForm.Get("text")
	inputs, rest, err := v.uploaded()
	if err != nil {
		return err
	}
	if rest != nil {
		if strings.TrimSpace(text) != "" {
			return v.showImport(text, "This file is long, and imported on its own: empty the text field, or import the text first.")
		}
		return v.importDump(rest)
	}
	if strings.TrimSpace(text) != "" || len(inputs) == 0 {
		inputs = append(inputs, []byte(text))
	}
	var report gateway.ImportReport
	for _, input := range inputs {
		one, err := v.Gateway.ImportCertificates(v.r.Context(), v.actor(),
			gateway.ImportRequest{Input: input, Passphrase: []byte(v.secret("passphrase"))})
		if err != nil {
			if words := sentenceOf(err); words != "" {
				return v.showImport(text, words)
			}
			return err
		}
		report.Changes = append(report.Changes, one.Changes...)
		report.Reopened += one.Reopened
	}
	return v.show("imported", "Import report", importReport{report, countOutcomes(report.Changes)})
}

func (v *visit) showImport(text, words string) error {
	return v.render(http.StatusUnprocessableEntity, "import", "Import certificates", importPage{text, words})
}

func countOutcomes(changes []keyring.Change) map[string]int {
	count := map[string]int{}
	for _, c := range changes {
		count[string(c.Outcome)]++
	}
	return count
}

// uploaded is the file of the form: whole when it is short, else a reader of all of it.
func (v *visit) uploaded() (whole [][]byte, long io.Reader, err error) {
	if v.file == nil {
		return nil, nil, nil
	}
	head, err := io.ReadAll(io.LimitReader(v.file, maxAtOnce+1))
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("read upload: %w", err)
	case len(head) == 0: // no file was chosen
		return nil, nil, nil
	case len(head) > maxAtOnce:
		return nil, io.MultiReader(bytes.NewReader(head), v.file), nil
	}
	return [][]byte{head}, nil, nil
}

// uploadPatience is how long the upload of a dump may take; other forms have the server's own, shorter time.
const uploadPatience = 30 * time.Minute

// importDump keeps the whole dump in the spool first, because a browser shows no answer before it has sent everything,
// and then answers with a page that grows while the import goes on. Whoever leaves the page ends the import after the
// certificates that were reported; the same dump may be imported again.
func (v *visit) importDump(dump io.Reader) error {
	answer := http.NewResponseController(v.w)
	if err := answer.SetReadDeadline(time.Now().Add(uploadPatience)); err != nil {
		return fmt.Errorf("import dump: %w", err)
	}
	spooled, err := v.Spool.Create()
	if err != nil {
		return fmt.Errorf("import dump: %w", err)
	}
	defer spooled.Remove() // nobody can read it any more, whatever this says
	if _, err := io.Copy(spooled, dump); err != nil {
		return fmt.Errorf("import dump: %w", err)
	}
	r, err := spooled.Reader()
	if err != nil {
		return fmt.Errorf("import dump: %w", err)
	}
	defer r.Close()
	return v.reportDump(r, spooled.Size())
}
