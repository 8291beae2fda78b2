package http_test

import (
	"fmt"
	"maps"
	nethttp "net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// secureDefaults are the fields that SecureHeaders sets by default.
func secureDefaults() http.Header {
	return http.Header{
		"X-Content-Type-Options": {"nosniff"},
		"X-Frame-Options":        {"DENY"},
		"Referrer-Policy":        {"strict-origin-when-cross-origin"},
		"X-Xss-Protection":       {"0"},
		"Permissions-Policy":     {"camera=(), microphone=(), geolocation=()"},
	}
}

func TestSecureHeadersAreOnEveryResponse(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.Use(http.SecureHeaders(http.SecureHeadersConfig{}), http.CORS(http.CORSConfig{}))
	router.HandleFunc("/ok", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	router.HandleFunc("/empty", func(http.ResponseWriter, *http.Request) {})
	router.HandleFunc("/error", func(w http.ResponseWriter, _ *http.Request) {
		http.WriteError(w, http.StatusInternalServerError, "no")
	})
	router.HandleFunc("/plain-error", func(w http.ResponseWriter, _ *http.Request) { nethttp.Error(w, "no", 500) })
	router.HandleFunc("/nobody", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) })
	router.HandleFunc("/dir/", func(http.ResponseWriter, *http.Request) {})
	router.HandleFunc("POST /only-post", func(http.ResponseWriter, *http.Request) {})

	testkit.EachProtocol(t, router, func(t *testing.T, srv *testkit.Server) {
		for _, tt := range []struct {
			method, path string
			status       int
		}{
			{"GET", "/ok", 200}, {"HEAD", "/ok", 200}, {"GET", "/empty", 200}, {"GET", "/error", 500}, {"GET", "/plain-error", 500},
			{"GET", "/nobody", 304}, {"GET", "/dir", 307}, {"GET", "/only-post", 405}, {"GET", "/nothing", 404}, {"OPTIONS", "/ok", 204},
		} {
			r := testkit.NewRequest(tt.method, srv.URL+tt.path, "")
			if tt.method == "OPTIONS" {
				r.Header = preflight("https://evil.example", "GET")
			}
			res := testkit.Do(t, srv.Client(), r)
			if res.StatusCode != tt.status {
				t.Errorf("%s %s: status %d, want %d", tt.method, tt.path, res.StatusCode, tt.status)
			}
			for name, want := range secureDefaults() {
				if got := res.Header[name]; !slices.Equal(got, want) {
					t.Errorf("%s %s: %s: %q, want %q", tt.method, tt.path, name, got, want)
				}
			}
		}
	})
}

func TestSecureHeadersAsConfigured(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		config http.SecureHeadersConfig
		change func(http.Header)
	}{
		{"defaults", http.SecureHeadersConfig{}, func(http.Header) {}},
		{"as in the documentation",
			http.SecureHeadersConfig{HSTSMaxAge: 63072000, ContentSecurityPolicy: "default-src 'self'", FrameOptions: "SAMEORIGIN"},
			func(h http.Header) {
				h.Set("Strict-Transport-Security", "max-age=63072000")
				h.Set("Content-Security-Policy", "default-src 'self'")
				h.Set("X-Frame-Options", "SAMEORIGIN")
			}},
		{"left out", http.SecureHeadersConfig{XSSProtection: "-", PermissionsPolicy: "-"}, func(h http.Header) {
			h.Del("X-XSS-Protection")
			h.Del("Permissions-Policy")
		}},
		{"transport security in full", http.SecureHeadersConfig{HSTSMaxAge: 31536000, HSTSIncludeSubdomains: true, HSTSPreload: true},
			func(h http.Header) {
				h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains; preload")
			}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			want, rec := secureDefaults(), httptest.NewRecorder()
			tt.change(want)
			handler := http.SecureHeaders(tt.config)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			handler.ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
			if got := rec.Header(); !maps.EqualFunc(got, want, slices.Equal) {
				t.Errorf("header %q, want %q", got, want)
			}
		})
	}
}

func TestSecureHeadersLeaveTheLastWordToTheHandler(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.Use(http.SecureHeaders(http.SecureHeadersConfig{}))
	group := router.Group("/widget")
	group.Use(http.SecureHeaders(http.SecureHeadersConfig{FrameOptions: "SAMEORIGIN", ReferrerPolicy: "-"}))
	group.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-XSS-Protection", "1")
		w.Header().Del("Permissions-Policy")
	})
	rec := testkit.Record(router, testkit.NewRequest("GET", "/widget/", ""))
	want := secureDefaults()
	want["X-Frame-Options"] = []string{"SAMEORIGIN"}
	want["X-Xss-Protection"] = []string{"1"}
	delete(want, "Permissions-Policy")
	if got := rec.Header; !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("header %q, want %q", got, want)
	}
}

