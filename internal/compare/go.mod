module github.com/stanza-go/framework/pkg/http/internal/compare

go 1.26.0

require (
	github.com/jub0bs/cors v0.11.0
	github.com/rs/cors v1.11.1
	github.com/stanza-go/framework/pkg/http v0.0.0
)

require (
	golang.org/x/net v0.49.0 // indirect
	golang.org/x/text v0.33.0 // indirect
)

replace github.com/stanza-go/framework/pkg/http => ../..
