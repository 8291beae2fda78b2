package handshake

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/header"
)

const (
	// Timeout bounds a client's handshake if its context does not.
	Timeout = 30 * time.Second

	// maxResponseHeader bounds the header of a server's or proxy's response,
	// with those of the informational responses before it.
	maxResponseHeader = 256 << 10

	// maxInformational is how many informational responses are skipped.
	maxInformational = 10

	// maxExcerpt is how much of the body of a refusal is read.
	maxExcerpt = 4 << 10
)

// Options say how a client connects.
type Options struct {
	Header     http.Header // fields to add to the request
	Protocols  []string    // subprotocols, the preferred first
	Extensions string      // value of Sec-WebSocket-Extensions, or ""
	BufferSize int         // of the reader that is returned

	TLSConfig   *tls.Config                                                       // nil for the default
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error) // nil for net.Dialer's
	Proxy       func(*http.Request) (*url.URL, error)                             // nil for none
}

// Dial connects to a ws, wss, http or https URL and does the handshake. The
// reader reads from the connection and may hold bytes already. If a server
// answered, its response is returned, with an error too; the body is the start
// of a refusal's.
//
// The text of an error is printable and short, whatever the peer has sent, and
// holds no password.
func Dial(ctx context.Context, rawURL string, o Options) (net.Conn, *bufio.Reader, *http.Response, error) {
	conn, br, resp, err := dial(ctx, rawURL, o)
	if err != nil {
		return nil, nil, resp, &printableError{err}
	}
	return conn, br, resp, nil
}

func dial(ctx context.Context, rawURL string, o Options) (net.Conn, *bufio.Reader, *http.Response, error) {
	req, err := newRequest(rawURL, o)
	if err != nil {
		return nil, nil, nil, err
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, Timeout)
		defer cancel()
	}
	conn, err := connect(ctx, req, o)
	if err != nil {
		return nil, nil, nil, err
	}
	br, resp, err := handshake(ctx, conn, req, o)
	if err != nil {
		_ = conn.Close() // err says what went wrong before
		return nil, nil, resp, err
	}
	return conn, br, resp, nil
}

// newRequest makes the request of the handshake.
func newRequest(rawURL string, o Options) (*http.Request, error) {
	u, err := parseURL(rawURL)
	if err != nil {
		return nil, err
	}
	if err := CheckHeader(o.Header); err != nil {
		return nil, err
	}
	if err := CheckProtocols(o.Protocols); err != nil {
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
		canonical := http.CanonicalHeaderKey(name)
		switch {
		case ownFields[canonical]:
			return nil, fmt.Errorf("header %s is part of the handshake and cannot be chosen", name)
		case name != canonical && chosenFields[canonical]:
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
	addHandshake(req.Header, o)
	return req, nil
}

// chosenFields are the fields that a request has anyway, unless the user has
// chosen them, in whatever spelling.
var chosenFields = map[string]bool{"Host": true, "Authorization": true, "User-Agent": true}

// wireKey is fieldKey as RFC 6455 spells it. There are servers that look for
// the fields of the handshake in this spelling only.
const wireKey = "Sec-WebSocket-Key"

func addHandshake(h http.Header, o Options) {
	h["Upgrade"] = []string{"websocket"}
	h["Connection"] = []string{"Upgrade"}
	h["Sec-WebSocket-Version"] = []string{version}
	h[wireKey] = []string{GenerateKey()}
	if len(o.Protocols) > 0 {
		h["Sec-WebSocket-Protocol"] = []string{strings.Join(o.Protocols, ", ")}
	}
	if o.Extensions != "" {
		h["Sec-WebSocket-Extensions"] = []string{o.Extensions}
	}
}

// parseURL reads a URL and gives it the scheme that net/http knows.
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
		return nil, fmt.Errorf("scheme %q is not ws, wss, http or https", u.Scheme)
	}
	switch {
	case u.Hostname() == "":
		return nil, errors.New("the URL has no host")
	case u.Fragment != "" || strings.HasSuffix(rawURL, "#"):
		return nil, errors.New("the URL of a WebSocket must not have a fragment")
	}
	return u, nil
}

