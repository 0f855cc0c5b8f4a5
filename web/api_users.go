package web

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/activity"
	"github.com/sealgate/sealgate/groups"
)

type userJSON struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Role     string   `json:"role"`
	Disabled bool     `json:"disabled"`
	Groups   []string `json:"groups"`
}

func userJSONOf(u groups.User) userJSON {
	return userJSON{u.ID, u.Name, string(u.Role), u.Disabled, append([]string{}, u.Groups...)}
}

type userValues struct {
	Name     string   `json:"name"`
	Role     string   `json:"role" enum:"agent,admin,auditor"`
	Disabled bool     `json:"disabled,omitempty"`
	Groups   []string `json:"groups,omitempty" doc:"Ids of the groups of an agent."`
	Password *string  `json:"password,omitempty" doc:"Missing keeps the stored one."`
}

type userQuestion struct {
	ID   string `path:"id"`
	Body userValues
}

type tokenQuestion struct {
	ID   string `path:"id"`
	Body struct {
		Label string `json:"label"`
	}
}

type tokenAnswer struct {
	Body struct {
		Token string `json:"token" doc:"Shown this once."`
	}
}

func (s *site) userAPI(api huma.API) {
	operation(s, api, "ListUsers", http.MethodGet, "/users", "List all people", 0,
		func(ctx context.Context, a gateway.Actor, _ *nothing) (*list[userJSON], error) {
			all, err := s.Gateway.ListUsers(ctx, a)
			return listOf(all, userJSONOf), err
		})
	operation(s, api, "CreateUser", http.MethodPost, "/users", "Add a person", 0,
		func(ctx context.Context, a gateway.Actor, in *body[userValues]) (*body[userJSON], error) {
			return s.apiSaveUser(ctx, a, "", in.Body)
		})
	operation(s, api, "SaveUser", http.MethodPut, "/users/{id}", "Replace a person", 0,
		func(ctx context.Context, a gateway.Actor, in *userQuestion) (*body[userJSON], error) {
			return s.apiSaveUser(ctx, a, in.ID, in.Body)
		})
	operation(s, api, "DeleteUser", http.MethodDelete, "/users/{id}", "Delete a person", 0,
		func(ctx context.Context, a gateway.Actor, in *byID) (*nothing, error) {
			return &nothing{}, s.Gateway.DeleteUser(ctx, a, in.ID)
		})
	operation(s, api, "NewToken", http.MethodPost, "/users/{id}/tokens", "Create an API token", 0,
		func(ctx context.Context, a gateway.Actor, in *tokenQuestion) (*tokenAnswer, error) {
			token, err := s.Gateway.NewToken(ctx, a, in.ID, in.Body.Label)
			var out tokenAnswer
			out.Body.Token = token
			return &out, err
		})
	operation(s, api, "ListActivity", http.MethodGet, "/activity", "Read the activity log, newest first", 0, s.apiActivity)
}

func (s *site) apiSaveUser(ctx context.Context, a gateway.Actor, id string, j userValues) (*body[userJSON], error) {
	u := groups.User{ID: id, Name: j.Name, Role: groups.Role(j.Role), Disabled: j.Disabled, Groups: j.Groups}
	saved, err := s.savePerson(ctx, a, u, j.Password, "")
	return &body[userJSON]{userJSONOf(saved)}, err
}

type activityQuestion struct {
	Group   string `query:"group"`
	Act     string `query:"act" doc:"Exact, or a prefix that ends in a dot."`
	Outcome string `query:"outcome" enum:"done,refused,failed"`
	Article string `query:"article"`
	Before  int64  `query:"before" doc:"Only entries with a smaller seq."`
	Limit   int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
}

func (s *site) apiActivity(ctx context.Context, a gateway.Actor, in *activityQuestion) (*list[activity.Entry], error) {
	f := activity.Filter{Act: in.Act, Outcome: activity.Outcome(in.Outcome), ArticleID: in.Article, Before: in.Before, Limit: in.Limit}
	if in.Group != "" {
		f.Groups = []string{in.Group}
	}
	entries, err := s.Gateway.ListActivity(ctx, a, f)
	return listOf(entries, func(e activity.Entry) activity.Entry { return e }), err
}
