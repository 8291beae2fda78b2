package parts

// Parts whose tests are still to come.
import (
	_ "github.com/quic-go/quic-go/http3"
	_ "golang.org/x/net/http2"
)
