package parts

import (
	"context"
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/getsentry/sentry-go"
	sentryhttp "github.com/getsentry/sentry-go/http"
	"github.com/gorilla/csrf"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// A span has the pattern of the route, inside and outside the chain.
func TestOtelHTTP(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewInMemoryExporter()
	provider := trace.NewTracerProvider(trace.WithSyncer(spans))
	part := otelhttp.NewMiddleware("site", otelhttp.WithTracerProvider(provider))
	eachPlaceAround(t, part, commonRoutes, checkRoutes)
	t.Cleanup(func() {
		names := make(map[string]int)
		for _, span := range spans.GetSpans() {
			names[span.Name]++
		}
		if names["GET /json/{name}"] != 4 || names["GET /events"] != 4 || names["GET /socket"] != 2 {
			t.Errorf("the names of the spans are %v", names)
		}
	})
}

// A session that a handler changes is in the next request.
func TestSCS(t *testing.T) {
	t.Parallel()
	sessions := scs.New()
	sessions.Cookie.Secure = false
	routes := func(router *http.Router) {
		commonRoutes(router)
		router.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
			sessions.Put(r.Context(), "user", "ann")
			http.WriteJSON(w, http.StatusOK, "welcome")
		})
		router.HandleFunc("GET /me", func(w http.ResponseWriter, r *http.Request) {
			http.WriteJSON(w, http.StatusOK, sessions.GetString(r.Context(), "user"))
		})
	}
	eachPlaceAround(t, sessions.LoadAndSave, routes, func(t *testing.T, s *site) {
		checkRoutes(t, s)
		s.client.Jar = newJar(t)
		testkit.Do(t, s.client, testkit.NewRequest("POST", s.url+"/login", "")).Want(t, 200, `"welcome"`)
		testkit.Get(t, s.client, s.url+"/me").Want(t, 200, `"ann"`)
	})
}

func newJar(t *testing.T) *cookiejar.Jar {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return jar
}

// A form is accepted only with the token of its page.
func TestGorillaCSRF(t *testing.T) {
	t.Parallel()
	protect := csrf.Protect([]byte("0123456789abcdef0123456789abcdef"), csrf.Secure(false), csrf.Path("/"))
	part := func(next http.Handler) http.Handler {
		protected := protect(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.TLS == nil {
				r = csrf.PlaintextHTTPRequest(r)
			}
			if r.URL.Path == "/echo" {
				r = csrf.UnsafeSkipCheck(r) // for checkRoutes
			}
			protected.ServeHTTP(w, r)
		})
	}
	routes := func(router *http.Router) {
		commonRoutes(router)
		router.HandleFunc("GET /form", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, csrf.Token(r)) })
		router.HandleFunc("POST /form", func(w http.ResponseWriter, r *http.Request) { http.WriteJSON(w, http.StatusOK, "sent") })
	}
	eachPlaceAround(t, part, routes, func(t *testing.T, s *site) {
		s.client.Jar = newJar(t)
		token := testkit.Get(t, s.client, s.url+"/form").Body
		send := func(token string) *testkit.Response {
			return testkit.Do(t, s.client, testkit.NewRequest("POST", s.url+"/form", "", "X-CSRF-Token: "+token, "Referer: "+s.url+"/form", "Origin: "+s.url))
		}
		send(token).Want(t, 200, `"sent"`)
		if res := send("wrong"); res.StatusCode != 403 {
			t.Errorf("a wrong token: %v", res)
		}
		if res := testkit.Get(t, s.client, s.url+"/json/ann"); res.StatusCode != 200 {
			t.Errorf("%v", res)
		}
		checkEvents(t, s)
	})
}

// A panic is reported with its request, and still gets a response with status 500.
func TestSentry(t *testing.T) {
	t.Parallel()
	transport := &sentry.MockTransport{}
	client, err := sentry.NewClient(sentry.ClientOptions{Dsn: "https://key@sentry.invalid/1", Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	hub := sentry.NewHub(client, sentry.NewScope())
	handler := sentryhttp.New(sentryhttp.Options{Repanic: true})
	part := func(next http.Handler) http.Handler {
		reporting := handler.Handle(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			reporting.ServeHTTP(w, r.WithContext(sentry.SetHubOnContext(r.Context(), hub.Clone())))
		})
	}
	eachPlaceAround(t, part, commonRoutes, checkRoutes)

	router := http.NewRouter()
	router.Use(http.RequestID(http.RequestIDConfig{}), http.Recovery(nil), part)
	router.HandleFunc("GET /panic", func(http.ResponseWriter, *http.Request) { panic("oops") })
	for _, http2 := range []bool{false, true} {
		s := start(t, router, http2)
		testkit.Get(t, s.client, s.url+"/panic").Want(t, 500, `{"error":"internal server error"}`)
	}
	panics := 0
	for _, event := range transport.Events() {
		if strings.Contains(event.Message, "oops") && event.Request != nil && strings.HasSuffix(event.Request.URL, "/panic") {
			panics++
		}
	}
	if panics != 2 {
		t.Errorf("%d panics were reported, want 2", panics)
	}
}

// The instrumentation of client_golang counts the requests, and its handler serves the
// numbers.
func TestPromHTTP(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "requests_total", Help: "Requests."}, []string{"code", "method"})
	inFlight := prometheus.NewGauge(prometheus.GaugeOpts{Name: "in_flight", Help: "Requests in flight."})
	registry.MustRegister(requests, inFlight)
	part := func(next http.Handler) http.Handler {
		return promhttp.InstrumentHandlerInFlight(inFlight, promhttp.InstrumentHandlerCounter(requests, next))
	}
	routes := func(router *http.Router) {
		commonRoutes(router)
		router.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	}
	eachPlaceAround(t, part, routes, func(t *testing.T, s *site) {
		checkRoutes(t, s)
		page := testkit.Do(t, s.client, testkit.NewRequest("GET", s.url+"/metrics", "", "Accept-Encoding: gzip")).Plain(t)
		for _, line := range []string{`requests_total{code="200",method="get"}`, `requests_total{code="404",method="get"}`, "in_flight "} {
			if !strings.Contains(page, line) {
				t.Errorf("the page has no %s:\n%s", line, page)
			}
		}
	})
}

// A limit of another package ends the request with its own response.
func TestTimeoutHandler(t *testing.T) {
	t.Parallel()
	part := func(next http.Handler) http.Handler {
		return nethttp.TimeoutHandler(next, 50*time.Millisecond, "too slow")
	}
	routes := func(router *http.Router) {
		router.HandleFunc("GET /slow", func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			fmt.Fprint(w, context.Cause(r.Context()))
		})
		router.HandleFunc("GET /fast", func(w http.ResponseWriter, r *http.Request) { http.WriteJSON(w, 200, "fast") })
	}
	eachPlaceAround(t, part, routes, func(t *testing.T, s *site) {
		testkit.Get(t, s.client, s.url+"/fast").Want(t, 200, `"fast"`)
		testkit.Get(t, s.client, s.url+"/slow").Want(t, 503, "too slow")
	})
}
