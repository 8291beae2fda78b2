package main

import (
	"embed"

	"github.com/stanza-go/framework/pkg/http"
)

//go:embed all:site
var site embed.FS

// noSuchEndpoint responds to requests for unknown API paths.
func noSuchEndpoint(w http.ResponseWriter, r *http.Request) {
	http.WriteError(w, http.StatusNotFound, "no such endpoint")
}
