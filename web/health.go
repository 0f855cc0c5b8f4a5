package web

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sealgate/sealgate/gateway"
)

// forecast shows what of the certificates will need a hand.
func forecast(v *visit) error {
	f, err := v.Gateway.Forecast(v.r.Context(), v.actor())
	if err != nil {
		return err
	}
	return v.show("forecast", "Forecast", f)
}

// endingBadge says how urgent the end of a certificate is.
func endingBadge(e gateway.EndingCertificate) badge {
	switch {
	case e.Successor != "":
		return badge{"quiet", "check", "Has a successor"}
	case e.Days < 0:
		return badge{"bad", "cross", "Ended"}
	case e.Days == 0:
		return badge{"bad", "clock", "Within a day"}
	case e.Days <= 7:
		return badge{"bad", "clock", counted(e.Days, "day", "days")}
	}
	return badge{"warn", "clock", strconv.Itoa(e.Days) + " days"}
}

// warnOwners sends what is due without waiting for the daily round.
func warnOwners(v *visit) error {
	r, err := v.Gateway.WarnOwners(v.r.Context(), v.actor())
	if err != nil {
		return err
	}
	return v.to("/keyring/forecast", warningsInWords(r))
}

func warningsInWords(r gateway.WarningReport) string {
	switch {
	case r.Failed > 0:
		return counted(r.Sent, "letter was", "letters were") + " sent, " + strconv.Itoa(r.Failed) +
			" could not be and will be tried again tomorrow; the activity log says why."
	case r.Sent > 0:
		return counted(r.Sent, "letter was", "letters were") + " sent."
	}
	return "No owner has anything new to hear of. Owners are named on the page of each group."
}

type forecastAnswer struct {
	Body struct {
		Ending  []endingJSON     `json:"ending" doc:"Approved certificates that stop being usable within 60 days, or did within the last 30."`
		Keyless []keylessJSON    `json:"keyless" doc:"Sender addresses of groups that nothing can be signed as, for another reason than an end above."`
		Missing []missingJSON    `json:"missing" doc:"Addresses written to in the last 30 days that nothing can be encrypted to."`
		Waiting []waitingKeyJSON `json:"waiting" doc:"Keys that articles wait for."`
	}
}

type endingJSON struct {
	Fingerprint string    `json:"fingerprint"`
	Addresses   []string  `json:"addresses"`
	Ends        time.Time `json:"ends"`
	Days        int       `json:"days" doc:"Whole days left; below zero when it has ended."`
	Own         bool      `json:"own"`
	Groups      []string  `json:"groups" doc:"Groups that write with it or wrote to it."`
	Successor   string    `json:"successor,omitempty" doc:"Fingerprint of the certificate that takes its place."`
	Sentence    string    `json:"sentence"`
}

type keylessJSON struct {
	Group    string `json:"group"`
	Address  string `json:"address"`
	Problem  string `json:"problem"`
	Held     bool   `json:"held" doc:"A secret key is held and cannot be used, as after a revocation."`
	Sentence string `json:"sentence"`
}

type missingJSON struct {
	Group    string    `json:"group"`
	Address  string    `json:"address"`
	Last     time.Time `json:"last"`
	Times    int       `json:"times"`
	Problem  string    `json:"problem"`
	Refused  bool      `json:"refused" doc:"The group's rules let no message to it leave."`
	Sentence string    `json:"sentence"`
}

type waitingKeyJSON struct {
	Group    string    `json:"group"`
	KeyID    string    `json:"key_id" doc:"16 hex digits; all zero for a reader who is not named."`
	Articles int       `json:"articles"`
	Closed   int       `json:"closed" doc:"How many of them wait to be opened; the others wait to be verified."`
	Since    time.Time `json:"since"`
	Sentence string    `json:"sentence"`
}

type warningsAnswer struct {
	Body struct {
		Sent   int `json:"sent" doc:"Letters."`
		Failed int `json:"failed" doc:"Letters that could not be sent; they are tried again."`
	}
}

func (s *site) healthAPI(api huma.API) {
	operation(s, api, "Forecast", http.MethodGet, "/forecast", "Tell what of the certificates will need a hand", 0,
		func(ctx context.Context, a gateway.Actor, _ *nothing) (*forecastAnswer, error) {
			f, err := s.Gateway.Forecast(ctx, a)
			if err != nil {
				return nil, err
			}
			return forecastJSON(f), nil
		})
	operation(s, api, "WarnOwners", http.MethodPost, "/forecast/warnings", "Send the owners of groups what is due", 0,
		func(ctx context.Context, a gateway.Actor, _ *nothing) (*warningsAnswer, error) {
			r, err := s.Gateway.WarnOwners(ctx, a)
			var out warningsAnswer
			out.Body.Sent, out.Body.Failed = r.Sent, r.Failed
			return &out, err
		})
}

func forecastJSON(f gateway.Forecast) *forecastAnswer {
	var out forecastAnswer
	out.Body.Ending = listOf(f.Ending, func(e gateway.EndingCertificate) endingJSON {
		j := endingJSON{
			Fingerprint: e.Fingerprint, Addresses: append([]string{}, e.Addresses()...), Ends: e.Ends, Days: e.Days, Own: e.Own,
			Groups: []string{}, Successor: e.Successor, Sentence: e.Sentence(),
		}
		for _, g := range e.Groups {
			j.Groups = append(j.Groups, g.Name)
		}
		return j
	}).Body.Items
	out.Body.Keyless = listOf(f.Keyless, func(k gateway.KeylessAddress) keylessJSON {
		return keylessJSON{k.Group.Name, k.Address, k.Problem, k.Held, k.Sentence()}
	}).Body.Items
	out.Body.Missing = listOf(f.Missing, func(m gateway.MissingCertificate) missingJSON {
		return missingJSON{m.Group.Name, m.Address, m.Last, m.Times, m.Problem, m.Refused, m.Sentence()}
	}).Body.Items
	out.Body.Waiting = listOf(f.Waiting, func(k gateway.WaitingKey) waitingKeyJSON {
		return waitingKeyJSON{k.Group.Name, k.KeyID, k.Articles, k.Closed, k.Since, k.Sentence()}
	}).Body.Items
	return &out
}
