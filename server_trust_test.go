package http_test

import (
	"io"
	"net"
	nethttp "net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

func TestWithTrustedProxies(t *testing.T) {
	t.Parallel()
	public := netip.MustParsePrefix("8.8.8.0/24")
	loopback := netip.MustParsePrefix("127.0.0.0/8")
	tests := []struct {
		name       string
		server     []http.ServerOption
		middleware []netip.Prefix
		forwarded  string
		want       string
	}{
		{"default", nil, nil, "1.1.1.1, 8.8.8.8, 10.0.0.1", "8.8.8.8"},
		{"a prefix", []http.ServerOption{http.WithTrustedProxies(public)}, nil, "6.6.6.6, 1.1.1.1, 8.8.8.8, 10.0.0.1", "1.1.1.1"},
		{"a prefix and another in middleware", []http.ServerOption{http.WithTrustedProxies(public)},
			[]netip.Prefix{netip.MustParsePrefix("9.9.9.9/32")}, "6.6.6.6, 1.1.1.1, 9.9.9.9, 8.8.8.8", "1.1.1.1"},
		{"none", []http.ServerOption{http.WithTrustedProxies()}, nil, "1.1.1.1", "127.0.0.1"},
		{"none, but a prefix in middleware", []http.ServerOption{http.WithTrustedProxies()},
			[]netip.Prefix{loopback}, "1.1.1.1, 10.0.0.1", "10.0.0.1"},
		{"none, but another prefix in middleware", []http.ServerOption{http.WithTrustedProxies()},
			[]netip.Prefix{public}, "1.1.1.1", "127.0.0.1"},
		{"the last option wins", []http.ServerOption{http.WithTrustedProxies(), http.WithTrustedProxies(public)},
			nil, "1.1.1.1, 8.8.8.8", "1.1.1.1"},
	}
	address := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, http.ClientIP(r)) })
	state := http.RequestID(http.RequestIDConfig{}) // gives the request a state
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			trust := http.TrustedProxies(tt.middleware...)
			for name, handler := range map[string]nethttp.Handler{
				"alone": trust(address), "state outside": state(trust(address)), "state inside": trust(state(address)),
			} {
				for _, protocol := range []testkit.Protocol{testkit.HTTP1, testkit.HTTP2} {
					url, client := serveOwn(t, protocol, handler, tt.server...)
					if got := testkit.Get(t, client, url, "X-Forwarded-For: "+tt.forwarded).Body; got != tt.want {
						t.Errorf("%s, %v: ClientIP is %q, want %q", name, protocol, got, tt.want)
					}
				}
			}
		})
	}
}

func TestWithoutTrustedProxiesPeersOnUnixSocketsAreUnknown(t *testing.T) {
	t.Parallel()
	for want, opts := range map[string][]http.ServerOption{"1.1.1.1": nil, "": {http.WithTrustedProxies()}} {
		l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
		if err != nil {
			t.Fatal(err)
		}
		startServer(t, func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, http.ClientIP(r))
		}, append(opts, http.WithListener(l))...)
		conn, err := net.Dial("unix", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if got := testkit.Wrap(t, conn).Get("/", "X-Forwarded-For: 1.1.1.1", "X-Real-IP: 1.1.1.1").Body; got != want {
			t.Errorf("ClientIP is %q, want %q", got, want)
		}
	}
}

// RateLimit and RequestLogger use the same address as ClientIP.
func TestLimitsAndLogsUseTheServersTrustedProxies(t *testing.T) {
	t.Parallel()
	var log testkit.Log
	router := http.NewRouter()
	router.Use(http.RequestLogger(log.JSON()), http.RateLimit(http.RateLimitConfig{Limit: 1, Window: 1 << 40}))
	router.HandleFunc("GET /", echoPath)
	srv := startServer(t, router.ServeHTTP, http.WithTrustedProxies())
	for i, status := range []int{200, 429} {
		forwarded := "X-Forwarded-For: 1.1.1." + string(rune('1'+i))
		if got := testkit.Dial(t, srv.Addr()).Get("/", forwarded).StatusCode; got != status {
			t.Errorf("request %d got %d", i+1, got)
		}
	}
	for _, record := range log.Records(t) {
		if record["remote_ip"] != "127.0.0.1" {
			t.Errorf("logged %v", record)
		}
	}
}

func TestWithTrustedProxiesPanicsForABadPrefix(t *testing.T) {
	t.Parallel()
	got := panicText(func() { http.WithTrustedProxies(netip.Prefix{}) })
	if !strings.Contains(got, "server_trust_test.go:") || !strings.Contains(got, "WithTrustedProxies: prefix 1 of 1 is not valid") {
		t.Errorf("panics with %q", got)
	}
}

func TestTheServersTrustedProxiesCostNoAllocation(t *testing.T) {
	allocations := make(chan float64, 1)
	srv := startServer(t, func(w http.ResponseWriter, r *http.Request) {
		allocations <- testing.AllocsPerRun(100, func() {
			if http.ClientIP(r) != "1.1.1.1" {
				t.Error("the proxy is not trusted")
			}
		})
	}, http.WithTrustedProxies(netip.MustParsePrefix("8.8.8.8/32")))
	testkit.Dial(t, srv.Addr()).Get("/", "X-Forwarded-For: 1.1.1.1, 8.8.8.8")
	if n := <-allocations; n != 0 {
		t.Errorf("ClientIP allocates %v times", n)
	}
}
