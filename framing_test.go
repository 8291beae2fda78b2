package http_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"maps"
	"math/rand/v2"
	"net"
	nethttp "net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// The framing tests run random handlers on a bare server of net/http and, inside a
// random chain, on a [http.Server]. The client, a second request on the same
// connection, and the handler must see the same, except for the intended changes of
// the middleware in the chain. HTTP/1 requests use raw connections.

// A framingServer is a server whose handler depends on the request.
type framingServer struct {
	proto  testkit.Protocol
	addr   string
	client *nethttp.Client // for HTTP/2
	log    superfluous
	chosen sync.Map // from the value of exchangeField to the handler
	count  int
}

func (s *framingServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h, _ := s.chosen.Load(r.Header.Get(exchangeField))
	h.(http.Handler).ServeHTTP(w, r)
}

// superfluous returns the number of superfluous WriteHeader calls in the log.
type superfluous struct{ n atomic.Int64 }

func (s *superfluous) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte("superfluous")) {
		s.n.Add(1)
	}
	return len(line), nil
}

// framingServers starts a bare server and a [http.Server].
func framingServers(tb testing.TB, proto testkit.Protocol) (bare, ours *framingServer) {
	tb.Helper()
	bare, ours = &framingServer{proto: proto}, &framingServer{proto: proto}
	srv := testkit.StartServer(tb, proto, bare, func(hs *nethttp.Server) { hs.ErrorLog = log.New(&bare.log, "", 0) })
	bare.addr = srv.Addr()
	opts := []http.ServerOption{onLoopback(), http.WithHTTPServer(func(hs *nethttp.Server) { hs.ErrorLog = log.New(&ours.log, "", 0) })}
	if proto == testkit.HTTP2 {
		certFile, keyFile, _ := testkit.KeyPair(tb)
		opts = append(opts, http.WithTLS(certFile, keyFile))
		for _, s := range []*framingServer{bare, ours} {
			transport := &nethttp.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true, DisableCompression: true}
			tb.Cleanup(transport.CloseIdleConnections)
			s.client = &nethttp.Client{Transport: transport, Timeout: testkit.Patience,
				CheckRedirect: func(*nethttp.Request, []*nethttp.Request) error { return nethttp.ErrUseLastResponse }}
		}
	}
	own := http.NewServer(ours, opts...)
	if err := own.Start(context.Background()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = own.Stop(noTime()) }) // fails if connections are open
	ours.addr = own.Addr()
	return bare, ours
}

// A framingResult records one exchange as the client and the handler saw it.
type framingResult struct {
	Infos       []string
	Status      int
	Header      nethttp.Header
	Trailer     nethttp.Header
	Body        string
	Failed      string // how the response ended, if it is incomplete
	Second      string // the result of the second request
	Notes       []string
	Superfluous int64 // WriteHeader calls
}

// exchange runs p inside wrap for a request and returns the result.
func (s *framingServer) exchange(tb testing.TB, p *framingProgram, wrap func(http.Handler) http.Handler) *framingResult {
	tb.Helper()
	var notes []string
	returned := make(chan struct{})
	first := wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.run(w, r, &notes) }))
	s.count++
	name := strconv.Itoa(s.count)
	s.chosen.Store(name, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(returned)
		first.ServeHTTP(w, r)
	}))
	second := name + " behind"
	s.chosen.Store(second, wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, second) })))
	defer s.chosen.Delete(name)
	defer s.chosen.Delete(second)
	before := s.log.n.Load()

	var result *framingResult
	if s.proto == testkit.HTTP2 {
		if s.count%100 == 0 {
			s.client.CloseIdleConnections()
		}
		result = s.speakHTTP2(tb, p, name)
	} else {
		result = s.speakHTTP1(tb, p, name)
	}
	select {
	case <-returned:
	case <-time.After(testkit.Patience):
		tb.Fatalf("the handler does not return:\n%v", p)
	}
	result.Notes = notes
	result.Superfluous = s.log.n.Load() - before
	return result
}

