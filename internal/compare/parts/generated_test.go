package parts

import (
	"context"
	"net"
	nethttp "net/http"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/danielgtaylor/huma/v2/sse"
	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/compare/parts/notes"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// A notebook implements the generated interface.
type notebook struct{}

func (notebook) ListNotes(_ context.Context, r notes.ListNotesRequestObject) (notes.ListNotesResponseObject, error) {
	all := notes.ListNotes200JSONResponse{{Text: "first"}, {Text: "second"}}
	if r.Params.Limit != nil {
		all = all[:*r.Params.Limit]
	}
	return all, nil
}

func (notebook) AddNote(_ context.Context, r notes.AddNoteRequestObject) (notes.AddNoteResponseObject, error) {
	return notes.AddNote201JSONResponse(*r.Body), nil
}

func (notebook) GetNote(_ context.Context, r notes.GetNoteRequestObject) (notes.GetNoteResponseObject, error) {
	if r.Id != 1 {
		return notes.GetNote404Response{}, nil
	}
	return notes.GetNote200JSONResponse{Text: "first"}, nil
}

// The generated server registers its routes on a Router, or on a Group.
func TestOapiCodegen(t *testing.T) {
	t.Parallel()
	check := func(t *testing.T, s *site) {
		send := func(method, path, body string) *testkit.Response {
			return testkit.Do(t, s.client, testkit.NewRequest(method, s.url+path, body, "Content-Type: application/json"))
		}
		send("GET", "/notes?limit=1", "").Want(t, 200, `[{"text":"first"}]`+"\n")
		send("POST", "/notes", `{"text":"new"}`).Want(t, 201, `{"text":"new"}`+"\n")
		send("GET", "/notes/1", "").Want(t, 200, `{"text":"first"}`+"\n")
		send("GET", "/notes/2", "").Want(t, 404, "")
		for _, path := range []string{"/notes/x", "/notes?limit=x"} {
			if res := send("GET", path, ""); res.StatusCode != 400 {
				t.Errorf("%s: %v", path, res)
			}
		}
		send("DELETE", "/notes", "").Want(t, 405, `{"error":"method not allowed"}`)
	}
	server := notes.NewStrictHandler(notebook{}, nil)
	for _, inside := range []bool{true, false} {
		name := map[bool]string{true: "inside", false: "outside"}[inside]
		eachProtocol(t, name, func(t *testing.T) nethttp.Handler {
			router := http.NewRouter()
			group := router.Group("")
			if inside {
				group.Use(documentedChain(t))
			} else {
				router.Group("/covered").Use(documentedChain(t))
			}
			return notes.HandlerFromMux(server, group)
		}, check)
	}
}

// huma describes its routes, validates, and streams.
func TestHuma(t *testing.T) {
	t.Parallel()
	type output struct{ Body struct{ Greeting string } }
	mux := nethttp.NewServeMux()
	api := humago.New(mux, huma.DefaultConfig("greetings", "1.0.0"))
	huma.Get(api, "/greetings/{name}", func(_ context.Context, in *struct {
		Name string `path:"name" maxLength:"5"`
	}) (*output, error) {
		out := new(output)
		out.Body.Greeting = "hello " + in.Name
		return out, nil
	})
	type message struct{ Text string }
	sse.Register(api, huma.Operation{Method: "GET", Path: "/stream"}, map[string]any{"message": message{}},
		func(ctx context.Context, _ *struct{}, send sse.Sender) {
			if send.Data(message{"1"}) == nil {
				<-ctx.Done()
			}
		})
	_ = testkit.Record(mux, testkit.NewRequest("GET", "/openapi.json", "")) // the first requests for it are a data race in huma
	part := http.Streaming()(mux)
	eachPlace(t, part, func(t *testing.T, s *site) {
		if res := testkit.Get(t, s.client, s.url+"/greetings/ann"); res.StatusCode != 200 || !strings.Contains(res.Body, `"Greeting":"hello ann"`) {
			t.Errorf("%v", res)
		}
		if res := testkit.Get(t, s.client, s.url+"/greetings/penelope"); res.StatusCode != 422 || !strings.Contains(res.Body, "location") {
			t.Errorf("%v", res)
		}
		if res := testkit.Get(t, s.client, s.url+"/openapi.json"); !strings.Contains(res.Body, "/greetings/{name}") {
			t.Errorf("%v", res)
		}
		firstLine(t, s, testkit.NewRequest("GET", s.url+"/stream", ""), "data: ")
	})
}

// grpc-gateway translates JSON to gRPC, and passes on streams.
func TestGRPCGateway(t *testing.T) {
	t.Parallel()
	client := healthClient(t)
	mux := runtime.NewServeMux(runtime.WithHealthEndpointAt(client, "/healthz"))
	err := mux.HandlePath("GET", "/watch/{service}", func(w nethttp.ResponseWriter, r *nethttp.Request, params map[string]string) {
		_, marshaler := runtime.MarshalerForRequest(mux, r)
		stream, err := client.Watch(r.Context(), &grpc_health_v1.HealthCheckRequest{Service: params["service"]})
		if err != nil {
			runtime.HTTPError(r.Context(), mux, marshaler, w, r, err)
			return
		}
		ctx := runtime.NewServerMetadataContext(r.Context(), runtime.ServerMetadata{}) // as generated code does
		runtime.ForwardResponseStream(ctx, mux, marshaler, w, r, func() (proto.Message, error) { return stream.Recv() })
	})
	if err != nil {
		t.Fatal(err)
	}
	eachPlace(t, http.Streaming()(mux), func(t *testing.T, s *site) {
		if res := testkit.Get(t, s.client, s.url+"/healthz"); res.StatusCode != 200 || !strings.Contains(res.Body, "SERVING") {
			t.Errorf("%v", res)
		}
		if res := testkit.Get(t, s.client, s.url+"/healthz?service=none"); res.StatusCode != 404 {
			t.Errorf("%v", res)
		}
		firstLine(t, s, testkit.NewRequest("GET", s.url+"/watch/none", ""), `{"result":{"status":"SERVICE_UNKNOWN"}}`)
	})
}

// healthClient returns a client of a gRPC server with the health service.
func healthClient(t *testing.T) grpc_health_v1.HealthClient {
	t.Helper()
	server := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }() // returns when it is stopped
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return grpc_health_v1.NewHealthClient(conn)
}
