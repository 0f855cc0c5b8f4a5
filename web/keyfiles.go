package web

import (
	"errors"
	"mime"
	"net/http"
	"strconv"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/groups"
)

// download answers with a file that the browser saves and never shows.
func (v *visit) download(f gateway.File) error {
	h := v.w.Header()
	h.Set("Content-Type", f.ContentType)
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": f.Name}))
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Content-Length", strconv.Itoa(len(f.Content)))
	v.w.Write(f.Content) // a reader that has gone needs no answer
	return nil
}

func downloadArmored(v *visit) error { return v.downloadCertificate(false) }
func downloadBinary(v *visit) error  { return v.downloadCertificate(true) }

func (v *visit) downloadCertificate(binary bool) error {
	form := gateway.ExportForm{Binary: binary, Minimal: v.r.URL.Query().Get("minimal") != ""}
	f, err := v.Gateway.ExportCertificate(v.r.Context(), v.actor(), v.r.PathValue("fingerprint"), form)
	if err != nil {
		return err
	}
	return v.download(f)
}

func secretForm(v *visit) error { return v.showSecretForm(http.StatusOK, "") }

func (v *visit) showSecretForm(status int, words string) error {
	c, err := v.Gateway.Certificate(v.r.Context(), v.actor(), v.r.PathValue("fingerprint"))
	if err != nil {
		return err
	}
	return v.render(status, "secret", "Download the secret key", certificatePage{Certificate: v.view(c), Sentence: words})
}

// downloadSecret asks the admin for the own password again: an open browser is not enough for a secret key.
func downloadSecret(v *visit) error {
	f, err := v.secretFile()
	if words := sentenceOf(err); words != "" {
		return v.showSecretForm(http.StatusUnprocessableEntity, words)
	}
	if err != nil {
		return err
	}
	return v.download(f)
}

func (v *visit) secretFile() (gateway.File, error) {
	if v.secret("passphrase") != v.secret("repeated") {
		return gateway.File{}, &gateway.Problem{Sentence: "The two passphrases differ; type the same one twice."}
	}
	if err := v.proveIdentity(v.secret("password")); err != nil {
		return gateway.File{}, err
	}
	passphrase := []byte(v.secret("passphrase"))
	defer clear(passphrase)
	return v.Gateway.ExportSecretKey(v.r.Context(), v.actor(), v.r.PathValue("fingerprint"), passphrase)
}

// proveIdentity checks the person's own password again, within the limits of logins.
func (v *visit) proveIdentity(password string) error {
	if !v.mayTryLogin(v.r, v.user.Name) {
		return &gateway.Problem{Sentence: "Too many wrong passwords; wait half a minute, then try again."}
	}
	_, err := v.Gateway.Login(v.r.Context(), v.user.Name, password, remoteOf(v.r))
	if errors.Is(err, groups.ErrLogin) {
		return &gateway.Problem{Sentence: "Your own password is wrong; type the one that you log in with."}
	}
	if err == nil {
		v.rightLogin(v.r, v.user.Name)
	}
	return err
}

// confirmPage asks before something is gone.
type confirmPage struct {
	Heading  string
	Subject  string   // what is deleted, in words
	Effects  []string // what goes with it or suffers
	Remedy   string   // what to do if it was a mistake
	Reason   bool     // whether a reason must be given
	Sentence string
	Back     string // where the person came from
	Button   string
}

func deleteCertificateForm(v *visit) error {
	fingerprint := v.r.PathValue("fingerprint")
	c, err := v.Gateway.Certificate(v.r.Context(), v.actor(), fingerprint)
	if err != nil {
		return err
	}
	dependents, err := v.Gateway.Dependents(v.r.Context(), v.actor(), fingerprint)
	if err != nil {
		return err
	}
	p := confirmPage{
		Heading: "Delete this certificate?", Subject: nameOf(c) + ", " + inFours(c.Fingerprint),
		Remedy: "A certificate can be imported again. To stop using it for now, block it instead.",
		Back:   "/keyring/" + c.Fingerprint, Button: "Delete the certificate",
	}
	for _, d := range dependents {
		p.Effects = append(p.Effects, sentence(d))
	}
	return v.show("confirm", p.Heading, p)
}

func deleteCertificate(v *visit) error {
	if err := v.Gateway.DeleteCertificate(v.r.Context(), v.actor(), v.r.PathValue("fingerprint")); err != nil {
		return err
	}
	return v.to("/keyring", "The certificate is deleted.")
}
