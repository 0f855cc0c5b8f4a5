package gateway

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/sealgate/sealgate/gateway/archive"
	"github.com/sealgate/sealgate/gateway/pgpmime"
)

// openArrived opens a message that arrives and judges its DKIM signatures, which were made over it as it is, at the same
// time.
func (g *Gateway) openArrived(ctx context.Context, groupID string, message []byte) (pgpmime.Opened, DomainSignatures, error) {
	verified := make(chan DomainSignatures, 1)
	go func() { verified <- g.verifyDomains(ctx, message) }()
	opened, err := g.open(ctx, groupID, message)
	domains := <-verified
	if err != nil {
		return opened, nil, err
	}
	return g.withResults(opened, domains), domains, nil
}

// withResults puts an Authentication-Results field of our own name on top (RFC 8601), where that is wanted. All others of
// that name were stripped when the message was opened.
func (g *Gateway) withResults(opened pgpmime.Opened, domains DomainSignatures) pgpmime.Opened {
	if !g.AuthenticationResults {
		return opened
	}
	var results []string
	for _, r := range domains {
		results = append(results, r.String())
	}
	if domains != nil && len(domains) == 0 {
		results = append(results, "dkim=none")
	}
	results = append(results, openpgpResult(opened.Verdict))
	field := "Authentication-Results: " + g.Domain + ";\r\n\t" + strings.Join(results, ";\r\n\t") + "\r\n"
	opened.Message = append([]byte(field), opened.Message...)
	return opened
}

// openpgpResult is the verdict about the signature as RFC 7281 has it for S/MIME. No method is registered for OpenPGP;
// readers skip those that they do not know.
func openpgpResult(v pgpmime.Verdict) string {
	value := "policy" // it holds, but does not count
	switch v.Signature {
	case pgpmime.SignatureNone, "":
		return "openpgp=none"
	case pgpmime.Good:
		return "openpgp=pass body.fingerprint=" + v.Signer
	case pgpmime.Bad:
		value = "fail"
	case pgpmime.UnknownKey, pgpmime.Unsupported, pgpmime.SignatureMalformed:
		value = "neutral"
	}
	return "openpgp=" + value + ` reason="` + string(v.Signature) + `"`
}

// arrivedVerdict is what is stored of a message that arrived.
type arrivedVerdict struct {
	pgpmime.Verdict
	DKIM DomainSignatures `json:"dkim,omitzero"`
}

// domainsOf reads what the DKIM signatures of an article said when it arrived.
func domainsOf(article archive.Article) DomainSignatures {
	var v arrivedVerdict
	if article.Direction != archive.In || json.Unmarshal([]byte(article.Verdict), &v) != nil {
		return nil
	}
	return v.DKIM
}
