//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/compare/fanout"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
)

// chunked returns text as the chunks of an HTTP response, with at most size bytes each.
func chunked(text string, size int) string {
	var b strings.Builder
	b.WriteString("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
	for part := range slices.Chunk([]byte(text), size) {
		fmt.Fprintf(&b, "%x\r\n%s\r\n", len(part), part)
	}
	return b.String()
}

// framed returns texts as frames of a server, with pings between them.
func framed(texts ...string) string {
	b := []byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")
	for _, text := range texts {
		b = frame.AppendHeader(b, frame.Header{Fin: true, Opcode: frame.Text, Length: int64(len(text))})
		b = append(b, text...)
		b = append(b, "\x89\x00\x89\x02hi"...)
	}
	return string(b)
}

func TestStreamFindsAllNumbersInAnyPieces(t *testing.T) {
	t.Parallel()
	var data []string
	want := []int{1, 2, 3, 4}
	for _, n := range want {
		data = append(data, fanout.NewEvent(n, 30+20*n).Data)
	}
	block := "id: 1\ndata: " + strings.Join(data, "\n\nid: 2\ndata: ") + "\n\n"
	tests := []struct {
		name     string
		protocol fanout.Protocol
		bytes    string
		pings    int
	}{
		{"chunks of 1 byte", fanout.SSE, chunked(block, 1), 0},
		{"chunks of 7 bytes", fanout.SSE, chunked(block, 7), 0},
		{"chunks of 100 bytes", fanout.SSE, chunked(block, 100), 0},
		{"one chunk", fanout.SSE, chunked(block, len(block)), 0},
		{"frames", fanout.WebSocket, framed(data...), 2 * len(want)},
	}
	for _, test := range tests {
		for size := 1; size <= len(test.bytes); size++ {
			var got []int
			var pings []string
			s := stream{
				protocol: test.protocol,
				got:      func(n int) { got = append(got, n) },
				ping:     func(payload []byte) { pings = append(pings, string(payload)) },
			}
			for part := range slices.Chunk([]byte(test.bytes), size) {
				if err := s.feed(part); err != nil {
					t.Fatalf("%s, in pieces of %d: %v", test.name, size, err)
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%s, in pieces of %d: events %d", test.name, size, got)
			}
			if len(pings) != test.pings || test.pings > 0 && (pings[0] != "" || pings[1] != "hi") {
				t.Fatalf("%s, in pieces of %d: pings %q", test.name, size, pings)
			}
		}
	}
}

func TestStreamRejectsWhatItCannotDecode(t *testing.T) {
	t.Parallel()
	const head = "HTTP/1.1 200 OK\r\n\r\n"
	for protocol, bytes := range map[fanout.Protocol]string{
		fanout.SSE:       head + "chunk\r\n",
		fanout.WebSocket: head + "\x82\x01x",
	} {
		s := stream{protocol: protocol, got: func(int) {}}
		if err := s.feed([]byte(bytes)); err == nil {
			t.Errorf("%s: no error", protocol)
		}
	}
}
