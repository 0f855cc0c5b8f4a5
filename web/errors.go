package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/sealgate/sealgate/gateway"
	"github.com/sealgate/sealgate/gateway/archive"
	"github.com/sealgate/sealgate/gateway/queue"
	"github.com/sealgate/sealgate/gateway/submission"
	"github.com/sealgate/sealgate/groups"
	"github.com/sealgate/sealgate/keyring"
)

// errBadForm is a body that is no form at all.
var errBadForm = errors.New("form cannot be read")

// sentenceOf is what people are told about an error that is theirs to mend; "" for one that is not.
func sentenceOf(err error) string {
	var problem *gateway.Problem
	var invalid *groups.Invalid
	var refusal *submission.Refusal
	switch {
	case errors.As(err, &problem):
		return sentence(problem.Sentence)
	case errors.As(err, &invalid):
		return sentence(invalid.Sentence)
	case errors.As(err, &refusal):
		return sentence(refusal.Sentence)
	case errors.Is(err, groups.ErrLogin):
		return "The password is wrong."
	}
	return ""
}

// capital begins a text with a capital letter.
func capital(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	if size == 0 {
		return ""
	}
	return string(unicode.ToUpper(first)) + text[size:]
}

// sentence begins with a capital letter and ends with a full stop.
func sentence(text string) string {
	text = capital(text)
	if text != "" && !strings.ContainsAny(text[len(text)-1:], ".!?") {
		text += "."
	}
	return text
}

func isNotFound(err error) bool {
	return errors.Is(err, gateway.ErrNotFound) || errors.Is(err, groups.ErrNotFound) ||
		errors.Is(err, keyring.ErrNotFound) || errors.Is(err, archive.ErrNotFound) || errors.Is(err, queue.ErrNotFound)
}

// fail answers with the page for an error.
func (v *visit) fail(err error) {
	var tooLarge *http.MaxBytesError
	words := sentenceOf(err)
	switch {
	case errors.As(err, &tooLarge):
		v.failWith(http.StatusRequestEntityTooLarge, "Too large",
			"What you sent is larger than Sealgate takes here. Go back, and send less at once: a paste may have 1 MiB, a file of certificates 256 MiB.")
	case errors.Is(err, errToken):
		v.failWith(http.StatusForbidden, "This form is out of date",
			"The form belongs to an earlier login, so nothing was changed. Go back, load the page again, and repeat what you did.")
	case errors.Is(err, gateway.ErrForbidden):
		v.failWith(http.StatusForbidden, "Not allowed",
			"Your role does not allow this. Ask an administrator to do it, or to change your role.")
	case errors.Is(err, errUsed):
		v.failWith(http.StatusGone, "This link was used", "The first administrator exists already. Open the page of Sealgate and log in.")
	case words != "":
		v.failWith(http.StatusUnprocessableEntity, "This did not work", words)
	case isNotFound(err):
		v.failWith(http.StatusNotFound, "Not found",
			"There is nothing here, or nothing that you may see. It may have been deleted; look for it in the lists.")
	case errors.Is(err, errBadForm):
		v.failWith(http.StatusBadRequest, "This form could not be read", "Go back, load the page again, and repeat what you did.")
	default:
		v.unknown(err)
	}
}

// missing answers for an address that a mux does not know. One that it knows with another method is told so (RFC 9110,
// section 15.5.6).
func (v *visit) missing(mux *http.ServeMux) {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		_, pattern := mux.Handler(&http.Request{Method: method, URL: v.r.URL, Host: v.r.Host})
		if pattern != "/" && pattern != "" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		v.fail(gateway.ErrNotFound)
		return
	}
	v.w.Header().Set("Allow", strings.Join(allowed, ", "))
	v.failWith(http.StatusMethodNotAllowed, "Not this way", "This address takes "+strings.Join(allowed, " and ")+", not "+v.r.Method+".")
}

// unknown logs what people cannot mend, and names the log line to them.
func (v *visit) unknown(err error) {
	if errors.Is(err, context.Canceled) {
		return // nobody waits for the answer
	}
	incident := uuid.NewString()
	v.Log.ErrorContext(v.r.Context(), "page failed", "incident", incident, "method", v.r.Method, "path", v.r.URL.Path, "error", err)
	v.incident(incident)
}

func (v *visit) incident(id string) {
	v.failWith(http.StatusInternalServerError, "Something went wrong",
		"Sealgate could not do this; it is not your mistake. Try again later. If it stays, tell an administrator this number, which stands in the log: "+id)
}

type errorPage struct{ Heading, Sentence string }

// failWith answers with one sentence, as JSON to programs.
func (v *visit) failWith(status int, heading, sentence string) {
	if wantsJSON(v.r) {
		v.w.Header().Set("Content-Type", "application/problem+json")
		v.w.WriteHeader(status)
		json.NewEncoder(v.w).Encode(map[string]any{"status": status, "title": heading, "detail": sentence})
		return
	}
	if err := v.render(status, "error", heading, errorPage{Heading: heading, Sentence: sentence}); err != nil {
		v.Log.ErrorContext(v.r.Context(), "error page failed", "error", err)
		http.Error(v.w, sentence, status)
	}
}
