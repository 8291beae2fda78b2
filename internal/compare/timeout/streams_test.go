package timeout

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/transport"
	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/danielgtaylor/huma/v2/sse"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stanza-go/framework/pkg/http"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
)

const (
	writeTimeout = 300 * time.Millisecond // of the server
	interval     = 50 * time.Millisecond  // between two events
	enough       = 20                     // events, which take longer than the write timeout
)

// A foreignStream is a handler of another package that sends an event every interval until
// its context is done, and a client for it.
type foreignStream struct {
	handler nethttp.Handler
	// open returns a function that receives the next event.
	open func(t *testing.T, addr string, config *tls.Config) (next func() error)
	// uncut reports whether the package itself extends the write deadline, so that the
	// server's write timeout does not cut the stream.
	uncut bool
}

func foreignStreams() map[string]foreignStream {
	return map[string]foreignStream{
		"huma/sse":    {handler: humaHandler(), open: opens("GET", "/events", "", "data:"), uncut: true},
		"gqlgen/sse":  {handler: gqlHandler(), open: opens("POST", "/", `{"query":"subscription{tick}"}`, "data:")},
		"mcp/sdk":     {handler: mcpHandler(), open: opens("POST", "/", mcpCall, "data:")},
		"grpc/health": {handler: grpcHandler(), open: watches},
		"by hand":     {handler: http.HandlerFunc(byHand), open: opens("GET", "/", "", "tick")},
	}
}

// byHand writes a stream as templ and datastar do.
func byHand(w http.ResponseWriter, r *http.Request) {
	for tick(r.Context()) {
		fmt.Fprintln(w, "tick")
		w.(http.Flusher).Flush()
	}
}

// tick waits for the next event, and returns false when ctx is done.
func tick(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(interval):
		return true
	}
}

func humaHandler() nethttp.Handler {
	type message struct {
		Text string `json:"text"`
	}
	mux := nethttp.NewServeMux()
	api := humago.New(mux, huma.DefaultConfig("streams", "1.0.0"))
	sse.Register(api, huma.Operation{Method: "GET", Path: "/events"}, map[string]any{"message": message{}},
		func(ctx context.Context, _ *struct{}, send sse.Sender) {
			for tick(ctx) && send.Data(message{"tick"}) == nil {
			}
		})
	return mux
}

// A schema is an executable schema, as gqlgen generates them, with one subscription.
type schema struct{ parsed *ast.Schema }

func (s schema) Schema() *ast.Schema { return s.parsed }

func (s schema) Complexity(context.Context, string, string, int, map[string]any) (int, bool) {
	return 0, false
}

func (s schema) Exec(context.Context) graphql.ResponseHandler {
	return func(ctx context.Context) *graphql.Response {
		if !tick(ctx) {
			return nil
		}
		return &graphql.Response{Data: json.RawMessage(`{"tick":1}`)}
	}
}

func gqlHandler() nethttp.Handler {
	srv := handler.New(schema{gqlparser.MustLoadSchema(&ast.Source{
		Input: "type Query { tick: Int! } type Subscription { tick: Int! } schema { query: Query subscription: Subscription }",
	})})
	srv.AddTransport(transport.SSE{})
	return srv
}

const mcpCall = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ticks","arguments":{},"_meta":{"progressToken":1}}}`

// mcpHandler serves a tool that reports its progress until the request ends.
func mcpHandler() nethttp.Handler {
	srv := mcp.NewServer(&mcp.Implementation{Name: "streams", Version: "1.0.0"}, nil)
	mcp.AddTool(srv, &mcp.Tool{Name: "ticks"}, func(ctx context.Context, r *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
		for i := 0; tick(ctx) && i < 10*enough; i++ {
			progress := &mcp.ProgressNotificationParams{ProgressToken: r.Params.GetProgressToken(), Progress: float64(i)}
			if err := r.Session.NotifyProgress(ctx, progress); err != nil {
				return nil, nil, err
			}
		}
		return &mcp.CallToolResult{}, nil, nil
	})
	return mcp.NewStreamableHTTPHandler(func(*nethttp.Request) *mcp.Server { return srv }, &mcp.StreamableHTTPOptions{Stateless: true})
}

// grpcHandler serves the health service, whose status changes every interval.
func grpcHandler() nethttp.Handler {
	service := health.NewServer()
	srv := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(srv, service)
	return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		go func() {
			for i := 0; tick(r.Context()); i++ {
				service.SetServingStatus("", grpc_health_v1.HealthCheckResponse_ServingStatus(1+i%2))
			}
		}()
		srv.ServeHTTP(w, r)
	})
}

