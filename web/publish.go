package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"time"

	"github.com/sealgate/sealgate/keyring/publish"
)

// webKeyDirectory answers mail programs that look for a certificate of ours. It knows no session.
func (s *site) webKeyDirectory(w http.ResponseWriter, r *http.Request) {
	a, err := s.webKey(r)
	if err != nil {
		if !errors.Is(err, publish.ErrAbsent) && !errors.Is(err, publish.ErrMethod) && !errors.Is(err, publish.ErrTooOften) && !errors.Is(err, context.Canceled) {
			s.Log.ErrorContext(r.Context(), "web key directory failed", "error", err)
		}
		a = publish.Refusal(err)
	}
	for name, value := range a.Fields {
		w.Header().Set(name, value)
	}
	if a.Status != http.StatusOK {
		w.WriteHeader(a.Status)
		w.Write(a.Body) // a client that has gone needs no answer
		return
	}
	sum := sha256.Sum256(a.Body)
	w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:16])+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.Body)) // HEAD, and what a cache holds already
}

// webKey reads the question before it counts it: what cannot have an answer costs nothing.
func (s *site) webKey(r *http.Request) (publish.Answer, error) {
	asked, err := publish.Read(r.Method, r.Host, r.URL.EscapedPath(), r.URL.RawQuery)
	if err != nil {
		return publish.Answer{}, err
	}
	if !s.Gateway.Publishing.WKD {
		return publish.Answer{}, publish.ErrAbsent
	}
	if !s.mayAsk(r) {
		return publish.Answer{}, publish.ErrTooOften
	}
	certificates, published, err := s.Gateway.WebKey(r.Context(), asked)
	if err != nil {
		return publish.Answer{}, err
	}
	return asked.Found(certificates, published), nil
}
