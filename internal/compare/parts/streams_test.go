package parts

import (
	"context"
	"encoding/json"
	"io"
	nethttp "net/http"
	"sync"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/transport"
	"github.com/a-h/templ"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/starfederation/datastar-go/datastar"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// A schema is an executable schema, as gqlgen generates them, with a query and a
// subscription that never ends.
type schema struct{ parsed *ast.Schema }

func (s schema) Schema() *ast.Schema { return s.parsed }

func (s schema) Complexity(context.Context, string, string, int, map[string]any) (int, bool) {
	return 0, false
}

func (s schema) Exec(ctx context.Context) graphql.ResponseHandler {
	if graphql.GetOperationContext(ctx).Operation.Operation == ast.Query {
		return graphql.OneShot(&graphql.Response{Data: json.RawMessage(`{"count":1}`)})
	}
	var once sync.Once
	return func(ctx context.Context) (response *graphql.Response) {
		once.Do(func() { response = &graphql.Response{Data: json.RawMessage(`{"count":1}`)} })
		if response == nil {
			<-ctx.Done()
		}
		return response
	}
}

// gqlgen answers queries, and subscriptions over server-sent events and WebSocket.
func TestGqlgen(t *testing.T) {
	t.Parallel()
	server := handler.New(schema{gqlparser.MustLoadSchema(&ast.Source{
		Input: "type Query { count: Int! } type Subscription { count: Int! } schema { query: Query subscription: Subscription }",
	})})
	server.AddTransport(transport.SSE{})
	server.AddTransport(transport.Websocket{KeepAlivePingInterval: time.Minute})
	server.AddTransport(transport.POST{})
	eachPlace(t, http.Streaming()(server), func(t *testing.T, s *site) {
		send := func(query string, fields ...string) *nethttp.Request {
			return testkit.NewRequest("POST", s.url+"/", `{"query":"`+query+`"}`, append(fields, "Content-Type: application/json")...)
		}
		testkit.Do(t, s.client, send("{count}")).Want(t, 200, `{"data":{"count":1}}`)
		firstLine(t, s, send("subscription{count}", "Accept: text/event-stream"), `data: {"data":{"count":1}}`)
		if s.http2 {
			return
		}
		conn, _, err := http.Dial(t.Context(), "ws://"+s.addr+"/", &http.DialOptions{Subprotocols: []string{"graphql-transport-ws"}})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		subscribe(t, conn)
	})
}

// subscribe starts a subscription, and waits for its first result.
func subscribe(t *testing.T, conn *http.Conn) {
	t.Helper()
	say := func(text string) {
		if err := conn.WriteMessage(http.TextMessage, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	say(`{"type":"connection_init"}`)
	for {
		var message struct{ Type string }
		if err := conn.ReadJSON(&message); err != nil {
			t.Fatal(err)
		}
		switch message.Type {
		case "connection_ack":
			say(`{"id":"1","type":"subscribe","payload":{"query":"subscription{count}"}}`)
		case "next":
			return
		case "error":
			t.Fatalf("%+v", message)
		}
	}
}

// The SDK of the Model Context Protocol calls a tool, which reports its progress.
func TestMCP(t *testing.T) {
	t.Parallel()
	server := mcp.NewServer(&mcp.Implementation{Name: "parts", Version: "1.0.0"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "greet"}, func(ctx context.Context, r *mcp.CallToolRequest, in struct{ Name string }) (*mcp.CallToolResult, any, error) {
		progress := &mcp.ProgressNotificationParams{ProgressToken: r.Params.GetProgressToken(), Progress: 1}
		if err := r.Session.NotifyProgress(ctx, progress); err != nil {
			return nil, nil, err
		}
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "hello " + in.Name}}}, nil, nil
	})
	part := mcp.NewStreamableHTTPHandler(func(*nethttp.Request) *mcp.Server { return server }, nil)
	eachPlace(t, http.Streaming()(part), func(t *testing.T, s *site) {
		reported := make(chan float64, 1)
		client := mcp.NewClient(&mcp.Implementation{Name: "client", Version: "1.0.0"}, &mcp.ClientOptions{
			ProgressNotificationHandler: func(_ context.Context, r *mcp.ProgressNotificationClientRequest) { reported <- r.Params.Progress },
		})
		session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: s.url + "/", HTTPClient: s.client}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer session.Close()
		params := &mcp.CallToolParams{Name: "greet", Arguments: map[string]any{"Name": "ann"}}
		params.SetProgressToken("p1")
		result, err := session.CallTool(t.Context(), params)
		if err != nil || len(result.Content) != 1 || result.Content[0].(*mcp.TextContent).Text != "hello ann" {
			t.Fatalf("%+v, %v", result, err)
		}
		if progress := testkit.Receive(t, reported, "the progress"); progress != 1 {
			t.Errorf("progress %v", progress)
		}
	})
}

// datastar sends fragments of a page as events.
func TestDatastar(t *testing.T) {
	t.Parallel()
	part := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var signals struct{ Name string }
		if err := datastar.ReadSignals(r, &signals); err != nil {
			http.WriteError(w, 400, err.Error())
			return
		}
		sse := datastar.NewSSE(w, r)
		if sse.PatchElements(`<p id="greeting">hello `+signals.Name+`</p>`) == nil {
			<-r.Context().Done()
		}
	})
	compressed := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sse := datastar.NewSSE(w, r, datastar.WithCompression())
		if sse.PatchElements(`<p id="greeting">hello</p>`) == nil {
			<-r.Context().Done()
		}
	})
	mux := nethttp.NewServeMux()
	mux.Handle("/plain", part)
	mux.Handle("/compressed", compressed)
	eachPlace(t, http.Streaming()(mux), func(t *testing.T, s *site) {
		r := testkit.NewRequest("GET", s.url+`/plain?datastar={"Name":"ann"}`, "")
		firstLine(t, s, r, `data: elements <p id="greeting">hello ann</p>`)
		firstLine(t, s, testkit.NewRequest("GET", s.url+"/compressed", ""), `data: elements <p`) // the transport decodes gzip
	})
}

// templ renders a component as a whole, or streams it.
func TestTempl(t *testing.T) {
	t.Parallel()
	greeting := templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		_, err := io.WriteString(w, "<p>hello</p>\n")
		return err
	})
	endless := templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		if err := greeting.Render(ctx, w); err != nil {
			return err
		}
		if flusher, ok := w.(interface{ Flush() error }); ok {
			if err := flusher.Flush(); err != nil {
				return err
			}
		} else if flusher, ok := w.(nethttp.Flusher); ok {
			flusher.Flush()
		}
		<-ctx.Done()
		return nil
	})
	failing := templ.ComponentFunc(func(context.Context, io.Writer) error { return io.ErrUnexpectedEOF })
	mux := nethttp.NewServeMux()
	mux.Handle("/whole", templ.Handler(greeting, templ.WithStatus(202)))
	mux.Handle("/failing", templ.Handler(failing))
	mux.Handle("/stream", templ.Handler(endless, templ.WithStreaming()))
	eachPlace(t, http.Streaming()(mux), func(t *testing.T, s *site) {
		whole := testkit.Get(t, s.client, s.url+"/whole")
		whole.Want(t, 202, "<p>hello</p>\n")
		whole.WantHeader(t, "Content-Type", "text/html; charset=utf-8")
		if res := testkit.Get(t, s.client, s.url+"/failing"); res.StatusCode != 500 {
			t.Errorf("%v", res)
		}
		firstLine(t, s, testkit.NewRequest("GET", s.url+"/stream", ""), "<p>hello</p>")
	})
}
