package web

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/dkim"
)

type dkimKeyJSON struct {
	Domain    string     `json:"domain"`
	Selector  string     `json:"selector"`
	Algorithm string     `json:"algorithm" enum:"rsa,ed25519"`
	Origin    string     `json:"origin" enum:"generated,imported"`
	Active    bool       `json:"active" doc:"It signs."`
	Used      bool       `json:"used" doc:"A group writes as an address of the domain."`
	Name      string     `json:"name" doc:"Owner name of the TXT record to publish."`
	Record    string     `json:"record" doc:"Text of the TXT record to publish."`
	Finding   string     `json:"finding,omitempty" doc:"What the last look at the DNS saw. Missing: nobody looked."`
	Words     string     `json:"words" doc:"The same in a sentence, and what to do."`
	Checked   *time.Time `json:"checked,omitempty"`
	Created   time.Time  `json:"created"`
}

func dkimKeyJSONOf(k gateway.DKIMKey) dkimKeyJSON {
	j := dkimKeyJSON{
		Domain: k.Domain, Selector: k.Selector, Algorithm: k.Algorithm, Origin: k.Origin, Active: k.Active, Used: k.Used,
		Name: k.Record.Name(), Record: k.Record.Value(), Finding: k.Finding, Words: k.Sentence(), Created: k.Created,
	}
	if !k.Checked.IsZero() {
		j.Checked = &k.Checked
	}
	return j
}

type dkimName struct {
	Domain   string `path:"domain"`
	Selector string `path:"selector"`
}

type dkimGenerateQuestion struct {
	Body struct {
		Domain   string `json:"domain"`
		Selector string `json:"selector,omitempty" doc:"Missing: made from the day. Those of two keys made at once end with their kind."`
		Kind     string `json:"kind,omitempty" enum:"both,rsa,ed25519" default:"both"`
	}
}

type dkimImportQuestion struct {
	Domain   string `path:"domain"`
	Selector string `path:"selector"`
	Body     struct {
		Key string `json:"key" doc:"Secret key in PEM form, not locked. It is sealed and never shown again."`
	}
}

type dkimActivateQuestion struct {
	Domain   string `path:"domain"`
	Selector string `path:"selector"`
	Unseen   bool   `query:"unseen" doc:"Even if the record was not seen in the DNS."`
}

// dkimAPI is about the keys that sign for our domains. A secret key never leaves.
func (s *site) dkimAPI(api huma.API) {
	g := s.Gateway
	operation(s, api, "DKIMKeys", http.MethodGet, "/dkim", "List the keys that sign for our domains (DKIM)", 0,
		func(ctx context.Context, a gateway.Actor, _ *nothing) (*list[dkimKeyJSON], error) {
			return dkimKeyList(g.DKIMKeys(ctx, a))
		})
	operation(s, api, "GenerateDKIMKeys", http.MethodPost, "/dkim/generate", "Make keys for a domain, which sign nothing until they are activated", 0,
		func(ctx context.Context, a gateway.Actor, in *dkimGenerateQuestion) (*list[dkimKeyJSON], error) {
			n := gateway.NewDKIMKey{Domain: in.Body.Domain, Selector: in.Body.Selector}
			if in.Body.Kind != "both" {
				n.Algorithm = dkim.Algorithm(in.Body.Kind)
			}
			return dkimKeyList(g.GenerateDKIMKeys(ctx, a, n))
		})
	operation(s, api, "ImportDKIMKey", http.MethodPut, "/dkim/{domain}/{selector}", "Take over a key from another server", 0,
		func(ctx context.Context, a gateway.Actor, in *dkimImportQuestion) (*body[dkimKeyJSON], error) {
			return dkimKeyAnswer(g.ImportDKIMKey(ctx, a, in.Domain, in.Selector, []byte(in.Body.Key)))
		})
	operation(s, api, "DKIMKey", http.MethodGet, "/dkim/{domain}/{selector}", "Show a key with its record", 0,
		func(ctx context.Context, a gateway.Actor, in *dkimName) (*body[dkimKeyJSON], error) {
			return dkimKeyAnswer(g.DKIMKey(ctx, a, in.Domain, in.Selector))
		})
	operation(s, api, "CheckDKIMKey", http.MethodPost, "/dkim/{domain}/{selector}/check", "Look whether the DNS has the record of a key", 0,
		func(ctx context.Context, a gateway.Actor, in *dkimName) (*body[dkimKeyJSON], error) {
			return dkimKeyAnswer(g.CheckDKIMKey(ctx, a, in.Domain, in.Selector))
		})
	operation(s, api, "ActivateDKIMKey", http.MethodPost, "/dkim/{domain}/{selector}/activate", "Sign with a key from now on", 0,
		func(ctx context.Context, a gateway.Actor, in *dkimActivateQuestion) (*body[dkimKeyJSON], error) {
			return dkimKeyAnswer(g.ActivateDKIMKey(ctx, a, in.Domain, in.Selector, in.Unseen))
		})
	operation(s, api, "DeactivateDKIMKey", http.MethodPost, "/dkim/{domain}/{selector}/deactivate", "Sign with a key no more", 0,
		func(ctx context.Context, a gateway.Actor, in *dkimName) (*body[dkimKeyJSON], error) {
			return dkimKeyAnswer(g.DeactivateDKIMKey(ctx, a, in.Domain, in.Selector))
		})
	operation(s, api, "DeleteDKIMKey", http.MethodDelete, "/dkim/{domain}/{selector}", "Delete a key that is not active, with its secret", 0,
		func(ctx context.Context, a gateway.Actor, in *dkimName) (*nothing, error) {
			return &nothing{}, g.DeleteDKIMKey(ctx, a, in.Domain, in.Selector)
		})
}

func dkimKeyList(keys []gateway.DKIMKey, err error) (*list[dkimKeyJSON], error) {
	if err != nil {
		return nil, err
	}
	return listOf(keys, dkimKeyJSONOf), nil
}

func dkimKeyAnswer(k gateway.DKIMKey, err error) (*body[dkimKeyJSON], error) {
	if err != nil {
		return nil, err
	}
	return &body[dkimKeyJSON]{dkimKeyJSONOf(k)}, nil
}

// dkimResultJSON is what one DKIM signature of a message said when it arrived.
type dkimResultJSON struct {
	Result   string `json:"result" enum:"pass,fail,neutral,temperror,permerror"`
	Domain   string `json:"domain,omitempty"`
	Selector string `json:"selector,omitempty"`
	Reason   string `json:"reason,omitempty"`
}

func dkimResultJSONOf(r dkim.Result) dkimResultJSON {
	return dkimResultJSON{string(r.Value), r.Domain, r.Selector, r.Reason}
}
