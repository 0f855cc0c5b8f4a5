package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/keyring"
	"github.com/sealgate/sealgate/keyring/discover"
)

type discoverPage struct {
	Address  string
	Sentence string
	Report   *gateway.DiscoveryReport // of the address that was asked for
	Status   gateway.DiscoveryStatus
	Groups   []approvalRow
}

// approvalRow is a group with the sources that it may approve by itself.
type approvalRow struct {
	ID, Name string
	Sources  []sourceChoice
}

type sourceChoice struct {
	Source keyring.Source
	On     bool
}

func discoverForm(v *visit) error { return v.showDiscover(http.StatusOK, discoverPage{}) }

func (v *visit) showDiscover(status int, p discoverPage) error {
	ctx := v.r.Context()
	var err error
	if p.Status, err = v.Gateway.DiscoveryStatus(ctx, v.actor()); err != nil {
		return err
	}
	all, err := v.Gateway.AllApprovals(ctx, v.actor())
	if err != nil {
		return err
	}
	for _, g := range all {
		row := approvalRow{ID: g.ID, Name: g.Name}
		for _, s := range discover.Sources() {
			if discover.CanApprove(s) {
				row.Sources = append(row.Sources, sourceChoice{s, slices.Contains(g.Sources, s)})
			}
		}
		p.Groups = append(p.Groups, row)
	}
	return v.render(status, "discover", "Discovery", p)
}

// Keyserver is the host of the keyserver that is asked.
func (p discoverPage) Keyserver() string {
	_, host, _ := strings.Cut(p.Status.Keyserver, "://")
	return strings.TrimSuffix(host, "/")
}

// answerBadge is what became of one question.
func answerBadge(a discover.Answer) badge {
	switch a {
	case discover.Found:
		return badge{"ok", "check", "Found"}
	case discover.Absent:
		return badge{"quiet", "dash", "Has none"}
	case discover.Refused:
		return badge{"warn", "alert", "Not asked"}
	case discover.Later:
		return badge{"warn", "clock", "Asked later"}
	}
	return badge{"bad", "cross", "No answer to use"}
}

// lookupBadge is how a lookup stands: what its best question brought.
func lookupBadge(l discover.Lookup) badge {
	if l.Waiting {
		return badge{"quiet", "clock", "Waits"}
	}
	best := discover.Absent
	for _, ask := range l.Asks {
		if ask.Answer == discover.Found {
			return answerBadge(discover.Found)
		}
		if ask.Answer != discover.Absent {
			best = ask.Answer
		}
	}
	return answerBadge(best)
}

// choiceInWords is what a group ticks to have a source approved by itself.
func choiceInWords(s keyring.Source) string {
	switch s {
	case keyring.WKD:
		return "Web key directory of the address's domain"
	case keyring.Keyserver:
		return "Keyserver"
	case keyring.Autocrypt:
		return "Autocrypt field of the sender's mail"
	case keyring.Attachment:
		return "Attached to the sender's mail"
	}
	return string(s)
}

// serverInWords is who was asked.
func serverInWords(s keyring.Source) string {
	if s == keyring.WKD {
		return "web key directory"
	}
	return string(s)
}

func onOffBadge(on bool) badge {
	if on {
		return badge{"ok", "check", "Asked"}
	}
	return badge{"quiet", "dash", "Not asked"}
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