// watches opens a stream of the health service by calling Watch.
func watches(t *testing.T, addr string, config *tls.Config) (next func() error) {
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	stream, err := grpc_health_v1.NewHealthClient(conn).Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return func() error {
		_, err := stream.Recv()
		return err
	}
}

// opens returns an open function that sends a request. A line of the response that begins
// with prefix is an event.
func opens(method, path, body, prefix string) func(t *testing.T, addr string, config *tls.Config) func() error {
	return func(t *testing.T, addr string, config *tls.Config) func() error {
		req, err := nethttp.NewRequestWithContext(t.Context(), method, "https://"+addr+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "application/json, text/event-stream")
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("MCP-Protocol-Version", "2025-06-18")
		client := &nethttp.Client{Transport: &nethttp.Transport{TLSClientConfig: config, ForceAttemptHTTP2: len(config.NextProtos) == 0}}
		t.Cleanup(client.CloseIdleConnections)
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		if res.StatusCode != 200 {
			text, _ := io.ReadAll(res.Body)
			t.Fatalf("got %s: %s", res.Status, text)
		}
		lines := bufio.NewReader(res.Body)
		return func() error {
			for {
				line, err := lines.ReadString('\n')
				if err != nil || strings.HasPrefix(line, prefix) {
					return err
				}
			}
		}
	}
}

// serve serves a stream and opens it.
func serve(t *testing.T, s foreignStream, proto string, mw ...http.Middleware) (srv *http.Server, next func() error) {
	certificate := httptest.NewUnstartedServer(nil)
	certificate.StartTLS()
	t.Cleanup(certificate.Close)
	router := http.NewRouter()
	router.Use(mw...)
	router.Handle("/", s.handler)
	srv = http.NewServer(router, http.WithAddr("127.0.0.1:0"), http.WithReadTimeout(0), http.WithWriteTimeout(writeTimeout), http.WithTLS("", ""),
		http.WithHTTPServer(func(hs *nethttp.Server) { hs.TLSConfig = &tls.Config{Certificates: certificate.TLS.Certificates} }))
	if err := srv.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{InsecureSkipVerify: true}
	if proto == "HTTP/1.1" {
		config.NextProtos = []string{"http/1.1"}
	}
	return srv, s.open(t, srv.Addr(), config)
}

// receive receives events until there are enough or one fails, and returns their number.
func receive(next func() error) (n int, err error) {
	for n < enough {
		if err = next(); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// eachStream runs test for each stream and protocol.
func eachStream(t *testing.T, test func(t *testing.T, s foreignStream, proto string)) {
	for name, s := range foreignStreams() {
		for _, proto := range []string{"HTTP/1.1", "HTTP/2"} {
			if name == "grpc/health" && proto == "HTTP/1.1" {
				continue
			}
			t.Run(name+" "+proto, func(t *testing.T) {
				t.Parallel()
				test(t, s, proto)
			})
		}
	}
}

// With Streaming, streams of other packages outlive the write timeout, and end when the server
// stops.
func TestForeignStreams(t *testing.T) {
	chain := http.Chain(http.RequestID(http.RequestIDConfig{}), http.Compress(http.CompressConfig{}), http.ETag(http.ETagConfig{}),
		http.Timeout(http.TimeoutConfig{Timeout: writeTimeout}), http.Recovery(nil), http.Streaming())
	for name, mw := range map[string]http.Middleware{"alone": http.Streaming(), "in a chain": chain} {
		t.Run(name, func(t *testing.T) {
			eachStream(t, func(t *testing.T, s foreignStream, proto string) {
				srv, next := serve(t, s, proto, mw)
				begun := time.Now()
				if n, err := receive(next); err != nil {
					t.Errorf("after %d events and %v: %v", n, time.Since(begun), err)
				}
				open := time.Since(begun)
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				begun = time.Now()
				if err := srv.Stop(ctx); err != nil {
					t.Errorf("Stop: %v", err)
				}
				t.Logf("open for %v, Stop took %v", open.Round(time.Millisecond), time.Since(begun).Round(time.Millisecond))
			})
		})
	}
}

// Without Streaming, these streams are cut by the write timeout, or Stop waits for them until its
// context ends.
func TestForeignStreamsWithoutStreaming(t *testing.T) {
	eachStream(t, func(t *testing.T, s foreignStream, proto string) {
		srv, next := serve(t, s, proto)
		begun := time.Now()
		n, err := receive(next)
		t.Logf("open for %v, %d events: %v", time.Since(begun).Round(time.Millisecond), n, err)
		if cut := err != nil; cut == s.uncut {
			t.Errorf("cut: %t", cut)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := srv.Stop(ctx); (err != nil) != s.uncut {
			t.Errorf("Stop: %v", err)
		}
	})
}
