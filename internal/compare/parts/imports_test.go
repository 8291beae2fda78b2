package parts

// Parts whose tests are still to come.
import (
	_ "github.com/a-h/templ"
	_ "github.com/quic-go/quic-go/http3"
	_ "github.com/starfederation/datastar-go/datastar"
	_ "golang.org/x/net/http2"
)
