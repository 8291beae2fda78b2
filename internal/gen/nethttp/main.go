// Command nethttp regenerates nethttp.go in the working directory. It runs
// through "go generate" at the module's root.
package main

import (
	"log"
	"os"

	"github.com/stanza-go/framework/pkg/http/internal/gen"
)

func main() {
	log.SetFlags(0)
	source, err := gen.Source()
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile("nethttp.go", source, 0o644); err != nil {
		log.Fatal(err)
	}
}
