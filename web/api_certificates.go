package web

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/keyring"
)

type certificateJSON struct {
	Fingerprint    string       `json:"fingerprint"`
	KeyID          string       `json:"key_id"`
	Version        int          `json:"version"`
	Algorithm      string       `json:"algorithm"`
	Created        time.Time    `json:"created"`
	Expires        *time.Time   `json:"expires,omitempty" doc:"Missing: never."`
	Revoked        bool         `json:"revoked"`
	UserIDs        []userIDJSON `json:"user_ids"`
	Subkeys        []subkeyJSON `json:"subkeys"`
	HasSecret      bool         `json:"has_secret"`
	State          string       `json:"state" enum:"approved,proposed,blocked"`
	Source         string       `json:"source"`
	ImportedAt     time.Time    `json:"imported_at"`
	UpdatedAt      time.Time    `json:"updated_at"`
	EncryptProblem string       `json:"encrypt_problem,omitempty" doc:"Why no mail can be encrypted to it now."`
	EncryptWords   string       `json:"encrypt_words,omitempty" doc:"The same in words, with what to do."`
	SignProblem    string       `json:"sign_problem,omitempty" doc:"Why nothing can be signed with it now."`
	SignWords      string       `json:"sign_words,omitempty" doc:"The same in words, with what to do."`
	VerifyProblem  string       `json:"verify_problem,omitempty" doc:"Why a signature made with it now would not count."`
	VerifyWords    string       `json:"verify_words,omitempty" doc:"The same in words, with what to do."`
}

type userIDJSON struct {
	Text    string `json:"text"`
	Address string `json:"address,omitempty"`
	Revoked bool   `json:"revoked"`
	Valid   bool   `json:"valid"`
}

