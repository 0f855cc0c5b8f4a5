package web

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
	"github.com/sealgate/sealgate/keyring/discover"
)

type discoverPage struct {
	Address  string
	Sentence string
	Report   *gateway.DiscoveryReport // of the address that was asked for
	Lookups  []discover.Lookup
	Groups   []approvalRow
}

// approvalRow is a group with the sources that it may approve by itself.
type approvalRow struct {
	groups.Group
	Sources []sourceChoice
}

type sourceChoice struct {
	Source keyring.Source
	On     bool
}

func discoverForm(v *visit) error { return v.showDiscover(http.StatusOK, discoverPage{}) }

func (v *visit) showDiscover(status int, p discoverPage) error {
	ctx := v.r.Context()
	var err error
	if p.Lookups, err = v.Gateway.Lookups(ctx, v.actor()); err != nil {
		return err
	}
	all, err := v.Gateway.ListGroups(ctx, v.actor())
	if err != nil {
		return err
	}
	for _, g := range all {
		on, err := v.Gateway.Approvals(ctx, v.actor(), g.ID)
		if err != nil {
			return err
		}
		row := approvalRow{Group: g}
		for _, s := range discover.Sources() {
			if discover.CanApprove(s) {
				row.Sources = append(row.Sources, sourceChoice{s, slices.Contains(on, s)})
			}
		}
		p.Groups = append(p.Groups, row)
	}
	return v.render(status, "discover", "Discovery", p)
}

// discoverAddress asks the servers now.
func discoverAddress(v *visit) error {
	p := discoverPage{Address: v.field("address")}
	report, err := v.Gateway.DiscoverAddress(v.r.Context(), v.actor(), p.Address)
	if err != nil {
		if p.Sentence = sentenceOf(err); p.Sentence == "" {
			return err
		}
		return v.showDiscover(http.StatusUnprocessableEntity, p)
	}
	p.Report = &report
	return v.showDiscover(http.StatusOK, p)
}

func saveApprovals(v *visit) error {
	var sources []keyring.Source
	for _, s := range v.r.PostForm["source"] {
		sources = append(sources, keyring.Source(s))
	}
	if err := v.Gateway.SetApprovals(v.r.Context(), v.actor(), v.r.PathValue("id"), sources); err != nil {
		if words := sentenceOf(err); words != "" {
			return v.showDiscover(http.StatusUnprocessableEntity, discoverPage{Sentence: words})
		}
		return err
	}
	return v.to("/discovery", "The sources are saved.")
}

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

type approvalsQuestion struct {
	ID   string `path:"id"`
	Body struct {
		Sources []string `json:"sources" doc:"Among wkd, keyserver, autocrypt, attachment."`
	}
}

func (s *site) discoverAPI(api huma.API) {
	operation(s, api, "DiscoverAddress", http.MethodPost, "/discovery", "Look for an address's certificate now", 0, s.apiDiscover)
	operation(s, api, "SetApprovals", http.MethodPut, "/groups/{id}/approvals", "Say which sources a group approves by itself", 0,
		func(ctx context.Context, a gateway.Actor, in *approvalsQuestion) (*nothing, error) {
			var sources []keyring.Source
			for _, name := range in.Body.Sources {
				sources = append(sources, keyring.Source(name))
			}
			return &nothing{}, s.Gateway.SetApprovals(ctx, a, in.ID, sources)
		})
}

func (s *site) apiDiscover(ctx context.Context, a gateway.Actor, in *discoverQuestion) (*discoverAnswer, error) {
	report, err := s.Gateway.DiscoverAddress(ctx, a, in.Body.Address)
	if err != nil {
		return nil, err
	}
	var out discoverAnswer
	out.Body.Asks = listOf(report.Asks, func(k discover.Ask) askJSON {
		return askJSON{string(k.Source), k.URL, string(k.Answer), k.Why}
	}).Body.Items
	out.Body.Proposals = listOf(report.Proposals, func(p gateway.Proposal) proposalJSON {
		return proposalJSON{string(p.Source), p.Fingerprint, string(p.Outcome), string(p.State), p.Why}
	}).Body.Items
	return &out, nil
}
