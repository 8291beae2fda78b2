package handshake

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/header"
	"github.com/stanza-go/framework/pkg/http/internal/websocket"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/deflate"
)

// Timeout limits a client's handshake if its context has no deadline.
const Timeout = 30 * time.Second

// Options configure [Dial].
type Options struct {
	Header            http.Header // fields to add to the request
	Protocols         []string    // subprotocols to offer, in order of preference
	Compression       bool        // offer permessage-deflate
	NoContextTakeover bool        // compress each message separately
	ReadBufferSize    int         // if 0 or less, the default is used

	TLSConfig   *tls.Config                           // if nil, the default configuration is used
	DialContext dialFunc                              // if nil, a net.Dialer is used
	Proxy       func(*http.Request) (*url.URL, error) // if nil, no proxy is used
}

// Dial connects to a ws, wss, http or https URL and performs the handshake. If
// the server responds, Dial returns the response, even with an error. If the
// status is not 101, the response's body is truncated to maxExcerpt bytes.
//
// Error texts are short, printable and free of passwords, even if the peer
// sends long or binary data.
func Dial(ctx context.Context, rawURL string, o Options) (*Established, *http.Response, error) {
	o.ReadBufferSize = cmp.Or(readBufferSize(o.ReadBufferSize), websocket.DefaultBufferSize)
	result, resp, err := dial(ctx, rawURL, o)
	if err != nil {
		return nil, resp, &printableError{err}
	}
	return result, resp, nil
}

func dial(ctx context.Context, rawURL string, o Options) (*Established, *http.Response, error) {
	req, err := newRequest(rawURL, o)
	if err != nil {
		return nil, nil, err
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, Timeout)
		defer cancel()
	}
	conn, err := connect(ctx, req, o)
	if err != nil {
		return nil, nil, err
	}
	result, resp, err := handshake(ctx, conn, req, o)
	if err != nil {
		_ = conn.Close() // err is the reason
		return nil, resp, err
	}
	return result, resp, nil
}

// newRequest returns the request of the handshake, or one error that lists
// everything wrong with the URL, the header fields and the subprotocols.
func newRequest(rawURL string, o Options) (*http.Request, error) {
	u, err := parseURL(rawURL)
	errs := append([]error{err}, checkHeader(o.Header)...)
	errs = append(errs, checkProtocols(o.Protocols)...)
	if err := joinErrors(errs); err != nil {
		return nil, err
	}
	req := &http.Request{
		Method: http.MethodGet, URL: u, Host: u.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: o.Header.Clone(),
	}
	if req.Header == nil {
		req.Header = make(http.Header)
	}
	for name, values := range req.Header {
		if canonical := http.CanonicalHeaderKey(name); name != canonical && defaultedFields[canonical] {
			delete(req.Header, name)
			req.Header[canonical] = append(req.Header[canonical], values...)
		}
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
		req.Header.Del("Host")
	}
	if password, ok := u.User.Password(); ok || u.User.Username() != "" {
		if req.Header.Get("Authorization") == "" {
			req.SetBasicAuth(u.User.Username(), password)
		}
	}
	setHandshake(req.Header, o)
	return req, nil
}

// defaultedFields are the fields that a request has by default. The user's
// values replace the default even if their names are not canonical.
var defaultedFields = map[string]bool{"Host": true, "Authorization": true, "User-Agent": true}

// wireKey is fieldKey in the spelling of RFC 6455. Some servers look for the
// fields of the handshake in this spelling only.
const wireKey = "Sec-WebSocket-Key"

func setHandshake(h http.Header, o Options) {
	h["Upgrade"] = []string{"websocket"}
	h["Connection"] = []string{"Upgrade"}
	h["Sec-WebSocket-Version"] = []string{version}
	h[wireKey] = []string{GenerateKey()}
	if len(o.Protocols) > 0 {
		h["Sec-WebSocket-Protocol"] = []string{strings.Join(o.Protocols, ", ")}
	}
	if o.Compression {
		h["Sec-WebSocket-Extensions"] = []string{deflate.Offer(o.NoContextTakeover)}
	}
}

// parseURL parses a URL and replaces ws with http and wss with https.
func parseURL(rawURL string) (*url.URL, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, badURL(rawURL, err)
	}
	switch u.Scheme {
	case "ws", "http":
		u.Scheme = "http"
	case "wss", "https":
		u.Scheme = "https"
	default:
		return nil, fmt.Errorf("unsupported URL scheme %q; use ws, wss, http or https", u.Scheme)
	}
	switch {
	case u.Hostname() == "":
		return nil, errors.New("the URL has no host")
	case u.Fragment != "" || strings.HasSuffix(rawURL, "#"):
		return nil, errors.New("the URL of a WebSocket must not have a fragment")
	}
	return u, nil
}

