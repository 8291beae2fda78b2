package stacks_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/gobwas/ws/wsutil"

	"github.com/stanza-go/framework/pkg/http/internal/compare/websocket/echo"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
)

// messageSizes are the sizes of messages in the order of the table.
var messageSizes = []struct {
	name  string
	bytes int
}{{"64B", 64}, {"1KB", 1 << 10}, {"64KB", 64 << 10}, {"1MB", 1 << 20}}

// An echoRow is a row of the WebSocket comparison.
type echoRow struct {
	name    string
	opcode  frame.Opcode
	size    int
	servers []echo.Server
}

func echoRows() []echoRow {
	var rows []echoRow
	for _, size := range messageSizes {
		for _, kind := range echo.Kinds() {
			name := size.name + "-" + kind.Name
			rows = append(rows,
				echoRow{name, kind.Opcode, size.bytes, echo.Kept()},
				echoRow{name + "-lent", kind.Opcode, size.bytes, echo.Lent()})
		}
	}
	return rows
}

// TestEchoesAnswerAlike checks that a peer's client can read three echoed
// messages. Servers may split large ones into several frames.
func TestEchoesAnswerAlike(t *testing.T) {
	for _, row := range echoRows() {
		for _, s := range row.servers {
			var answers bytes.Buffer
			if err := echo.Run(s, row.opcode, row.size, echo.Times(3), &answers); err != nil {
				t.Errorf("%s: %v", row.name, err)
			}
			if i := bytes.Index(answers.Bytes(), []byte("\r\n\r\n")); i >= 0 {
				answers.Next(i + 4) // skip the handshake; coder/websocket leaves it to net/http
			}
			for range 3 {
				payload, op, err := wsutil.ReadServerData(&answers)
				if err != nil || byte(op) != byte(row.opcode) || string(payload) != echo.Payload(row.size) {
					t.Errorf("%s: %s answers with opcode %d and %d bytes: %v", row.name, s.Name, op, len(payload), err)
					break
				}
			}
		}
	}
}

func BenchmarkWebSocket(b *testing.B) {
	for _, row := range echoRows() {
		for _, s := range row.servers {
			b.Run("row="+row.name+"/by="+s.Name, func(b *testing.B) {
				b.ReportAllocs()
				if err := echo.Run(s, row.opcode, row.size, b.Loop, io.Discard); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}