// speakHTTP1 sends two requests and reads both responses.
func (s *framingServer) speakHTTP1(tb testing.TB, p *framingProgram, name string) *framingResult {
	tb.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		tb.Fatal(err)
	}
	var sending sync.WaitGroup
	defer sending.Wait()
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(testkit.Patience)) // TCP connections support deadlines
	request, behind := p.wire(name)
	if !p.closes {
		request = append(request, behind...)
	}
	sending.Go(func() {
		_, _ = conn.Write(request) // if the server has closed the connection, reading fails too
	})
	br, result := bufio.NewReader(conn), &framingResult{}
	for {
		resp, err := nethttp.ReadResponse(br, &nethttp.Request{Method: p.method})
		if err != nil {
			result.Failed, result.Second = "no response", "closed"
			checkPatience(tb, p, err)
			return result
		}
		if resp.StatusCode >= 100 && resp.StatusCode < 200 {
			result.Infos = append(result.Infos, fmt.Sprint(resp.StatusCode, resp.Header["Link"]))
			continue
		}
		if err := result.take(resp); err != nil {
			checkPatience(tb, p, err)
			result.Failed, result.Second = "broken off", "closed"
			return result
		}
		break
	}
	if p.closes {
		_, _ = conn.Write(behind)
	}
	result.Second = readSecond(tb, p, br, name+" behind")
	return result
}

// readSecond reads the response to the second request.
func readSecond(tb testing.TB, p *framingProgram, br *bufio.Reader, want string) string {
	tb.Helper()
	if _, err := br.Peek(1); err != nil {
		checkPatience(tb, p, err)
		return "closed"
	}
	resp, err := nethttp.ReadResponse(br, &nethttp.Request{Method: "GET"})
	if err != nil {
		return fmt.Sprintf("garbage: %v", err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 || string(body) != want {
		return fmt.Sprintf("%s with %q, %v", resp.Status, body, err)
	}
	return "answered"
}

// checkPatience reports an error if err is a timeout of the client.
func checkPatience(tb testing.TB, p *framingProgram, err error) {
	tb.Helper()
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		tb.Fatalf("the client waits forever:\n%v", p)
	}
}

// take reads a response into the result.
func (f *framingResult) take(resp *nethttp.Response) error {
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	f.Status, f.Header, f.Trailer, f.Body = resp.StatusCode, resp.Header, resp.Trailer, string(body)
	return err
}

// wire returns the bytes of both requests.
func (p *framingProgram) wire(name string) (request, behind []byte) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s / HTTP/%s\r\nHost: x\r\n%s: %s\r\n", p.method, p.version, exchangeField, name)
	for _, f := range p.header {
		fmt.Fprintf(&b, "%s: %s\r\n", f[0], f[1])
	}
	if p.expect && p.version == "1.1" {
		b.WriteString("Expect: 100-continue\r\n")
	}
	body := strings.Repeat("b", max(0, p.body))
	switch {
	case p.body < 0:
		b.WriteString("\r\n")
	case p.chunked && p.version == "1.1":
		b.WriteString("Transfer-Encoding: chunked\r\n\r\n")
		if body != "" {
			fmt.Fprintf(&b, "%x\r\n%s\r\n", len(body), body)
		}
		b.WriteString("0\r\n\r\n")
	default:
		fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	}
	return b.Bytes(), fmt.Appendf(nil, "GET / HTTP/1.1\r\nHost: x\r\n%s: %s behind\r\nConnection: close\r\n\r\n", exchangeField, name)
}

// speakHTTP2 sends the two requests, the second when the first has ended.
func (s *framingServer) speakHTTP2(tb testing.TB, p *framingProgram, name string) *framingResult {
	tb.Helper()
	result := &framingResult{}
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		result.Infos = append(result.Infos, fmt.Sprint(code, h["Link"]))
		return nil
	}}
	r, err := nethttp.NewRequestWithContext(httptrace.WithClientTrace(context.Background(), trace), p.method, "https://"+s.addr, nil)
	if err != nil {
		tb.Fatal(err)
	}
	r.Header.Set(exchangeField, name)
	for _, f := range p.header {
		r.Header.Set(f[0], f[1])
	}
	r.Header.Del("Connection")
	if p.body >= 0 {
		n := min(p.body, 5000) // unread bytes would reduce the connection's window
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(strings.Repeat("b", n))), int64(n)
		if p.chunked {
			r.ContentLength = -1
		}
		if p.expect {
			r.Header.Set("Expect", "100-continue")
		}
	}
	resp, err := s.client.Do(r)
	if err != nil {
		checkPatience(tb, p, err)
		result.Failed = "no response"
	} else if err := result.take(resp); err != nil {
		checkPatience(tb, p, err)
		result.Failed = "broken off"
	}
	r, err = nethttp.NewRequest("GET", "https://"+s.addr, nil)
	if err != nil {
		tb.Fatal(err)
	}
	r.Header.Set(exchangeField, name+" behind")
	behind := &framingResult{}
	if resp, err = s.client.Do(r); err == nil {
		err = behind.take(resp)
	}
	result.Second = fmt.Sprint(behind.Status, behind.Body == name+" behind", err)
	return result
}

