package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/alexedwards/scs/v2"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/groups"
)

// site is the server with what it keeps while it runs.
type site struct {
	*Server
	sessions  *scs.SessionManager
	store     sessionStore
	templates map[string]*template.Template // by page
	assets    assets
	logins    *limiter
	strangers *limiter   // who ask for what everybody may read
	settingUp sync.Mutex // one set-up at a time, so that its token makes one admin
}

func newSite(s *Server) *site {
	store := sessionStore{db: s.Gateway.DB, now: s.Gateway.Now}
	now := s.Gateway.Now
	site := &site{Server: s, store: store, assets: readAssets(), logins: newLimiter(now, tryAgainAfter), strangers: newLimiter(now, askAgainAfter)}
	site.sessions = site.newSessions(store)
	site.templates = parseTemplates(site.assets)
	return site
}

// visit is one request of a page by one person.
type visit struct {
	*site
	w    http.ResponseWriter
	r    *http.Request
	user groups.User // zero on public pages of people who have not logged in

	file io.Reader // what is left of a form that is streamed; nil without a file

	inSession bool // false where an error is said before the session was read
}

func (v *visit) actor() gateway.Actor { return gateway.ActorOf(v.user) }

// field is one value of the form that was sent, without the blanks around it.
func (v *visit) field(name string) string { return strings.TrimSpace(v.r.PostForm.Get(name)) }

// secret is a password as it was typed.
func (v *visit) secret(name string) string { return v.r.PostForm.Get(name) }

// to ends a form that was obeyed: the browser goes on to path and shows the notice once.
func (v *visit) to(path, notice string) error {
	if notice != "" {
		v.sessions.Put(v.r.Context(), "notice", notice)
	}
	http.Redirect(v.w, v.r, path, http.StatusSeeOther)
	return nil
}

// errToken is a form that was not ours, or of a session that is over.
var errToken = errors.New("form token is wrong")

// serve finds out who asks, reads the form within its limit, and lets the route answer.
func (s *site) serve(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{site: s, w: w, r: r, inSession: true}
		if err := v.run(rt); err != nil {
			v.fail(err)
		}
	})
}

func (v *visit) run(rt route) error {
	if err := v.readForm(rt); err != nil {
		return err
	}
	if err := v.recognise(); err != nil {
		return err
	}
	if rt.public {
		return rt.do(v)
	}
	if v.user.ID == "" {
		return v.askToLogIn()
	}
	if v.r.Method == http.MethodPost && !v.tokenFits() {
		return errToken
	}
	if rt.roles != nil && !slices.Contains(rt.roles, v.user.Role) {
		return gateway.ErrForbidden
	}
	return rt.do(v)
}

// readForm reads a body into memory, never into a temporary file, which would be plaintext at rest.
func (v *visit) readForm(rt route) error {
	if v.r.Method != http.MethodPost {
		return nil
	}
	limit := rt.limit
	if limit == 0 {
		limit = formLimit
	}
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, limit)
	kind, _, err := mime.ParseMediaType(v.r.Header.Get("Content-Type"))
	switch {
	case err != nil || kind != "multipart/form-data":
		err = v.r.ParseForm()
	case rt.stream:
		err = v.readFields()
	default:
		err = v.r.ParseMultipartForm(limit)
	}
	var tooLarge *http.MaxBytesError
	if err != nil && !errors.As(err, &tooLarge) {
		return fmt.Errorf("%w: %w", errBadForm, err)
	}
	return err
}

// recognise looks the person up on every request, so that somebody disabled is out at once.
func (v *visit) recognise() error {
	id := v.sessions.GetString(v.r.Context(), "user")
	if id == "" {
		return nil
	}
	u, err := v.Gateway.Groups.User(v.r.Context(), id)
	if errors.Is(err, groups.ErrNotFound) || err == nil && u.Disabled {
		return v.sessions.Destroy(v.r.Context())
	}
	if err == nil {
		v.user = u
	}
	return err
}

// askToLogIn keeps where a person wanted to go, and what was typed into the composer.
func (v *visit) askToLogIn() error {
	if v.r.Method != http.MethodPost {
		http.Redirect(v.w, v.r, "/login?next="+url.QueryEscape(v.r.URL.RequestURI()), http.StatusSeeOther)
		return nil
	}
	f := loginPage{Sentence: "You are not logged in any more. Log in again and repeat what you did."}
	if v.r.URL.Path == "/compose" {
		f.Sentence = "You are not logged in any more. Log in again to go on with your message; it was not sent, and it is kept."
		f.Draft = keepDraft(v.r.PostForm)
	}
	return v.render(http.StatusUnauthorized, "login", "Log in", f)
}

// Token binds a form to this session and to its own address. The session's token is known to the browser only: the
// database holds its hash.
func (v *visit) Token(path string) string {
	mac := hmac.New(sha256.New, []byte(v.sessions.Token(v.r.Context())))
	mac.Write([]byte("form " + path))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func (v *visit) tokenFits() bool {
	return hmac.Equal([]byte(v.Token(v.r.URL.Path)), []byte(v.r.PostForm.Get("form_token")))
}
