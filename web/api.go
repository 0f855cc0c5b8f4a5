package web

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/google/uuid"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/groups"
)

// base is where the API begins.
const base = "/api/v1"

// api is the REST API: the same use cases under the same names, for programs with a token. Sessions of browsers mean
// nothing to it. It is described at /api/v1/openapi.json.
func (s *site) api() http.Handler {
	mux := http.NewServeMux()
	c := huma.DefaultConfig("Sealgate", "1.0.0")
	c.Info.Description = "What the page does, for programs. Send a token: Authorization: Bearer sg_…"
	c.OpenAPIPath = base + "/openapi"
	c.DocsPath, c.SchemasPath, c.CreateHooks = "", "", nil // their pages load scripts from elsewhere
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer"}}
	c.Security = []map[string][]string{{"token": {}}}
	c.Transformers = append(c.Transformers, withoutValues)
	a := humago.New(mux, c)
	a.UseMiddleware(s.bearer(a))
	s.certificateAPI(a)
	s.ownKeyAPI(a)
	s.publishAPI(a)
	s.keyRulesAPI(a)
	s.healthAPI(a)
	s.discoverAPI(a)
	s.groupAPI(a)
	s.mailboxAPI(a)
	s.userAPI(a)
	s.articleAPI(a)
	s.composeAPI(a)
	s.previewAPI(a)
	s.queueAPI(a)
	s.dkimAPI(a)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		(&visit{site: s, w: w, r: r}).missing(mux)
	})
	return mux
}

// withoutValues keeps what was sent out of the answer that it is wrong: it may be a secret key or a password, and such
// answers end up in logs.
func withoutValues(_ huma.Context, _ string, answer any) (any, error) {
	if wrong, ok := answer.(*huma.ErrorModel); ok {
		for _, d := range wrong.Errors {
			d.Value = nil
		}
	}
	return answer, nil
}

type actorKey struct{}

// actorIn is the person whose token came with the request. Every operation is behind bearer.
func actorIn(ctx context.Context) gateway.Actor {
	a, _ := ctx.Value(actorKey{}).(gateway.Actor) // the zero Actor may do nothing
	return a
}

// bearer lets nobody pass without the token of an enabled person (RFC 6750, section 2.1).
func (s *site) bearer(api huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		scheme, token, _ := strings.Cut(ctx.Header("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			token = ""
		}
		u, err := s.Gateway.Groups.UserByToken(ctx.Context(), strings.TrimSpace(token))
		if errors.Is(err, groups.ErrLogin) {
			ctx.SetHeader("WWW-Authenticate", `Bearer realm="sealgate"`)
			huma.WriteErr(api, ctx, http.StatusUnauthorized, "The token is missing or wrong. Create one on the account page and send it as Authorization: Bearer.")
			return
		}
		if err != nil {
			status := s.apiError(ctx.Context(), err)
			huma.WriteErr(api, ctx, status.GetStatus(), status.Error())
			return
		}
		next(huma.WithValue(ctx, actorKey{}, gateway.ActorOf(u)))
	}
}

// operation registers one use case. limit is that of the request body in bytes; 0 means formLimit.
func operation[I, O any](s *site, api huma.API, id, method, path, summary string, limit int64, do func(context.Context, gateway.Actor, *I) (*O, error)) {
	if limit == 0 {
		limit = formLimit
	}
	o := huma.Operation{OperationID: id, Method: method, Path: base + path, Summary: summary, MaxBodyBytes: limit}
	if method == http.MethodDelete {
		o.DefaultStatus = http.StatusNoContent
	}
	huma.Register(api, o, func(ctx context.Context, in *I) (*O, error) {
		out, err := do(ctx, actorIn(ctx), in)
		if err != nil {
			return nil, s.apiError(ctx, err)
		}
		return out, nil
	})
}

// apiError is the answer for an error: the same sentences as on the page.
func (s *site) apiError(ctx context.Context, err error) huma.StatusError {
	words := sentenceOf(err)
	switch {
	case errors.Is(err, gateway.ErrForbidden):
		return huma.NewError(http.StatusForbidden, "The role of this token does not allow this.")
	case words != "":
		return huma.NewError(http.StatusUnprocessableEntity, words)
	case isNotFound(err):
		return huma.NewError(http.StatusNotFound, "There is no such thing, or the token may not see it.")
	}
	incident := uuid.NewString()
	s.Log.ErrorContext(ctx, "api failed", "incident", incident, "error", err)
	return huma.NewError(http.StatusInternalServerError, "Sealgate could not do this; the log says why under "+incident+".")
}

// Answers and questions that several operations share.
type (
	nothing struct{}
	byID    struct {
		ID string `path:"id"`
	}
	body[T any] struct {
		Body T
	}
	list[T any] struct {
		Body struct {
			Items []T `json:"items"`
		}
	}
)

func listOf[S, T any](from []S, convert func(S) T) *list[T] {
	var l list[T]
	l.Body.Items = make([]T, 0, len(from))
	for _, x := range from {
		l.Body.Items = append(l.Body.Items, convert(x))
	}
	return &l
}
