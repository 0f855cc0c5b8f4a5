package publish

import "errors"

// Answer is what goes back to a client: a status, header fields, and for all but HEAD a body.
type Answer struct {
	Status int
	Fields map[string]string
	Body   []byte
}

// freshness is how long an answer may be kept. A revocation should be seen the same day, and a client that asks for every
// message should not ask us each time.
const freshness = "public, max-age=3600"

// Found is the answer with a certificate, or with several one after the other, as binary packets; armor is not allowed.
// Published says whether the domain has any certificate at all, which is what a policy is for.
func (r Request) Found(certificates []byte, published bool) Answer {
	switch {
	case r.What == Policy && published:
		return answer(200, "text/plain; charset=utf-8", freshness, nil) // an empty policy: no flag is set
	case r.What == Certificate && len(certificates) > 0:
		return answer(200, "application/octet-stream", freshness, certificates)
	}
	return Refusal(ErrAbsent)
}

// Refusal is the answer for an error of Read, or for one of the caller's. Nothing of it is kept: a certificate may be
// there in a minute.
func Refusal(err error) Answer {
	switch {
	case errors.Is(err, ErrMethod):
		a := answer(405, "text/plain; charset=utf-8", "no-store", []byte("This address takes GET and HEAD.\n"))
		a.Fields["Allow"] = "GET, HEAD"
		return a
	case errors.Is(err, ErrAbsent):
		return answer(404, "text/plain; charset=utf-8", "no-store", []byte("There is no certificate here.\n"))
	case errors.Is(err, ErrTooOften):
		a := answer(429, "text/plain; charset=utf-8", "no-store", []byte("Too many questions at once; ask again in a minute.\n"))
		a.Fields["Retry-After"] = "60"
		return a
	}
	return answer(503, "text/plain; charset=utf-8", "no-store", []byte("This cannot be answered now; ask again later.\n"))
}

// answer lets every site read what is here (draft-koch-openpgp-webkey-service, section 3.1 asks for it): mail programs in a
// browser do.
func answer(status int, contentType, keep string, body []byte) Answer {
	return Answer{Status: status, Body: body, Fields: map[string]string{
		"Content-Type": contentType, "Cache-Control": keep, "X-Content-Type-Options": "nosniff",
		"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin",
	}}
}
