package discover

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// response is what a server answered, read to its end.
type response struct {
	status     int
	body       []byte
	retryAfter time.Duration // 0 when the server names none
}

// get asks for a URL and follows at most three redirects, each to https on port 443 of a public name. The body is at most
// 1 MiB; a longer one is an error.
func (n *Network) get(ctx context.Context, target string) (response, error) {
	return n.ask(ctx, http.MethodGet, target, nil)
}

// post sends JSON. A redirect of it is not followed.
func (n *Network) post(ctx context.Context, target string, body []byte) (response, error) {
	return n.ask(ctx, http.MethodPost, target, body)
}

func (n *Network) ask(ctx context.Context, method, target string, body []byte) (response, error) {
	limit := budget
	if n.Budget > 0 {
		limit = n.Budget
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	client := n.client()
	for hop := range maxRedirects + 1 {
		if err := checkURL(target); err != nil {
			return response{}, err
		}
		r, next, err := once(ctx, client, method, target, body)
		if hop > 0 && errors.Is(err, errNoName) { // the name that was asked for does exist, and decides
			return response{}, errors.New("the server redirects to a name that does not exist")
		}
		if err != nil || next == "" {
			return r, inWords(err, limit)
		}
		if method != http.MethodGet {
			return response{}, errors.New("the server redirects an upload, which is not followed")
		}
		target = next
	}
	return response{}, fmt.Errorf("the server redirects more than %d times", maxRedirects)
}

// checkURL holds a URL, also one that a server redirects to, against what may be asked.
func checkURL(target string) error {
	u, err := url.Parse(target)
	switch {
	case err != nil:
		return errors.New("the server redirects to what is no URL")
	case u.Scheme != "https":
		return fmt.Errorf("%s is not https: %w", u.Scheme, ErrForbidden)
	case u.User != nil || u.Port() != "" && u.Port() != "443":
		return fmt.Errorf("a login or another port than 443 in the URL: %w", ErrForbidden)
	}
	return checkHost(u.Hostname())
}

// once sends one request. next is where a redirect leads, "" for an answer.
func once(ctx context.Context, client *http.Client, method, target string, body []byte) (r response, next string, err error) {
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return r, "", err
	}
	req.Header.Set("User-Agent", "Sealgate")
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := client.Do(req)
	if err != nil {
		return r, "", err
	}
	defer resp.Body.Close()
	if where, err := resp.Location(); err == nil && resp.StatusCode >= 300 && resp.StatusCode < 400 {
		return r, where.String(), nil
	}
	r = response{status: resp.StatusCode, retryAfter: retryAfter(resp.Header.Get("Retry-After"))}
	r.body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil { // the end of a connection that is cut off here may look like the end of the answer
		err = ctx.Err()
	}
	if err == nil && len(r.body) > maxAnswer {
		return response{}, "", fmt.Errorf("the answer is larger than %d MiB", maxAnswer>>20)
	}
	return r, "", err
}

// retryAfter reads a number of seconds (RFC 9110, section 10.2.3); dates are taken for the longest wait.
func retryAfter(value string) time.Duration {
	if value == "" {
		return 0
	}
	seconds, err := strconv.Atoi(value)
	if err != nil || seconds < 0 || seconds > int(longestWait/time.Second) {
		return longestWait
	}
	return time.Duration(seconds) * time.Second
}

// inWords takes the URL, which the report shows beside it, out of an error of the HTTP client.
func inWords(err error, limit time.Duration) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no whole answer within %s: %w", limit, err)
	}
	return err
}

// taken turns a status into an error: ErrAbsent for "there is none".
func (r response) taken() error {
	switch r.status {
	case http.StatusOK:
		return nil
	case http.StatusNotFound, http.StatusGone:
		return ErrAbsent
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return fmt.Errorf("the server asks to wait (status %d): %w", r.status, ErrLater)
	}
	return fmt.Errorf("the server answers with status %d", r.status)
}
