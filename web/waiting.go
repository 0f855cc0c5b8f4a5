package web

import (
	"strconv"
	"strings"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/keyring"
)

// rivalView is a certificate in use beside which another one waits.
type rivalView struct {
	Address     string
	Certificate certificateView
}

// waitingView is a certificate that waits for approval, beside what is in use for its addresses.
type waitingView struct {
	Certificate certificateView
	Rivals      []rivalView
	Unseen      []string
}

type waitingPage struct {
	Found          []waitingView
	Total          int64
	From, To       int
	Earlier, Later string // query strings
	Back           string // where a decision leads
}

// waitingPerPage is how many certificates one page compares.
const waitingPerPage = 20

// waitingCertificates shows what waits for approval, each beside the certificate that it would join.
func waitingCertificates(v *visit) error {
	q := v.r.URL.Query()
	offset, err := strconv.Atoi(q.Get("from"))
	if err != nil || offset < 0 {
		offset = 0
	}
	f := keyring.Filter{State: keyring.Proposed, Limit: waitingPerPage, Offset: offset}
	found, total, err := v.Gateway.Certificates(v.r.Context(), v.actor(), f)
	if err != nil {
		return err
	}
	p := waitingPage{Total: total, From: offset + 1, To: offset + len(found), Back: "/keyring/waiting"}
	if p.Found, err = v.besideRivals(found); err != nil {
		return err
	}
	if offset > 0 {
		p.Earlier = withValue(q, "from", strconv.Itoa(max(0, offset-waitingPerPage)))
	}
	if int64(p.To) < total && len(found) > 0 {
		p.Later = withValue(q, "from", strconv.Itoa(p.To))
	}
	return v.show("waiting", "Waiting for approval", p)
}

// besideRivals looks up what is in use for the addresses of these certificates.
func (v *visit) besideRivals(waiting []*keyring.Certificate) ([]waitingView, error) {
	rivals, err := v.Gateway.Rivals(v.r.Context(), v.actor(), waiting)
	if err != nil {
		return nil, err
	}
	seen, err := v.Gateway.Sightings(v.r.Context(), v.actor(), waiting)
	if err != nil {
		return nil, err
	}
	var all []waitingView
	for _, c := range waiting {
		w := waitingView{Certificate: v.view(c), Unseen: gateway.Unseen(seen[c.Fingerprint])}
		for _, r := range rivals[c.Fingerprint] {
			w.Rivals = append(w.Rivals, rivalView{r.Address, v.view(r.Certificate)})
		}
		all = append(all, w)
	}
	return all, nil
}

// waitingInWords says what became of the articles that waited for a key.
func waitingInWords(r gateway.WaitingReport) string {
	words := ""
	switch {
	case r.Waited == 0:
		return "No article waits for a key."
	case r.Reopened == 1:
		words = "1 article was opened and appears anew at the top."
	case r.Reopened > 1:
		words = strconv.Itoa(r.Reopened) + " articles were opened and appear anew at the top."
	}
	if left := r.Waited - r.Reopened - r.Failed; left > 0 {
		words += " " + counted(left, "article waits", "articles wait") + " on: the keys that are held do not open more. Import the missing key first."
	}
	if r.Failed > 0 {
		words += " " + strconv.Itoa(r.Failed) + " could not be tried; the log says why."
	}
	return strings.TrimSpace(words)
}
