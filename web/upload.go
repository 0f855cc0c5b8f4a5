package web

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/keyring"
)

// uploadPage is the question before an upload, or what the keyserver said after it.
type uploadPage struct {
	Certificate certificateView
	Keyserver   string
	Report      *gateway.UploadReport // nil before
	Sentence    string
}

func uploadForm(v *visit) error { return v.showUpload(nil, "") }

func upload(v *visit) error {
	report, err := v.Gateway.UploadCertificate(v.r.Context(), v.actor(), v.r.PathValue("fingerprint"), "")
	if words := sentenceOf(err); words != "" {
		return v.showUpload(nil, words)
	}
	if err != nil {
		return err
	}
	return v.showUpload(&report, "")
}

func (v *visit) showUpload(report *gateway.UploadReport, words string) error {
	c, err := v.Gateway.Certificate(v.r.Context(), v.actor(), v.r.PathValue("fingerprint"))
	if err != nil {
		return err
	}
	status := http.StatusOK
	if words != "" {
		status = http.StatusUnprocessableEntity
	}
	p := uploadPage{Certificate: v.view(c), Keyserver: v.Gateway.Publishing.Keyserver, Report: report, Sentence: words}
	return v.render(status, "upload", "Upload to a keyserver", p)
}

// uploadBadge is what a keyserver made of an address.
func uploadBadge(status string) badge {
	switch status {
	case "published":
		return badge{"ok", "check", "Found by it"}
	case "pending":
		return badge{"warn", "mail", "Wait for the mail"}
	case "revoked":
		return badge{"bad", "cross", "Revoked"}
	}
	return badge{"quiet", "dash", "Not found by it"}
}

// publishAPI is what everybody may read of our certificates, for those who manage them, and uploads.
func (s *site) publishAPI(api huma.API) {
	operation(s, api, "UploadCertificate", http.MethodPost, "/certificates/{fingerprint}/upload", "Upload a certificate of ours to a keyserver", 0, s.apiUpload)
	operation(s, api, "AllPublished", http.MethodGet, "/published", "What everybody may read of our certificates, by address", 0, s.apiPublished)
}

type uploadQuestion struct {
	Fingerprint string `path:"fingerprint"`
	Body        struct {
		Keyserver string `json:"keyserver,omitempty" doc:"https://HOST of a keyserver with the VKS interface; missing: the configured one."`
	}
}

type uploadAnswer struct {
	Body struct {
		Keyserver   string         `json:"keyserver"`
		Fingerprint string         `json:"fingerprint"`
		Addresses   []uploadedJSON `json:"addresses"`
	}
}

type uploadedJSON struct {
	Address string `json:"address"`
	Status  string `json:"status" enum:"published,pending,unpublished,revoked"`
	Words   string `json:"words" doc:"What it means, and what to do."`
}

func (s *site) apiUpload(ctx context.Context, a gateway.Actor, in *uploadQuestion) (*uploadAnswer, error) {
	report, err := s.Gateway.UploadCertificate(ctx, a, in.Fingerprint, in.Body.Keyserver)
	if err != nil {
		return nil, err
	}
	var out uploadAnswer
	out.Body.Keyserver, out.Body.Fingerprint, out.Body.Addresses = report.Keyserver, report.Fingerprint, []uploadedJSON{}
	for _, u := range report.Addresses {
		out.Body.Addresses = append(out.Body.Addresses, uploadedJSON{u.Address, u.Status, u.Sentence()})
	}
	return &out, nil
}

type publishedJSON struct {
	Address     string   `json:"address"`
	Fingerprint string   `json:"fingerprint,omitempty" doc:"Missing: there is no certificate of ours."`
	Problem     string   `json:"problem,omitempty" doc:"Why nobody can encrypt to it now."`
	Revoked     []string `json:"revoked,omitempty" doc:"Fingerprints of certificates that are published as revoked."`
	Page        string   `json:"page,omitempty" doc:"Path of the public page. Missing: pages are switched off."`
	Advanced    string   `json:"advanced,omitempty" doc:"Place in the web key directory. Missing: it is switched off."`
	Direct      string   `json:"direct,omitempty" doc:"The same by the direct method."`
}

func (s *site) apiPublished(ctx context.Context, _ gateway.Actor, _ *nothing) (*list[publishedJSON], error) {
	all, err := s.Gateway.AllPublished(ctx)
	if err != nil {
		return nil, err
	}
	return listOf(all, s.publishedJSON), nil
}

func (s *site) publishedJSON(p gateway.Published) publishedJSON {
	j := publishedJSON{Address: p.Address, Problem: string(p.Reason)}
	if p.Certificate != nil {
		j.Fingerprint = p.Certificate.Fingerprint
	}
	j.Revoked = fingerprintsOf(p.Revoked)
	if s.Gateway.Publishing.Page {
		j.Page = publicPath(p.Address)
	}
	if s.Gateway.Publishing.WKD {
		j.Advanced, j.Direct = p.Locations()
	}
	return j
}

func fingerprintsOf(all []*keyring.Certificate) []string {
	var fingerprints []string
	for _, c := range all {
		fingerprints = append(fingerprints, c.Fingerprint)
	}
	return fingerprints
}