func TestSecureHeadersPanicsAtConstruction(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		config http.SecureHeadersConfig
		want   []string // parts of the message
	}{
		{"line break", http.SecureHeadersConfig{ContentSecurityPolicy: "a\r\nSet-Cookie: b"}, []string{".ContentSecurityPolicy: ", `"a\r\nSet-Cookie: b"`}},
		{"line feed", http.SecureHeadersConfig{PermissionsPolicy: "a\n"}, []string{".PermissionsPolicy: ", `"a\n"`}},
		{"NUL", http.SecureHeadersConfig{ReferrerPolicy: "a\x00"}, []string{".ReferrerPolicy: ", `"a\x00"`}},
		{"space around", http.SecureHeadersConfig{XSSProtection: " 0"}, []string{".XSSProtection: ", `" 0"`}},
		{"unknown frame option", http.SecureHeadersConfig{FrameOptions: "ALLOW-FROM https://a.example"}, []string{".FrameOptions: ", "DENY or SAMEORIGIN"}},
		{"unknown type option", http.SecureHeadersConfig{ContentTypeOptions: "sniff"}, []string{".ContentTypeOptions: ", "nosniff"}},
		{"negative age", http.SecureHeadersConfig{HSTSMaxAge: -1}, []string{".HSTSMaxAge: ", "-1"}},
		{"subdomains without an age", http.SecureHeadersConfig{HSTSIncludeSubdomains: true}, []string{".HSTSIncludeSubdomains: ", "HSTSMaxAge"}},
		{"preload without subdomains", http.SecureHeadersConfig{HSTSMaxAge: 63072000, HSTSPreload: true}, []string{".HSTSPreload: ", "HSTSIncludeSubdomains"}},
		{"preload for less than a year", http.SecureHeadersConfig{HSTSMaxAge: 31535999, HSTSIncludeSubdomains: true, HSTSPreload: true},
			[]string{".HSTSPreload: ", "31535999"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, file, line, _ := runtime.Caller(0)
			defer func() {
				message := fmt.Sprint(recover())
				for _, want := range append(tt.want, fmt.Sprintf("http: %s:%d: SecureHeadersConfig.", file, line+9)) {
					if !strings.Contains(message, want) {
						t.Errorf("panic %q, want something with %q", message, want)
					}
				}
			}()
			http.SecureHeaders(tt.config)
			t.Error("SecureHeaders returned")
		})
	}
}

func secureHandler() http.Handler {
	return http.SecureHeaders(http.SecureHeadersConfig{
		ContentSecurityPolicy: "default-src 'self'",
		HSTSMaxAge:            63072000,
	})(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
}

func TestSecureHeadersAllocateOnceAtMost(t *testing.T) {
	if testkit.Race {
		t.Skip("the race detector allocates")
	}
	handler, w, r := secureHandler(), new(nullWriter), httptest.NewRequest("GET", "/", nil)
	allocations := testing.AllocsPerRun(100, func() {
		clear(w.header)
		handler.ServeHTTP(w, r)
	})
	if allocations > 1 {
		t.Errorf("%v allocations, want at most one", allocations)
	}
}

func TestSecureHeadersShareNoHeaderValues(t *testing.T) {
	t.Parallel()
	handler, r := secureHandler(), httptest.NewRequest("GET", "/", nil)
	one, two := httptest.NewRecorder(), httptest.NewRecorder()
	handler.ServeHTTP(one, r)
	handler.ServeHTTP(two, r)
	want := two.Header().Clone()
	for name, values := range one.Header() {
		_ = append(values, "more") // must not change another field
		values[0] = "changed " + name
	}
	for name, values := range one.Header() {
		if values[0] != "changed "+name {
			t.Errorf("%s shares its values with another field", name)
		}
	}
	if got := two.Header(); !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("changing one response changed another from %q to %q", want, got)
	}
}

func BenchmarkSecureHeaders(b *testing.B) {
	handler, w, r := secureHandler(), new(nullWriter), httptest.NewRequest("GET", "/", nil)
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		handler.ServeHTTP(w, r)
	}
}
