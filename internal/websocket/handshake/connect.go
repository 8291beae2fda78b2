package handshake

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

const (
	// maxResponseHeader limits the header of a server's or proxy's response in
	// bytes, including informational responses before it.
	maxResponseHeader = 256 << 10

	// maxInformational is the maximum number of informational responses to
	// skip.
	maxInformational = 10

	// maxExcerpt is the maximum number of bytes to read from the body of a
	// response other than 101.
	maxExcerpt = 4 << 10
)

type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// connect opens the network connection for a request: directly or through a
// proxy, with TLS for an https URL.
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
	var conn net.Conn
	var err error
	if proxy == nil {
		conn, err = dial(ctx, "tcp", hostPort(req.URL))
	} else if conn, err = dialProxy(ctx, dial, proxy, hostPort(req.URL), o.TLSConfig); err != nil {
		err = fmt.Errorf("proxy %s://%s: %w", proxy.Scheme, proxy.Host, err)
	}
	if err != nil {
		return nil, err
	}
	if req.URL.Scheme != "https" {
		return conn, nil
	}
	return withTLS(ctx, conn, req.URL, o.TLSConfig)
}

// hostPort returns the network address of a URL.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// dialProxy opens a connection to addr through an HTTP proxy. The ServerName of
// config belongs to the server, so the TLS connection to the proxy ignores it.
func dialProxy(ctx context.Context, dial dialFunc, proxy *url.URL, addr string, config *tls.Config) (net.Conn, error) {
	if proxy.Scheme != "http" && proxy.Scheme != "https" {
		return nil, fmt.Errorf("unsupported URL scheme %q; use http or https", proxy.Scheme)
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
		_ = conn.Close() // err is the reason
		return nil, err
	}
	return conn, nil
}

// withTLS performs the TLS handshake. If it fails, withTLS closes conn.
func withTLS(ctx context.Context, conn net.Conn, u *url.URL, config *tls.Config) (net.Conn, error) {
	if config == nil {
		config = new(tls.Config)
	} else {
		config = config.Clone()
	}
	if config.ServerName == "" {
		config.ServerName = u.Hostname()
	}
	config.NextProtos = []string{"http/1.1"} // HTTP/2 has no Upgrade
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // err is the reason
		return nil, err
	}
	return secure, nil
}

// tunnel asks a proxy to connect to addr.
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
		return errors.New("CONNECT failed: " + printable(resp.Status, maxQuoted))
	case br.Buffered() > 0:
		return errors.New("sent data before it was connected to the server")
	}
	return nil
}

// roundTrip writes a request and reads the response. The reader has a buffer of
// size bytes, or of bufio's minimum size if that is larger. It may hold bytes
// that follow the response.
//
// If ctx ends first, roundTrip returns the error of ctx, with the response if
// its header has arrived. Otherwise, no deadline remains set on conn. If the
// response to a GET is not 101, roundTrip replaces its body with the first
// maxExcerpt bytes.
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
		excerpt, _ := io.ReadAll(io.LimitReader(resp.Body, maxExcerpt)) // a part of the body is enough
		resp.Body = io.NopCloser(bytes.NewReader(excerpt))
	}
	if !stop() && ctx.Err() != nil {
		err = ctx.Err()
	}
	return br, resp, err
}

// readResponse reads the response and skips informational ones, such as 103,
// before it (RFC 9110, section 15.2).
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
	return nil, fmt.Errorf("received more than %d informational responses", maxInformational)
}

// A headerReader reads from a connection, and fails after left bytes.
type headerReader struct {
	r    io.Reader
	left int
}

// errHeaderTooLong wraps the error of http.ReadResponse for a truncated header.
var errHeaderTooLong = fmt.Errorf("the response header exceeds %d KiB: %w", maxResponseHeader>>10, io.ErrUnexpectedEOF)

// Read implements [io.Reader].
func (h *headerReader) Read(p []byte) (int, error) {
	if h.left == 0 {
		return 0, errHeaderTooLong
	}
	n, err := h.r.Read(p[:min(len(p), h.left)])
	h.left -= n
	return n, err
}