// connect opens the network connection that the request is to be written to.
func connect(ctx context.Context, req *http.Request, o Options) (net.Conn, error) {
	dial := o.DialContext
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	var proxy *url.URL
	if o.Proxy != nil {
		var err error
		if proxy, err = o.Proxy(req); err != nil {
			return nil, fmt.Errorf("choosing a proxy: %w", &redactedError{err})
		}
	}
	if proxy == nil {
		conn, err := dial(ctx, "tcp", hostPort(req.URL))
		if err != nil || req.URL.Scheme != "https" {
			return conn, err
		}
		return withTLS(ctx, conn, req.URL, o.TLSConfig)
	}
	conn, err := throughProxy(ctx, dial, proxy, hostPort(req.URL), o.TLSConfig)
	if err != nil {
		return nil, fmt.Errorf("proxy %s://%s: %w", proxy.Scheme, proxy.Host, err)
	}
	if req.URL.Scheme != "https" {
		return conn, nil
	}
	return withTLS(ctx, conn, req.URL, o.TLSConfig)
}

type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// throughProxy opens a connection to addr by way of an HTTP proxy. The server
// name of the configuration is that of the server behind the proxy.
func throughProxy(ctx context.Context, dial dialFunc, proxy *url.URL, addr string, config *tls.Config) (net.Conn, error) {
	if proxy.Scheme != "http" && proxy.Scheme != "https" {
		return nil, fmt.Errorf("scheme %q is not supported, only http and https are", proxy.Scheme)
	}
	if proxy.Hostname() == "" {
		return nil, errors.New("the proxy's URL has no host")
	}
	conn, err := dial(ctx, "tcp", hostPort(proxy))
	if err != nil {
		return nil, err
	}
	if proxy.Scheme == "https" {
		if config != nil {
			config = config.Clone()
			config.ServerName = ""
		}
		if conn, err = withTLS(ctx, conn, proxy, config); err != nil {
			return nil, err
		}
	}
	if err := tunnel(ctx, conn, proxy, addr); err != nil {
		_ = conn.Close() // err says what went wrong before
		return nil, err
	}
	return conn, nil
}

// hostPort returns the address of a URL.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// withTLS does the TLS handshake, and closes conn if that fails.
func withTLS(ctx context.Context, conn net.Conn, u *url.URL, config *tls.Config) (net.Conn, error) {
	if config == nil {
		config = new(tls.Config)
	} else {
		config = config.Clone()
	}
	if config.ServerName == "" {
		config.ServerName = u.Hostname()
	}
	config.NextProtos = []string{"http/1.1"} // there is no upgrade in HTTP/2
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // err says what went wrong before
		return nil, err
	}
	return secure, nil
}

// tunnel asks a proxy to connect on to addr.
func tunnel(ctx context.Context, conn net.Conn, proxy *url.URL, addr string) error {
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: addr}, Host: addr, Header: make(http.Header)}
	if password, ok := proxy.User.Password(); ok || proxy.User.Username() != "" {
		auth := &http.Request{Header: make(http.Header)}
		auth.SetBasicAuth(proxy.User.Username(), password)
		req.Header["Proxy-Authorization"] = auth.Header["Authorization"]
	}
	br, resp, err := roundTrip(ctx, conn, req, 0)
	switch {
	case err != nil:
		return err
	case resp.StatusCode != http.StatusOK:
		return errors.New("refused to connect: " + printable(resp.Status, maxQuoted))
	case br.Buffered() > 0:
		return errors.New("sent data before the server could")
	}
	return nil
}

// handshake writes the request and checks the response.
func handshake(ctx context.Context, conn net.Conn, req *http.Request, o Options) (*bufio.Reader, *http.Response, error) {
	br, resp, err := roundTrip(ctx, conn, req, o.BufferSize)
	if resp == nil {
		return nil, nil, err
	}
	refusal := checkResponse(resp, req, o.Protocols)
	switch {
	case refusal != nil && err != nil:
		return nil, resp, fmt.Errorf("%w (reading all of it: %w)", refusal, err)
	case refusal != nil || err != nil:
		return nil, resp, cmp.Or(refusal, err)
	}
	return Rebase(br, conn, o.BufferSize), resp, nil
}