type subkeyJSON struct {
	Fingerprint string     `json:"fingerprint"`
	KeyID       string     `json:"key_id"`
	Algorithm   string     `json:"algorithm"`
	Created     time.Time  `json:"created"`
	Expires     *time.Time `json:"expires,omitempty"`
	Revoked     bool       `json:"revoked"`
	CanSign     bool       `json:"can_sign"`
	CanEncrypt  bool       `json:"can_encrypt"`
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (s *site) certificateJSON(c *keyring.Certificate) certificateJSON {
	now := s.Gateway.Now()
	encrypt, sign, verify := c.Judge(keyring.ToEncrypt, now), c.Judge(keyring.ToSign, now), c.Judge(keyring.ToVerify, now)
	j := certificateJSON{
		Fingerprint: c.Fingerprint, KeyID: c.KeyID, Version: c.Version, Algorithm: c.Algorithm, Created: c.Created,
		Expires: timeOrNil(c.Expires), Revoked: c.Revoked, UserIDs: []userIDJSON{}, Subkeys: []subkeyJSON{}, HasSecret: c.HasSecret,
		State: string(c.State), Source: string(c.Source), ImportedAt: c.ImportedAt, UpdatedAt: c.UpdatedAt,
		EncryptProblem: string(encrypt.Reason), EncryptWords: encrypt.Sentence,
		SignProblem: string(sign.Reason), SignWords: sign.Sentence,
		VerifyProblem: string(verify.Reason), VerifyWords: verify.Sentence,
	}
	for _, u := range c.UserIDs {
		j.UserIDs = append(j.UserIDs, userIDJSON{u.Text, u.Address, u.Revoked, u.Valid})
	}
	for _, k := range c.Subkeys {
		j.Subkeys = append(j.Subkeys, subkeyJSON{k.Fingerprint, k.KeyID, k.Algorithm, k.Created, timeOrNil(k.Expires), k.Revoked, k.CanSign, k.CanEncrypt})
	}
	return j
}

type changeJSON struct {
	Index       int      `json:"index"`
	Fingerprint string   `json:"fingerprint,omitempty"`
	UserIDs     []string `json:"user_ids,omitempty"`
	Outcome     string   `json:"outcome" enum:"added,updated,unchanged,refused"`
	Details     []string `json:"details,omitempty"`
	Sentence    string   `json:"sentence,omitempty" doc:"Refused: what is wrong and what to do."`
	Alert       string   `json:"alert,omitempty" doc:"Why it waits for approval although an admin imported it."`
}

type importQuestion struct {
	Body struct {
		Armored    string `json:"armored,omitempty" doc:"Armored certificates or keys, one or many."`
		Binary     []byte `json:"binary,omitempty" doc:"The same in binary, as base64."`
		Passphrase string `json:"passphrase,omitempty" doc:"Of secret keys that are protected by one."`
	}
}

type importAnswer struct {
	Body struct {
		Changes  []changeJSON `json:"changes"`
		Reopened int          `json:"reopened" doc:"Articles that waited for these keys and were opened."`
	}
}

type listQuestion struct {
	Query  string `query:"query" doc:"A part of an address or of a fingerprint."`
	Own    bool   `query:"own" doc:"Only certificates whose secret key is held."`
	State  string `query:"state" enum:"approved,proposed,blocked" doc:"Only certificates in this state."`
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
	Offset int    `query:"offset" minimum:"0"`
}

type certificateListAnswer struct {
	Body struct {
		Items []certificateJSON `json:"items"`
		Total int64             `json:"total"`
	}
}

type byFingerprint struct {
	Fingerprint string `path:"fingerprint"`
}

type fileAnswer struct {
	ContentType        string `header:"Content-Type"`
	ContentDisposition string `header:"Content-Disposition"`
	Body               []byte
}

func fileOf(f gateway.File) *fileAnswer {
	return &fileAnswer{ContentType: f.ContentType, ContentDisposition: `attachment; filename="` + f.Name + `"`, Body: f.Content}
}

func (s *site) certificateAPI(api huma.API) {
	operation(s, api, "Certificates", http.MethodGet, "/certificates", "List the keyring", 0, s.apiCertificates)
	operation(s, api, "ImportCertificates", http.MethodPost, "/certificates", "Import certificates and secret keys", importLimit*3/2, s.apiImport)
	operation(s, api, "Certificate", http.MethodGet, "/certificates/{fingerprint}", "Read one certificate", 0,
		func(ctx context.Context, a gateway.Actor, in *byFingerprint) (*body[certificateJSON], error) {
			return s.certificateAnswer(s.Gateway.Certificate(ctx, a, in.Fingerprint))
		})
	operation(s, api, "SetCertificateState", http.MethodPut, "/certificates/{fingerprint}/state", "Approve, propose or block", 0, s.apiSetState)
	operation(s, api, "DeleteCertificate", http.MethodDelete, "/certificates/{fingerprint}", "Delete a certificate and its secret key", 0,
		func(ctx context.Context, a gateway.Actor, in *byFingerprint) (*nothing, error) {
			return &nothing{}, s.Gateway.DeleteCertificate(ctx, a, in.Fingerprint)
		})
	operation(s, api, "ExportCertificate", http.MethodGet, "/certificates/{fingerprint}/export", "Download the public certificate", 0, s.apiExport)
}

func (s *site) certificateAnswer(c *keyring.Certificate, err error) (*body[certificateJSON], error) {
	if err != nil {
		return nil, err
	}
	return &body[certificateJSON]{s.certificateJSON(c)}, nil
}

func (s *site) apiCertificates(ctx context.Context, a gateway.Actor, in *listQuestion) (*certificateListAnswer, error) {
	found, total, err := s.Gateway.Certificates(ctx, a, keyring.Filter{Query: in.Query, SecretOnly: in.Own, State: keyring.State(in.State), Limit: in.Limit, Offset: in.Offset})
	if err != nil {
		return nil, err
	}
	var out certificateListAnswer
	out.Body.Items, out.Body.Total = listOf(found, s.certificateJSON).Body.Items, total
	return &out, nil
}

func (s *site) apiImport(ctx context.Context, a gateway.Actor, in *importQuestion) (*importAnswer, error) {
	input := in.Body.Binary
	if in.Body.Armored != "" {
		if len(input) > 0 {
			return nil, &gateway.Problem{Sentence: "Send either armored or binary, not both."}
		}
		input = []byte(in.Body.Armored)
	}
	report, err := s.Gateway.ImportCertificates(ctx, a, gateway.ImportRequest{Input: input, Passphrase: []byte(in.Body.Passphrase)})
	if err != nil {
		return nil, err
	}
	var out importAnswer
	out.Body.Reopened = report.Reopened
	out.Body.Changes = listOf(report.Changes, changeJSONOf).Body.Items
	return &out, nil
}

func changeJSONOf(c keyring.Change) changeJSON {
	return changeJSON{c.Index, c.Fingerprint, c.UserIDs, string(c.Outcome), c.Details, sentence(c.Sentence), sentence(c.Alert())}
}

type stateQuestion struct {
	Fingerprint string `path:"fingerprint"`
	Body        struct {
		State string `json:"state" enum:"approved,proposed,blocked"`
	}
}

func (s *site) apiSetState(ctx context.Context, a gateway.Actor, in *stateQuestion) (*body[certificateJSON], error) {
	if err := s.Gateway.SetCertificateState(ctx, a, in.Fingerprint, keyring.State(in.Body.State)); err != nil {
		return nil, err
	}
	return s.certificateAnswer(s.Gateway.Certificate(ctx, a, in.Fingerprint))
}

type exportQuestion struct {
	Fingerprint string `path:"fingerprint"`
	Binary      bool   `query:"binary"`
	Minimal     bool   `query:"minimal" doc:"Without what is of no use now: user IDs that are not valid, ended subkeys to encrypt, older self-signatures."`
}

func (s *site) apiExport(ctx context.Context, a gateway.Actor, in *exportQuestion) (*fileAnswer, error) {
	f, err := s.Gateway.ExportCertificate(ctx, a, in.Fingerprint, gateway.ExportForm{Binary: in.Binary, Minimal: in.Minimal})
	if err != nil {
		return nil, err
	}
	return fileOf(f), nil
}
