package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/groups"
)

type setupPage struct {
	Token, Name, Sentence string
}

// setupForm asks for the first administrator, whose browser brings the one-time token.
func setupForm(v *visit) error {
	token := v.r.URL.Query().Get("token")
	if err := v.maySetUp(token); err != nil {
		return err
	}
	return v.show("setup", "Set up Sealgate", setupPage{Token: token})
}

// maySetUp tells whether the token is the one of this start and nobody has used it. The page is gone otherwise.
func (v *visit) maySetUp(token string) error {
	given, right := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(v.SetupToken))
	if v.SetupToken == "" || subtle.ConstantTimeCompare(given[:], right[:]) != 1 {
		return gateway.ErrNotFound
	}
	first, err := v.Gateway.FirstRun(v.r.Context())
	if err == nil && !first {
		return errUsed
	}
	return err
}

// errUsed is the right link, a second time.
var errUsed = errors.New("the link for the first administrator was used")

// setup makes the first administrator and logs them in.
func setup(v *visit) error {
	v.settingUp.Lock()
	defer v.settingUp.Unlock()
	f := setupPage{Token: v.r.PostForm.Get("token"), Name: v.field("name")}
	if err := v.maySetUp(f.Token); err != nil {
		return err
	}
	err := v.samePasswords()
	var u groups.User
	if err == nil {
		u, err = v.Gateway.CreateFirstAdmin(v.r.Context(), f.Name, v.secret("password"))
	}
	if err != nil {
		return v.refused(err, "setup", "Set up Sealgate", func(words string) any {
			f.Sentence = words
			return f
		})
	}
	if err := v.begin(u); err != nil {
		return err
	}
	return v.to("/", "Welcome. Sealgate is ready; the next steps are below.")
}

// samePasswords compares a new password with its repetition.
func (v *visit) samePasswords() error {
	if v.secret("password") != v.secret("repeated") {
		return &gateway.Problem{Sentence: "The two passwords differ; type the same one twice."}
	}
	return nil
}

type loginPage struct {
	Name, Next, Sentence string
	FirstRun             bool
	Draft                url.Values // a message that was being written when the session ended
}

func loginForm(v *visit) error {
	if v.user.ID != "" {
		return v.to(localPath(v.r.URL.Query().Get("next")), "")
	}
	first, err := v.Gateway.FirstRun(v.r.Context())
	if err != nil {
		return err
	}
	return v.show("login", "Log in", loginPage{Next: localPath(v.r.URL.Query().Get("next")), FirstRun: first})
}

// login checks name and password, and goes on with the message that was being written, if there is one.
func login(v *visit) error {
	f := loginPage{Name: v.field("name"), Next: localPath(v.r.PostForm.Get("next"))}
	if v.r.PostForm.Has("text") {
		f.Draft = keepDraft(v.r.PostForm)
	}
	if !v.mayTryLogin(v.r, f.Name) {
		f.Sentence = "Too many logins failed. Wait half a minute, then try again."
		v.w.Header().Set("Retry-After", "30")
		return v.render(http.StatusTooManyRequests, "login", "Log in", f)
	}
	u, err := v.Gateway.Login(v.r.Context(), f.Name, v.secret("password"), remoteOf(v.r))
	if errors.Is(err, groups.ErrLogin) {
		f.Sentence = "The name or the password is wrong. Check both and try again."
		return v.render(http.StatusUnauthorized, "login", "Log in", f)
	}
	if err != nil {
		return err
	}
	v.rightLogin(v.r, f.Name)
	if err := v.begin(u); err != nil {
		return err
	}
	if f.Draft != nil && v.user.Role != groups.Auditor {
		return v.showDraft(http.StatusOK, f.Draft)
	}
	return v.to(f.Next, "")
}

// begin starts a session of its own, so that a token planted earlier is worth nothing.
func (v *visit) begin(u groups.User) error {
	if err := v.sessions.RenewToken(v.r.Context()); err != nil {
		return err
	}
	v.sessions.Put(v.r.Context(), "user", u.ID)
	v.user = u
	return nil
}

func logout(v *visit) error {
	if err := v.sessions.Destroy(v.r.Context()); err != nil {
		return err
	}
	http.Redirect(v.w, v.r, "/login", http.StatusSeeOther)
	return nil
}

// localPath is where to go after a login: a page of ours, never another site.
func localPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") ||
		strings.ContainsAny(next, "\\\r\n") || strings.HasPrefix(next, "/login") {
		return "/"
	}
	return next
}
