package http_test

import (
	"fmt"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
)

// BenchmarkWebSocketEcho sends messages over the loopback interface and reads
// them back.
func BenchmarkWebSocketEcho(b *testing.B) {
	for _, size := range []int{64, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			server, client := wsPair(b, &http.Upgrader{}, nil)
			go echoAll(server, 0)
			payload := make([]byte, size)
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				if err := client.WriteMessage(http.BinaryMessage, payload); err != nil {
					b.Fatal(err)
				}
				if _, _, err := client.ReadMessage(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
