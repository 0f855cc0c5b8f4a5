package web

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/keyring"
)

type ruleJSON struct {
	Target      string    `json:"target" doc:"A mail address, or a domain."`
	Fingerprint string    `json:"fingerprint"`
	Since       time.Time `json:"since"`
}

type rulesAnswer struct {
	Body struct {
		Rules      []ruleJSON `json:"rules"`
		TagDomains []string   `json:"tag_domains" doc:"Domains whose +tags are ignored; * stands for all."`
	}
}

type pinQuestion struct {
	Target string `path:"target" doc:"A mail address; or a domain, for its addresses that have no certificate."`
	Body   struct {
		Fingerprint string `json:"fingerprint"`
	}
}

type byTarget struct {
	Target string `path:"target"`
}

type byDomain struct {
	Domain string `path:"domain" doc:"A domain, or * for all."`
}

type rivalJSON struct {
	Address     string `json:"address"`
	Fingerprint string `json:"fingerprint"`
}

type waitingCertificateJSON struct {
	certificateJSON
	InUse  []rivalJSON `json:"in_use" doc:"Other certificates that are in use for its addresses."`
	Unseen []string    `json:"unseen,omitempty" doc:"What to think of it, when mail has not shown it for more than 35 days."`
}

type waitingAnswer struct {
	Body struct {
		Items []waitingCertificateJSON `json:"items"`
		Total int64                    `json:"total"`
	}
}

type pageQuestion struct {
	Limit  int `query:"limit" minimum:"1" maximum:"500" default:"100"`
	Offset int `query:"offset" minimum:"0"`
}

// keyRulesAPI is about which certificate is used for whom.
func (s *site) keyRulesAPI(api huma.API) {
	operation(s, api, "CertificateRules", http.MethodGet, "/certificate-rules", "List pins, domain rules, and where +tags are ignored", 0, s.apiRules)
	operation(s, api, "PinCertificate", http.MethodPut, "/certificate-rules/{target}", "Use a certificate for an address or a domain", 0,
		func(ctx context.Context, a gateway.Actor, in *pinQuestion) (*nothing, error) {
			return &nothing{}, s.Gateway.PinCertificate(ctx, a, in.Target, in.Body.Fingerprint)
		})
	operation(s, api, "UnpinCertificate", http.MethodDelete, "/certificate-rules/{target}", "Take a pin or a domain rule back", 0,
		func(ctx context.Context, a gateway.Actor, in *byTarget) (*nothing, error) {
			return &nothing{}, s.Gateway.UnpinCertificate(ctx, a, in.Target)
		})
	operation(s, api, "IgnoreTags", http.MethodPut, "/tag-domains/{domain}", "Look addresses up without their +tag", 0, s.apiTags(true))
	operation(s, api, "CountTags", http.MethodDelete, "/tag-domains/{domain}", "Look addresses up as they are written", 0, s.apiTags(false))
	operation(s, api, "WaitingCertificates", http.MethodGet, "/certificates/waiting", "List what waits for approval, with what is in use beside it", 0, s.apiWaiting)
	operation(s, api, "ImportDump", http.MethodPost, "/certificates/dump", "Import a keyring dump of any length, armored or binary", dumpLimit, s.apiDump)
}

func (s *site) apiRules(ctx context.Context, a gateway.Actor, _ *nothing) (*rulesAnswer, error) {
	rules, err := s.Gateway.CertificateRules(ctx, a, "")
	if err != nil {
		return nil, err
	}
	domains, err := s.Gateway.TagDomains(ctx, a)
	if err != nil {
		return nil, err
	}
	var out rulesAnswer
	out.Body.Rules = listOf(rules, func(r keyring.Rule) ruleJSON { return ruleJSON(r) }).Body.Items
	out.Body.TagDomains = append([]string{}, domains...)
	return &out, nil
}

func (s *site) apiTags(ignore bool) func(context.Context, gateway.Actor, *byDomain) (*nothing, error) {
	return func(ctx context.Context, a gateway.Actor, in *byDomain) (*nothing, error) {
		return &nothing{}, s.Gateway.IgnoreTags(ctx, a, in.Domain, ignore)
	}
}

func (s *site) apiWaiting(ctx context.Context, a gateway.Actor, in *pageQuestion) (*waitingAnswer, error) {
	found, total, err := s.Gateway.Certificates(ctx, a, keyring.Filter{State: keyring.Proposed, Limit: in.Limit, Offset: in.Offset})
	if err != nil {
		return nil, err
	}
	rivals, err := s.Gateway.Rivals(ctx, a, found)
	if err != nil {
		return nil, err
	}
	seen, err := s.Gateway.Sightings(ctx, a, found)
	if err != nil {
		return nil, err
	}
	var out waitingAnswer
	out.Body.Total = total
	out.Body.Items = listOf(found, func(c *keyring.Certificate) waitingCertificateJSON {
		beside := listOf(rivals[c.Fingerprint], func(r gateway.Rival) rivalJSON { return rivalJSON{r.Address, r.Certificate.Fingerprint} })
		return waitingCertificateJSON{s.certificateJSON(c), beside.Body.Items, gateway.Unseen(seen[c.Fingerprint])}
	}).Body.Items
	return &out, nil
}

// dumpQuestion is a dump as the body itself. It is read as a stream, so the API does not look at it.
type dumpQuestion struct {
	dump io.Reader
}

// Resolve implements huma.Resolver.
func (q *dumpQuestion) Resolve(ctx huma.Context) []error {
	q.dump = ctx.BodyReader()
	return nil
}

type dumpAnswer struct {
	Body struct {
		Seen     int            `json:"seen"`
		Count    map[string]int `json:"count" doc:"By outcome."`
		Waiting  int            `json:"waiting" doc:"Added, but waiting for approval because another certificate is in use."`
		Reopened int            `json:"reopened" doc:"Articles that waited for these keys and were opened."`
		Changes  []changeJSON   `json:"changes" doc:"What was refused or waits, at most 500."`
		Unnamed  int            `json:"unnamed" doc:"How many more were refused or wait."`
	}
}

// apiDump imports as it reads. Secret keys that are protected by a passphrase are refused here: they are imported alone.
func (s *site) apiDump(ctx context.Context, a gateway.Actor, in *dumpQuestion) (*dumpAnswer, error) {
	t := newTally(0)
	if err := s.tallyDump(ctx, a, io.LimitReader(in.dump, dumpLimit), "", t, ctx.Err); err != nil {
		return nil, err
	}
	if n, _ := in.dump.Read(make([]byte, 1)); n > 0 {
		return nil, &gateway.Problem{Sentence: "Only the first 256 MiB were imported: split the dump, and send the rest."}
	}
	var out dumpAnswer
	out.Body.Seen, out.Body.Count, out.Body.Waiting = t.Seen, t.Count, len(t.Waiting)
	out.Body.Reopened, out.Body.Unnamed = t.Reopened, t.Unnamed
	out.Body.Changes = listOf(t.Rows, changeJSONOf).Body.Items
	return &out, nil
}
