module github.com/stanza-go/framework/pkg/http

go 1.26
