package http_test

import (
	"context"
	"io"
	"net"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/response"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// proxies calls TrustedProxies with prefixes in text form.
func proxies(t testing.TB, prefixes ...string) http.Middleware {
	t.Helper()
	parsed := make([]netip.Prefix, len(prefixes))
	for i, prefix := range prefixes {
		parsed[i] = netip.MustParsePrefix(prefix)
	}
	return http.TrustedProxies(parsed...)
}

// forwarded returns a request from a peer with X-Forwarded-For lines.
func forwarded(peer string, lines ...string) *http.Request {
	r := testkit.NewRequest("GET", "/", "")
	r.RemoteAddr = peer
	for _, line := range lines {
		r.Header.Add("X-Forwarded-For", line)
	}
	return r
}

func TestClientIP(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, peer string
		lines      []string
		want       string
	}{
		{"direct", "8.8.8.8:1234", nil, "8.8.8.8"},
		{"forged by a public peer", "8.8.8.8:1234", []string{"6.6.6.6"}, "8.8.8.8"},
		{"through a local proxy", "127.0.0.1:1234", []string{"6.6.6.6, 1.2.3.4"}, "1.2.3.4"},
		{"several lines are one list", "127.0.0.1:1234", []string{"6.6.6.6", "1.2.3.4", "10.0.0.1"}, "1.2.3.4"},
		{"junk stops the walk", "127.0.0.1:1234", []string{"1.2.3.4, junk"}, "127.0.0.1"},
		{"junk stops the walk behind a proxy", "127.0.0.1:1234", []string{"1.2.3.4, junk, 10.0.0.1"}, "10.0.0.1"},
		{"brackets and port", "127.0.0.1:1234", []string{"[2a00::1]:99"}, "2a00::1"},
		{"zone", "[fe80::1%eth0]:99", nil, "fe80::1"},
		{"IPv4 in IPv6", "[::ffff:8.8.8.8]:99", nil, "8.8.8.8"},
		{"Unix socket", "@", []string{"1.2.3.4"}, "1.2.3.4"},
		{"Unix socket without a header", "@", nil, ""},
		{"no address", "", nil, ""},
		{"httptest's request", "192.0.2.1:1234", []string{"1.2.3.4"}, "1.2.3.4"},
	}
	for _, tt := range tests {
		if got := http.ClientIP(forwarded(tt.peer, tt.lines...)); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestClientIPOfXRealIP(t *testing.T) {
	t.Parallel()
	r := forwarded("127.0.0.1:1")
	r.Header.Set("X-Real-IP", "1.2.3.4")
	if got := http.ClientIP(r); got != "1.2.3.4" {
		t.Errorf("X-Real-IP alone gives %q", got)
	}
	r.Header.Set("X-Forwarded-For", "5.6.7.8")
	if got := http.ClientIP(r); got != "5.6.7.8" {
		t.Errorf("X-Forwarded-For does not come first: %q", got)
	}
	for _, list := range []string{"9.9.9.9, unix:", "unknown", "", ", ,"} {
		r.Header.Set("X-Forwarded-For", list)
		if got := http.ClientIP(r); got != "127.0.0.1" {
			t.Errorf("X-Forwarded-For %q beside X-Real-IP gives %q", list, got)
		}
	}
	r.RemoteAddr = "8.8.8.8:1"
	if got := http.ClientIP(r); got != "8.8.8.8" {
		t.Errorf("a public peer passes for %q", got)
	}
}

func TestTrustedProxies(t *testing.T) {
	t.Parallel()
	var got string
	seen := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { got = http.ClientIP(r) })
	cdn, lb := proxies(t, "173.245.48.0/20", "2400:cb00::/32"), proxies(t, "9.9.9.9/32")
	tests := []struct {
		name    string
		handler http.Handler
		want    string
	}{
		{"none", seen, "173.245.48.1"},
		{"no prefixes", proxies(t)(seen), "173.245.48.1"},
		{"others", lb(seen), "173.245.48.1"},
		{"the peer", cdn(seen), "9.9.9.9"},
		{"two add up", cdn(lb(seen)), "1.2.3.4"},
		{"in any order", lb(cdn(seen)), "1.2.3.4"},
	}
	for _, tt := range tests {
		tt.handler.ServeHTTP(httptest.NewRecorder(), forwarded("173.245.48.1:1", "6.6.6.6, 1.2.3.4, 9.9.9.9"))
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestTrustedProxiesInAGroupAreKnownOutsideIt(t *testing.T) {
	t.Parallel()
	var before, after string
	router := http.NewRouter()
	router.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			turn := response.Enter(w, r)
			defer turn.End()
			before = http.ClientIP(turn.Request)
			next.ServeHTTP(turn.Writer, turn.Request)
			after = http.ClientIP(turn.Request)
		})
	})
	group := router.Group("/api")
	group.Use(proxies(t, "8.8.8.0/24"))
	group.HandleFunc("GET /", func(http.ResponseWriter, *http.Request) {})
	r := forwarded("8.8.8.8:1", "1.2.3.4")
	r.URL.Path = "/api/"
	router.ServeHTTP(httptest.NewRecorder(), r)
	if before != "8.8.8.8" || after != "1.2.3.4" {
		t.Errorf("before the group %q, after it %q", before, after)
	}
}