// A framingChain is a random selection of middleware in random order.
type framingChain struct {
	names []string
	wraps []func(http.Handler) http.Handler
}

func newFramingChain(c *choices) *framingChain {
	links := everything(&watch{metrics: http.NewMetrics(), quiet: true})
	chain := &framingChain{}
	for len(links) > 0 {
		i := c.n(len(links))
		if c.n(2) == 1 {
			chain.names, chain.wraps = append(chain.names, links[i].name), append(chain.wraps, links[i].wrap)
		}
		links = slices.Delete(links, i, i+1)
	}
	return chain
}

func (f *framingChain) has(name string) bool             { return slices.Contains(f.names, name) }
func (f *framingChain) wrap(h http.Handler) http.Handler { return stack(f.wraps...)(h) }

// A framingDifference is a difference that no middleware explains.
type framingDifference struct{ kind, text string }

// A framingComparison compares the results of one program.
type framingComparison struct {
	*framingProgram
	chain     *framingChain
	proto     testkit.Protocol
	want, got *framingResult
	declared  string // Content-Length of the bare server's response
	encoded   bool   // only our response is encoded
	found     []framingDifference
}

// differences returns the differences between the results that are not intended
// changes of the chain.
func (f *framingChain) differences(p *framingProgram, proto testkit.Protocol, want, got *framingResult) []framingDifference {
	c := &framingComparison{framingProgram: p, chain: f, proto: proto, want: want, got: got}
	c.declared = want.Header.Get("Content-Length")
	c.encoded = len(want.Header["Content-Encoding"]) == 0 && got.Header.Get("Content-Encoding") == "gzip"
	switch err := f.undo(p, want, got); {
	case err != nil && c.old():
		got.Failed = "broken off" // which only decompressing shows
	case err != nil:
		c.compare("coding", nil, err)
	}
	c.compareHandler()
	if p.lateHijack && proto == testkit.HTTP1 {
		return c.found // the handler wrote two responses
	}
	c.compare("infos", want.Infos, got.Infos)
	if c.compareEnd() {
		c.compareResponse()
	}
	return c.found
}

func (c *framingComparison) compare(kind string, want, got any) {
	if w, g := fmt.Sprintf("%.300q", want), fmt.Sprintf("%.300q", got); w != g {
		c.found = append(c.found, framingDifference{kind, fmt.Sprintf("%s is %s, of a bare server %s", kind, g, w)})
	}
}

// old reports whether the protocol is HTTP/1.0.
func (c *framingComparison) old() bool { return c.proto == testkit.HTTP1 && c.version == "1.0" }

// compareHandler compares the results of the handler's calls and the lines that the
// server logged about them.
func (c *framingComparison) compareHandler() {
	switch {
	case c.mislabeled && (c.readsFrom || c.proto == testkit.HTTP2):
		// How much of a body that is too long is accepted depends on the server.
	case c.proto == testkit.HTTP2 && (c.method == "HEAD" || endedEarly(c.want.Notes) || endedEarly(c.got.Notes)):
		// Whether a call returns an error depends on the client's next frame.
	default:
		c.compare("handler", c.want.Notes, c.got.Notes)
	}
	if !c.panics && c.proto == testkit.HTTP1 { // the HTTP/2 writer logs nothing
		c.compare("superfluous", c.want.Superfluous, c.got.Superfluous)
	}
}

