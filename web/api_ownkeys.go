package web

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/keyring"
)

// ownKeyAPI changes keys of ours. Secret keys and revocations made in advance leave by page and command line only: a
// token is no fresh login.
func (s *site) ownKeyAPI(api huma.API) {
	operation(s, api, "GenerateKey", http.MethodPost, "/certificates/generate", "Generate a key for an address of ours", 0, s.apiGenerate)
	operation(s, api, "ExtendKey", http.MethodPut, "/certificates/{fingerprint}/expiry", "Let a key of ours end on another day", 0, s.apiExtend)
	operation(s, api, "AddSubkey", http.MethodPost, "/certificates/{fingerprint}/subkeys", "Give a key of ours another subkey", 0, s.apiAddSubkey)
	operation(s, api, "RetireSubkey", http.MethodPost, "/certificates/{fingerprint}/subkeys/{subkey}/retire", "Retire a subkey of a key of ours", 0, s.apiRetireSubkey)
	operation(s, api, "RevokeKey", http.MethodPost, "/certificates/{fingerprint}/revoke", "End a key of ours for good", 0, s.apiRevoke)
	operation(s, api, "Dependents", http.MethodGet, "/certificates/{fingerprint}/dependents", "What would suffer if a certificate were deleted", 0, s.apiDependents)
}

type generateQuestion struct {
	Body struct {
		Kind      string     `json:"kind,omitempty" enum:"curve25519,rsa3072,rsa4096,v6" default:"curve25519"`
		Name      string     `json:"name"`
		Address   string     `json:"address"`
		Until     *time.Time `json:"until,omitempty" doc:"Missing: three years from now, unless never."`
		Never     bool       `json:"never,omitempty" doc:"The key never expires."`
		Confirmed bool       `json:"confirmed,omitempty" doc:"Make it even if the address has a usable key already, or no group writes as it."`
	}
}

func (s *site) apiGenerate(ctx context.Context, a gateway.Actor, in *generateQuestion) (*body[certificateJSON], error) {
	k := gateway.NewKey{Kind: keyring.Kind(in.Body.Kind), Name: in.Body.Name, Address: in.Body.Address, Never: in.Body.Never, Confirmed: in.Body.Confirmed}
	if in.Body.Until != nil {
		k.Until = *in.Body.Until
	}
	return s.certificateAnswer(s.Gateway.GenerateKey(ctx, a, k))
}

type keyChangeAnswer struct {
	Body struct {
		Changes     []string        `json:"changes" doc:"What it brought, in words."`
		Certificate certificateJSON `json:"certificate"`
	}
}

func (s *site) keyChange(ctx context.Context, a gateway.Actor, change keyring.Change, err error) (*keyChangeAnswer, error) {
	if err != nil {
		return nil, err
	}
	c, err := s.Gateway.Certificate(ctx, a, change.Fingerprint)
	if err != nil {
		return nil, err
	}
	var out keyChangeAnswer
	out.Body.Changes, out.Body.Certificate = change.Details, s.certificateJSON(c)
	return &out, nil
}

type extendQuestion struct {
	Fingerprint string `path:"fingerprint"`
	Body        struct {
		Until *time.Time `json:"until,omitempty"`
		Never bool       `json:"never,omitempty"`
	}
}

func (s *site) apiExtend(ctx context.Context, a gateway.Actor, in *extendQuestion) (*keyChangeAnswer, error) {
	if (in.Body.Until == nil) != in.Body.Never {
		return nil, &gateway.Problem{Sentence: "Give either until, a time, or never: true."}
	}
	var until time.Time
	if in.Body.Until != nil {
		until = *in.Body.Until
	}
	change, err := s.Gateway.ExtendKey(ctx, a, in.Fingerprint, until)
	return s.keyChange(ctx, a, change, err)
}

type subkeyQuestion struct {
	Fingerprint string `path:"fingerprint"`
	Body        struct {
		Use  string `json:"use" enum:"sign,encrypt"`
		Days int    `json:"days,omitempty" minimum:"0" maximum:"36500" doc:"0: it ends with the certificate."`
	}
}

func (s *site) apiAddSubkey(ctx context.Context, a gateway.Actor, in *subkeyQuestion) (*keyChangeAnswer, error) {
	change, err := s.Gateway.AddSubkey(ctx, a, in.Fingerprint, keyring.Use(in.Body.Use), time.Duration(in.Body.Days)*24*time.Hour)
	return s.keyChange(ctx, a, change, err)
}

type retireQuestion struct {
	Fingerprint string `path:"fingerprint"`
	Subkey      string `path:"subkey" doc:"Fingerprint or key id."`
}

func (s *site) apiRetireSubkey(ctx context.Context, a gateway.Actor, in *retireQuestion) (*keyChangeAnswer, error) {
	change, err := s.Gateway.RetireSubkey(ctx, a, in.Fingerprint, in.Subkey)
	return s.keyChange(ctx, a, change, err)
}

type revokeQuestion struct {
	Fingerprint string `path:"fingerprint"`
	Body        struct {
		Reason string `json:"reason" enum:"superseded,retired,compromised,no reason"`
		Text   string `json:"text,omitempty" maxLength:"200" doc:"Public words beside the reason."`
	}
}

func (s *site) apiRevoke(ctx context.Context, a gateway.Actor, in *revokeQuestion) (*keyChangeAnswer, error) {
	change, err := s.Gateway.RevokeKey(ctx, a, in.Fingerprint, keyring.RevocationReason(in.Body.Reason), in.Body.Text)
	return s.keyChange(ctx, a, change, err)
}

type dependentsAnswer struct {
	Body struct {
		Dependents []string `json:"dependents"`
	}
}

func (s *site) apiDependents(ctx context.Context, a gateway.Actor, in *byFingerprint) (*dependentsAnswer, error) {
	words, err := s.Gateway.Dependents(ctx, a, in.Fingerprint)
	if err != nil {
		return nil, err
	}
	var out dependentsAnswer
	out.Body.Dependents = append([]string{}, words...)
	return &out, nil
}
