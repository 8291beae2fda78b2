package parts

import (
	"context"
	"errors"
	"io"
	nethttp "net/http"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

type text = wrapperspb.StringValue

// connectHandler serves the four kinds of procedures.
func connectHandler() nethttp.Handler {
	mux := nethttp.NewServeMux()
	mux.Handle("/parts.Echo/Unary", connect.NewUnaryHandler("/parts.Echo/Unary",
		func(_ context.Context, r *connect.Request[text]) (*connect.Response[text], error) {
			if r.Msg.Value == "" {
				return nil, connect.NewError(connect.CodeInvalidArgument, errors.New("no text"))
			}
			return connect.NewResponse(r.Msg), nil
		}))
	mux.Handle("/parts.Echo/Server", connect.NewServerStreamHandler("/parts.Echo/Server",
		func(_ context.Context, r *connect.Request[text], s *connect.ServerStream[text]) error {
			return errors.Join(s.Send(r.Msg), s.Send(r.Msg))
		}))
	mux.Handle("/parts.Echo/Client", connect.NewClientStreamHandler("/parts.Echo/Client",
		func(_ context.Context, s *connect.ClientStream[text]) (*connect.Response[text], error) {
			all := ""
			for s.Receive() {
				all += s.Msg().Value
			}
			return connect.NewResponse(wrapperspb.String(all)), s.Err()
		}))
	mux.Handle("/parts.Echo/Bidi", connect.NewBidiStreamHandler("/parts.Echo/Bidi",
		func(_ context.Context, s *connect.BidiStream[text, text]) error {
			for {
				message, err := s.Receive()
				if errors.Is(err, io.EOF) {
					return nil
				}
				if err != nil {
					return err
				}
				if err := s.Send(message); err != nil {
					return err
				}
			}
		}))
	return mux
}

// The clients speak Connect, gRPC and gRPC-Web.
func TestConnect(t *testing.T) {
	t.Parallel()
	eachPlace(t, connectHandler(), func(t *testing.T, s *site) {
		checkConnect(t, s.client, s.url, s.http2)
		checkConnect(t, s.client, s.url, s.http2, connect.WithGRPCWeb())
		if s.http2 {
			checkConnect(t, s.client, s.url, true, connect.WithGRPC())
		}
	})
}

// With h2c, which is HTTP/2 without TLS, the clients of internal services speak gRPC.
func TestConnectOverH2C(t *testing.T) {
	t.Parallel()
	for _, p := range places() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, p.handler(documentedChain(t), connectHandler()), false, func(hs *nethttp.Server) {
				hs.Protocols = new(nethttp.Protocols)
				hs.Protocols.SetHTTP1(true)
				hs.Protocols.SetUnencryptedHTTP2(true)
			})
			protocols := new(nethttp.Protocols)
			protocols.SetUnencryptedHTTP2(true)
			transport := &nethttp.Transport{Protocols: protocols}
			t.Cleanup(transport.CloseIdleConnections)
			checkConnect(t, &nethttp.Client{Transport: transport}, s.url, true, connect.WithGRPC())
		})
	}
}

// checkConnect calls the procedures.
func checkConnect(t *testing.T, client *nethttp.Client, url string, http2 bool, options ...connect.ClientOption) {
	t.Helper()
	ctx := t.Context()
	caller := func(name string) *connect.Client[text, text] {
		return connect.NewClient[text, text](client, url+"/parts.Echo/"+name, options...)
	}
	res, err := caller("Unary").CallUnary(ctx, connect.NewRequest(wrapperspb.String("hello")))
	if err != nil || res.Msg.Value != "hello" {
		t.Errorf("unary: %v, %v", res, err)
	}
	if _, err := caller("Unary").CallUnary(ctx, connect.NewRequest(new(text))); connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("unary: the error is %v", err)
	}
	stream, err := caller("Server").CallServerStream(ctx, connect.NewRequest(wrapperspb.String("twice")))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for stream.Receive() {
		n++
	}
	if n != 2 || stream.Err() != nil {
		t.Errorf("server stream: %d messages, %v", n, stream.Err())
	}
	sending := caller("Client").CallClientStream(ctx)
	if err := errors.Join(sending.Send(wrapperspb.String("a")), sending.Send(wrapperspb.String("b"))); err != nil {
		t.Errorf("client stream: %v", err)
	}
	if res, err := sending.CloseAndReceive(); err != nil || res.Msg.Value != "ab" {
		t.Errorf("client stream: %v, %v", res, err)
	}
	if !http2 {
		return // streams in both directions need HTTP/2
	}
	checkBidi(t, caller("Bidi").CallBidiStream(ctx))
}

// checkBidi checks that each message is answered before the next one is sent.
func checkBidi(t *testing.T, stream *connect.BidiStreamForClient[text, text]) {
	t.Helper()
	for _, value := range []string{"one", "two"} {
		if err := stream.Send(wrapperspb.String(value)); err != nil {
			t.Fatalf("both directions: %v", err)
		}
		if message, err := stream.Receive(); err != nil || message.Value != value {
			t.Fatalf("both directions: %v, %v", message, err)
		}
	}
	if err := errors.Join(stream.CloseRequest(), stream.CloseResponse()); err != nil {
		t.Errorf("both directions: %v", err)
	}
}
