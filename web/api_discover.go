package web

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/keyring"
	"github.com/sealgate/sealgate/keyring/discover"
)

type discoverQuestion struct {
	Body struct {
		Address string `json:"address"`
	}
}

type askJSON struct {
	Source string `json:"source"`
	URL    string `json:"url"`
	Answer string `json:"answer" enum:"found,absent,failed,refused,later"`
	Why    string `json:"why,omitempty"`
}

type proposalJSON struct {
	Source      string `json:"source"`
	Fingerprint string `json:"fingerprint"`
	Outcome     string `json:"outcome" enum:"added,updated,unchanged,refused"`
	State       string `json:"state,omitempty"`
	Why         string `json:"why,omitempty"`
}

type discoverAnswer struct {
	Body struct {
		Asks      []askJSON      `json:"asks"`
		Proposals []proposalJSON `json:"proposals"`
	}
}

type lookupJSON struct {
	Address  string     `json:"address"`
	KeyID    string     `json:"key_id,omitempty" doc:"Of the signer that is looked for."`
	GroupID  string     `json:"group_id,omitempty" doc:"Whose mail asked first."`
	Waiting  bool       `json:"waiting"`
	Attempts int        `json:"attempts"`
	Due      *time.Time `json:"due,omitempty" doc:"When it is asked next, while it waits."`
	Asked    *time.Time `json:"asked,omitempty"`
	Asks     []askJSON  `json:"asks"`
}

type discoveryAnswer struct {
	Body struct {
		WKD       bool         `json:"wkd" doc:"The domains of addresses are asked."`
		Keyserver string       `json:"keyserver,omitempty"`
		Lookups   []lookupJSON `json:"lookups" doc:"What waits, then what was asked last, at most 100."`
	}
}

type approvalsQuestion struct {
	ID   string `path:"id"`
	Body struct {
		Sources []string `json:"sources" doc:"Among wkd, keyserver, autocrypt, attachment."`
	}
}

type approvalsAnswer struct {
	Body struct {
		Sources []string `json:"sources"`
	}
}

func (s *site) discoverAPI(api huma.API) {
	operation(s, api, "Discovery", http.MethodGet, "/discovery", "Say who is asked for certificates, and what was asked last", 0, s.apiDiscovery)
	operation(s, api, "DiscoverAddress", http.MethodPost, "/discovery", "Look for an address's certificate now", 0, s.apiDiscover)
	operation(s, api, "Approvals", http.MethodGet, "/groups/{id}/approvals", "List the sources that a group approves by itself", 0, s.apiApprovals)
	operation(s, api, "SetApprovals", http.MethodPut, "/groups/{id}/approvals", "Say which sources a group approves by itself", 0, s.apiSetApprovals)
}

func (s *site) apiDiscovery(ctx context.Context, a gateway.Actor, _ *nothing) (*discoveryAnswer, error) {
	status, err := s.Gateway.DiscoveryStatus(ctx, a)
	if err != nil {
		return nil, err
	}
	var out discoveryAnswer
	out.Body.WKD, out.Body.Keyserver = status.WKD, status.Keyserver
	out.Body.Lookups = listOf(status.Lookups, lookupOf).Body.Items
	return &out, nil
}

func lookupOf(l discover.Lookup) lookupJSON {
	j := lookupJSON{
		Address: l.Address(), KeyID: l.KeyID(), GroupID: l.GroupID, Waiting: l.Waiting, Attempts: l.Attempts,
		Asks: listOf(l.Asks, askOf).Body.Items,
	}
	if l.Waiting {
		j.Due = &l.Due
	}
	if !l.Asked.IsZero() {
		j.Asked = &l.Asked
	}
	return j
}

func askOf(k discover.Ask) askJSON {
	return askJSON{string(k.Source), k.URL, string(k.Answer), k.Why}
}

func (s *site) apiDiscover(ctx context.Context, a gateway.Actor, in *discoverQuestion) (*discoverAnswer, error) {
	report, err := s.Gateway.DiscoverAddress(ctx, a, in.Body.Address)
	if err != nil {
		return nil, err
	}
	var out discoverAnswer
	out.Body.Asks = listOf(report.Asks, askOf).Body.Items
	out.Body.Proposals = listOf(report.Proposals, func(p gateway.Proposal) proposalJSON {
		return proposalJSON{string(p.Source), p.Fingerprint, string(p.Outcome), string(p.State), p.Why}
	}).Body.Items
	return &out, nil
}

func (s *site) apiApprovals(ctx context.Context, a gateway.Actor, in *byID) (*approvalsAnswer, error) {
	sources, err := s.Gateway.Approvals(ctx, a, in.ID)
	if err != nil {
		return nil, err
	}
	var out approvalsAnswer
	out.Body.Sources = listOf(sources, func(s keyring.Source) string { return string(s) }).Body.Items
	return &out, nil
}

func (s *site) apiSetApprovals(ctx context.Context, a gateway.Actor, in *approvalsQuestion) (*nothing, error) {
	var sources []keyring.Source
	for _, name := range in.Body.Sources {
		sources = append(sources, keyring.Source(name))
	}
	return &nothing{}, s.Gateway.SetApprovals(ctx, a, in.ID, sources)
}