func TestTrustedProxiesPanicsForABadPrefix(t *testing.T) {
	t.Parallel()
	for _, prefix := range []netip.Prefix{{}, netip.MustParsePrefix("::ffff:0:0/90")} {
		got := panicText(func() { http.TrustedProxies(prefix) })
		if !strings.Contains(got, "ratelimit_test.go:") || !strings.Contains(got, "TrustedProxies") {
			t.Errorf("%v: panicked with %q", prefix, got)
		}
	}
}

func TestTrustedProxiesNamesAllBadPrefixes(t *testing.T) {
	t.Parallel()
	good := netip.MustParsePrefix("10.0.0.0/8")
	got := panicText(func() {
		http.TrustedProxies(good, netip.Prefix{}, netip.MustParsePrefix("::ffff:0:0/90"), netip.Prefix{})
	})
	for _, want := range []string{"prefix 2 of 4 is not valid; ", "prefix ::ffff:0.0.0.0/90 covers", "; prefix 4 of 4 is not valid"} {
		if !strings.Contains(got, want) {
			t.Errorf("panicked with %q, want %q in it", got, want)
		}
	}
}

func TestClientIPOnRealConnections(t *testing.T) {
	t.Parallel()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, http.ClientIP(r)) })
	srv := testkit.StartServer(t, testkit.HTTP1, handler)
	unix, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	local := httptest.NewUnstartedServer(handler)
	local.Listener.Close()
	local.Listener = unix
	local.Start()
	t.Cleanup(local.Close)
	overUnix := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", unix.Addr().String())
		},
	}}
	t.Cleanup(overUnix.CloseIdleConnections)
	tests := []struct {
		client      *http.Client
		url, header string
		want        string
	}{
		{srv.Client(), srv.URL, "", "127.0.0.1"},
		{srv.Client(), srv.URL, "6.6.6.6, 1.2.3.4", "1.2.3.4"},
		{overUnix, "http://unix/", "6.6.6.6, 1.2.3.4", "1.2.3.4"},
		{overUnix, "http://unix/", "", ""},
		{srv.Client(), srv.URL, "9.9.9.9, unix:", "127.0.0.1"},
	}
	for _, tt := range tests {
		var fields []string
		if tt.header != "" {
			fields = []string{"X-Forwarded-For: " + tt.header, "X-Real-IP: 6.6.6.6"} // the first is preferred
		}
		if got := testkit.Get(t, tt.client, tt.url, fields...).Body; got != tt.want {
			t.Errorf("%s with %q: %q, want %q", tt.url, tt.header, got, tt.want)
		}
	}
}

// TestRateLimitCountsTheIPv4ClientBehindATranslator covers clients that share
// a /64 but not an IPv4 address, and a client with many /64 prefixes.
func TestRateLimitCountsTheIPv4ClientBehindATranslator(t *testing.T) {
	t.Parallel()
	limit := http.RateLimit(http.RateLimitConfig{Limit: 1})(answer200())
	for _, tt := range []struct {
		peer   string
		status int
	}{
		{"[64:ff9b::1.2.3.4]:1", 200},
		{"[64:ff9b::1.2.3.5]:1", 200},
		{"[64:ff9b::1.2.3.4]:2", 429},
		{"1.2.3.4:1", 429},
		{"[64:ff9b:1::1.2.3.4]:1", 200},
		{"[64:ff9b:1::1.2.3.5]:1", 200},
		{"[64:ff9b:1::1.2.3.5]:2", 429},
		{"[2002:909:909:1::1]:1", 200},
		{"[2002:909:909:2::1]:1", 429},
		{"[2a00:1:2:3::4]:1", 200},
		{"[2a00:1:2:3::5]:1", 429},
	} {
		rec := testkit.Record(limit, forwarded(tt.peer))
		if rec.StatusCode != tt.status {
			t.Errorf("%s: status %d, want %d", tt.peer, rec.StatusCode, tt.status)
		}
	}
}

func TestClientIPDoesNotAllocate(t *testing.T) {
	if testkit.Race {
		t.Skip("the race detector allocates")
	}
	direct, proxied := forwarded("8.8.8.8:99"), forwarded("127.0.0.1:99", "6.6.6.6, 1.2.3.4")
	if n := testing.AllocsPerRun(100, func() {
		_ = http.ClientIP(direct)
		_ = http.ClientIP(proxied)
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func BenchmarkClientIP(b *testing.B) {
	for name, r := range map[string]*http.Request{
		"direct":  forwarded("8.8.8.8:12345"),
		"proxied": forwarded("127.0.0.1:12345", "6.6.6.6, 1.2.3.4"),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = http.ClientIP(r)
			}
		})
	}
}