// checkHeader returns an error for each reserved field name, each invalid name
// and each value with a control character in DialOptions.Header. net/http would
// silently drop a field with an invalid name.
func checkHeader(h http.Header) []error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(h)) {
		switch {
		case ownFields[http.CanonicalHeaderKey(name)]:
			errs = append(errs, fmt.Errorf("DialOptions.Header: %s is reserved and cannot be set", quote(name)))
		case !header.IsToken(name):
			errs = append(errs, fmt.Errorf("DialOptions.Header: %s is not a header field name", quote(name)))
		}
	}
	return append(errs, controlCharacters("DialOptions.Header: ", h)...)
}

// controlCharacters returns an error for each value of h that contains a
// control character. The text starts with prefix and the name of the field.
func controlCharacters(prefix string, h http.Header) []error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, value := range h[name] {
			if i := header.IndexControl(value); i >= 0 {
				errs = append(errs, fmt.Errorf("%s%s contains the control character %q at byte %d of its value", prefix, quote(name), value[i], i))
			}
		}
	}
	return errs
}

// checkProtocols returns an error for each subprotocol that is not a token or
// is listed twice (RFC 6455, section 4.1).
func checkProtocols(protocols []string) []error {
	var errs []error
	for i, protocol := range protocols {
		switch {
		case !header.IsToken(protocol):
			errs = append(errs, fmt.Errorf("DialOptions.Subprotocols: %q is not a token", protocol))
		case slices.Contains(protocols[:i], protocol):
			errs = append(errs, fmt.Errorf("DialOptions.Subprotocols: %q is listed twice", protocol))
		}
	}
	return errs
}

// handshake sends the request and checks the response.
func handshake(ctx context.Context, conn net.Conn, req *http.Request, o Options) (*Established, *http.Response, error) {
	br, resp, err := roundTrip(ctx, conn, req, o.ReadBufferSize)
	if resp == nil {
		return nil, nil, err
	}
	refusal := checkResponse(resp, req, o.Protocols)
	switch {
	case refusal != nil && err != nil:
		return nil, resp, fmt.Errorf("%w (reading the body: %w)", refusal, err)
	case refusal != nil || err != nil:
		return nil, resp, cmp.Or(refusal, err)
	}
	params, err := confirmCompression(resp, o)
	if err != nil {
		return nil, resp, err
	}
	return &Established{
		Conn:        conn,
		Reader:      rebase(br, conn, o.ReadBufferSize),
		BufferSize:  o.ReadBufferSize,
		Protocol:    resp.Header.Get(fieldProtocol),
		Compression: params,
	}, resp, nil
}

// checkResponse checks a response against RFC 6455, section 4.1.
func checkResponse(resp *http.Response, req *http.Request, protocols []string) error {
	h := resp.Header
	sent := map[string][]string(req.Header) // wireKey is not canonical, so Header.Get cannot find it
	switch accept := h[fieldAccept]; {
	case resp.StatusCode >= 300 && resp.StatusCode < 400 && h.Get("Location") != "":
		return fmt.Errorf("the server redirects to %s (%s); Dial does not follow redirects", quote(redactLocation(h.Get("Location"))), printable(resp.Status, maxQuoted))
	case resp.StatusCode != http.StatusSwitchingProtocols:
		return refusedError(resp)
	case !isUpgrade(h):
		return fmt.Errorf("the server switched to a protocol other than WebSocket: Upgrade is %s, Connection is %s",
			quoteLines(h["Upgrade"]), quoteLines(h["Connection"]))
	case len(accept) != 1 || accept[0] != acceptKey(sent[wireKey][0]):
		return fmt.Errorf("Sec-WebSocket-Accept does not match the request's key: the value is %s", quoteLines(accept))
	}
	if chosen := h[fieldProtocol]; len(chosen) > 1 || len(chosen) == 1 && !slices.Contains(protocols, chosen[0]) {
		return fmt.Errorf("the server chose a subprotocol that was not offered: %s", quoteLines(chosen))
	}
	return nil
}

// refusedError returns the error of a response other than 101. It quotes the
// start of the body if it is text.
func refusedError(resp *http.Response) error {
	body, _ := io.ReadAll(resp.Body) // cannot fail: the excerpt is in memory
	resp.Body = io.NopCloser(bytes.NewReader(body))
	status := printable(resp.Status, maxQuoted)
	text := strings.TrimSpace(string(body[:min(len(body), maxQuoted)]))
	if text == "" || !header.IsValue(strings.Map(lineBreakToSpace, text)) {
		return fmt.Errorf("the server responded with %s", status)
	}
	return fmt.Errorf("the server responded with %s: %q", status, text)
}

// lineBreakToSpace maps line breaks to spaces, so that text of several lines
// passes header.IsValue.
func lineBreakToSpace(r rune) rune {
	if r == '\n' || r == '\r' {
		return ' '
	}
	return r
}

// confirmCompression returns the compression parameters that the server has
// chosen, or nil if it has declined.
func confirmCompression(resp *http.Response, o Options) (*deflate.Params, error) {
	lines := resp.Header[fieldExtensions]
	params, ok, err := deflate.Confirm(lines, o.NoContextTakeover)
	if ok && !o.Compression {
		err = errors.New("the server chose an extension that was not offered")
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, quoteLines(lines))
	}
	if !ok {
		return nil, nil
	}
	return &params, nil
}