// compareEnd compares how the exchanges ended and reports whether the responses can
// be compared.
func (c *framingComparison) compareEnd() bool {
	want, got := c.want, c.got
	answered := c.chain.has("Recovery") && got.Status == 500 && (got.Body == `{"error":"internal server error"}` || c.method == "HEAD")
	switch {
	case c.panics && (answered || got.Failed != ""):
		return false
	case c.panics && want.Failed == "broken off" && len(got.Header["Content-Length"]) > 0:
		return false // the last bytes may have been sent before the panic
	case c.mislabeled && c.encoded && got.Failed == "" && (c.declared == strconv.Itoa(len(got.Body)) || c.method == "HEAD"):
		// The body is complete. A server closes the connection after a body that is
		// too long, but not after its encoded form.
		return want.Failed == ""
	case c.mislabeled && c.readsFrom && got.Failed != "":
		return false // some of a body that is too long may have been rejected
	case (want.Failed == "") != (got.Failed == ""):
		c.compare("failed", want.Failed, got.Failed)
		return false
	}
	if !c.old() { // with HTTP/1.0, the connection is kept only if the length is known
		c.compare("second", want.Second, got.Second)
	}
	return got.Failed == "" // how much of an incomplete body arrives depends on buffers
}

func (c *framingComparison) compareResponse() {
	want, got := c.want, c.got
	c.compare("status", want.Status, got.Status)
	c.chain.undoTrailers(c.framingProgram, want, got)
	c.compare("trailer", want.Trailer, got.Trailer)
	if !c.old() || !c.panics {
		c.compare("body's length", len(want.Body), len(got.Body))
		c.compare("body", true, want.Body == got.Body)
	}
	if c.old() {
		delete(want.Header, "Connection")
		delete(got.Header, "Connection")
	}
	for _, name := range slices.Sorted(maps.Keys(merge(want.Header, got.Header))) {
		c.compare("header "+name, want.Header[name], got.Header[name])
	}
}

// endedEarly reports whether a call of the handler failed because its stream had
// ended. In HTTP/2, if the response has no body, this depends on the client's next
// frame.
func endedEarly(notes []string) bool {
	return slices.ContainsFunc(notes, func(note string) bool { return strings.Contains(note, "handler exiting") })
}

func merge(a, b nethttp.Header) nethttp.Header {
	all := maps.Clone(a)
	if all == nil {
		all = nethttp.Header{}
	}
	maps.Copy(all, b)
	return all
}

// undo reverts the intended changes of the chain in got, or applies them to want. It
// returns an error if a change is wrong.
func (f *framingChain) undo(p *framingProgram, want, got *framingResult) error {
	if got.Header == nil {
		return nil
	}
	if want.Header == nil {
		want.Header = nethttp.Header{}
	}
	if p.expect && len(want.Infos) == 0 {
		// If a stage holds the status, the handler can still read the request's body.
		got.Infos = slices.DeleteFunc(got.Infos, func(info string) bool { return info == "100 []" })
	}
	added := secureDefaults()
	added["X-Request-Id"], added["Access-Control-Allow-Origin"], added["X-Accel-Buffering"] = nil, nil, nil
	added["X-Ratelimit-Limit"], added["X-Ratelimit-Remaining"], added["X-Ratelimit-Reset"] = nil, nil, nil
	added["Date"] = nil
	for name := range added {
		delete(want.Header, name)
		delete(got.Header, name)
	}
	varies := slices.Contains(got.Header["Vary"], "Accept-Encoding")
	got.Header["Vary"] = slices.DeleteFunc(got.Header["Vary"], func(v string) bool { return v == "Accept-Encoding" || v == "Origin" })
	if len(got.Header["Vary"]) == 0 {
		delete(got.Header, "Vary")
	}
	encoded := f.has("Compress") && got.Header.Get("Content-Encoding") == "gzip" && len(want.Header["Content-Encoding"]) == 0
	var err error
	if encoded {
		err = undoEncoding(p, want, got)
		if !varies {
			err = fmt.Errorf("compressed without Vary")
		}
	}
	if tag := got.Header.Get("Etag"); f.has("ETag") && len(want.Header["Etag"]) == 0 && len(tag) == 18 {
		delete(got.Header, "Etag")
		if p.method == "GET" && !encoded && got.Failed == "" && tag != tagOf(got.Body) {
			err = fmt.Errorf("the tag of %d bytes is %s", len(got.Body), tag)
		}
	}
	if n := got.Header.Get("Content-Length"); len(want.Header["Content-Length"]) == 0 && (n == strconv.Itoa(len(got.Body)) || p.method == "HEAD") {
		delete(got.Header, "Content-Length") // a held body has a length
	}
	if p.method == "HEAD" && varies && len(got.Header["Content-Length"]) == 0 {
		delete(want.Header, "Content-Length") // the compressed length of no body is unknown
	}
	return err
}