// roundTrip writes a request and reads the response, in the time that ctx
// allows. The body of a server's refusal is read in part, and replaced by
// that. If ctx ends meanwhile, the response is returned with its error. No
// deadline remains set otherwise.
func roundTrip(ctx context.Context, conn net.Conn, req *http.Request, size int) (*bufio.Reader, *http.Response, error) {
	stop := context.AfterFunc(ctx, func() {
		if conn.SetDeadline(time.Unix(1, 0)) != nil {
			_ = conn.Close() // deadlines are not supported; ctx is the reason
		}
	})
	defer stop()
	br := bufio.NewReaderSize(&headerReader{conn, maxResponseHeader}, size)
	err := req.Write(conn)
	var resp *http.Response
	if err == nil {
		resp, err = readResponse(br, req)
	}
	if err == nil && req.Method == http.MethodGet && resp.StatusCode != http.StatusSwitchingProtocols {
		excerpt, _ := io.ReadAll(io.LimitReader(resp.Body, maxExcerpt)) // what there is of it will do
		resp.Body = io.NopCloser(bytes.NewReader(excerpt))
	}
	if !stop() && ctx.Err() != nil {
		err = ctx.Err()
	}
	return br, resp, err
}

// readResponse reads the response, past informational ones such as 103 (RFC
// 9110, section 15.2), which may precede any.
func readResponse(br *bufio.Reader, req *http.Request) (*http.Response, error) {
	for range maxInformational + 1 {
		resp, err := http.ReadResponse(br, req)
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil || resp.StatusCode < 100 || resp.StatusCode > 199 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, err
		}
	}
	return nil, fmt.Errorf("more than %d informational responses", maxInformational)
}

// A headerReader reads from a connection until a response's header is too long.
type headerReader struct {
	r    io.Reader
	left int
}

// errHeaderTooLong wraps the error of a header that ends early.
var errHeaderTooLong = fmt.Errorf("the response header has more than %d KB: %w", maxResponseHeader>>10, io.ErrUnexpectedEOF)

// Read reads what is left at most.
func (h *headerReader) Read(p []byte) (int, error) {
	if h.left == 0 {
		return 0, errHeaderTooLong
	}
	n, err := h.r.Read(p[:min(len(p), h.left)])
	h.left -= n
	return n, err
}

// checkResponse holds a response to RFC 6455, section 4.1.
func checkResponse(resp *http.Response, req *http.Request, protocols []string) error {
	h := resp.Header
	sent := map[string][]string(req.Header) // the spelling of wireKey is not that of an http.Header
	switch accept := h[fieldAccept]; {
	case resp.StatusCode >= 300 && resp.StatusCode < 400 && h.Get("Location") != "":
		return fmt.Errorf("the server redirects to %s (%s), which is not followed", quote(redactLocation(h.Get("Location"))), printable(resp.Status, maxQuoted))
	case resp.StatusCode != http.StatusSwitchingProtocols:
		return refused(resp)
	case !upgrades(h):
		return fmt.Errorf("the server switched to something else than a WebSocket: Upgrade is %s, Connection is %s",
			quoteLines(h["Upgrade"]), quoteLines(h["Connection"]))
	case len(accept) != 1 || accept[0] != Accept(sent[wireKey][0]):
		return fmt.Errorf("the server answered another handshake: Sec-WebSocket-Accept is wrong: %s", quoteLines(accept))
	}
	if chosen := h[fieldProtocol]; len(chosen) > 1 || len(chosen) == 1 && !slices.Contains(protocols, chosen[0]) {
		return fmt.Errorf("the server chose a subprotocol that was not offered: %s", quoteLines(chosen))
	}
	return nil
}

// refused makes an error of a response, with the start of its body, if that
// is text.
func refused(resp *http.Response) error {
	body, _ := io.ReadAll(resp.Body) // an excerpt in memory
	resp.Body = io.NopCloser(bytes.NewReader(body))
	status := printable(resp.Status, maxQuoted)
	text := strings.TrimSpace(string(body[:min(len(body), maxQuoted)]))
	if text == "" || !header.IsValue(strings.Map(spaced, text)) {
		return fmt.Errorf("the server answered %s", status)
	}
	return fmt.Errorf("the server answered %s: %q", status, text)
}

// spaced turns line breaks, which are fine in a text, to spaces.
func spaced(r rune) rune {
	if r == '\n' || r == '\r' {
		return ' '
	}
	return r
}

// BadAnswer returns the error of a server's Sec-WebSocket-Extensions, with its
// value.
func BadAnswer(resp *http.Response, err error) error {
	return fmt.Errorf("%w: %s", err, quoteLines(resp.Header[fieldExtensions]))
}