// undoTrailers reverts trailers that are too late on a bare server, because it sends
// the length of a short body, but not too late for a body that is held.
func (f *framingChain) undoTrailers(p *framingProgram, want, got *framingResult) {
	if !p.lateTrailer || !f.has("Compress") && !f.has("ETag") {
		return
	}
	if len(got.Header["Content-Length"]) == 0 {
		delete(want.Header, "Content-Length")
	}
	if more := got.Trailer.Get("X-More"); len(want.Trailer) == 0 && len(got.Trailer) == 1 && more == "6" {
		got.Trailer = nil
	}
}

// undoEncoding decompresses the body and restores its fields.
func undoEncoding(p *framingProgram, want, got *framingResult) error {
	declared := want.Header.Get("Content-Length")
	for _, name := range []string{"Content-Encoding", "Content-Length"} {
		delete(want.Header, name)
		delete(got.Header, name)
	}
	if _, ranges := want.Header["Accept-Ranges"]; ranges {
		delete(want.Header, "Accept-Ranges")
		if tag := got.Header.Get("Etag"); tag == "W/"+want.Header.Get("Etag") {
			got.Header.Set("Etag", tag[2:])
		}
	}
	if p.method == "HEAD" {
		return nil
	}
	zr, err := gzip.NewReader(strings.NewReader(got.Body))
	var plain []byte
	if err == nil {
		plain, err = io.ReadAll(zr)
	}
	got.Body = string(plain)
	if got.Failed == "" {
		return err
	}
	// A wrong length ends a complete body early. A handler may also abort after a complete body.
	if err == nil && !p.mislabeled && declared != strconv.Itoa(len(plain)) {
		return fmt.Errorf("a response that broke off decodes to the end")
	}
	return nil
}

// framingCase returns the program and the chain that data encodes.
func framingCase(data []byte) (*framingProgram, *framingChain) {
	c := &choices{data}
	return newFramingProgram(c), newFramingChain(c)
}

// framingSeed returns data for a random case.
func framingSeed(seed uint64) []byte {
	random := rand.New(rand.NewPCG(seed, 27))
	data := make([]byte, 96)
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	return data
}

// framingPrograms returns the number of programs that TestFramingIsThatOfNetHTTP
// runs with each protocol. It is 300, or the value of the environment variable
// FRAMING_PROGRAMS.
func framingPrograms(t *testing.T) uint64 {
	value := os.Getenv("FRAMING_PROGRAMS")
	if value == "" {
		return 300
	}
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil {
		t.Fatalf("FRAMING_PROGRAMS: %v", err)
	}
	return n
}

func TestFramingIsThatOfNetHTTP(t *testing.T) {
	t.Parallel()
	for _, proto := range []testkit.Protocol{testkit.HTTP1, testkit.HTTP2} {
		t.Run(string(proto), func(t *testing.T) {
			t.Parallel()
			bare, ours := framingServers(t, proto)
			counts, programs := map[string]int{}, framingPrograms(t)
			for seed := range programs {
				p, chain := framingCase(framingSeed(seed))
				want, got := bare.exchange(t, p, stack()), ours.exchange(t, p, chain.wrap)
				for _, d := range chain.differences(p, proto, want, got) {
					if counts[d.kind]++; counts[d.kind] <= 3 {
						t.Errorf("program %d through %q: %s\n\t%v", seed, chain.names, d.text, p)
					}
				}
			}
			t.Logf("%d programs, differences by kind: %v", programs, counts)
		})
	}
}

func FuzzFramingIsThatOfNetHTTP(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(framingSeed(1000 + seed))
	}
	protocols := []testkit.Protocol{testkit.HTTP1, testkit.HTTP2}
	var bare, ours [2]*framingServer
	for i, proto := range protocols {
		bare[i], ours[i] = framingServers(f, proto)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, chain := framingCase(data)
		for i, proto := range protocols {
			want, got := bare[i].exchange(t, p, stack()), ours[i].exchange(t, p, chain.wrap)
			for _, d := range chain.differences(p, proto, want, got) {
				t.Errorf("%s, through %q: %s\n\t%v", proto, chain.names, d.text, p)
			}
		}
	})
}
