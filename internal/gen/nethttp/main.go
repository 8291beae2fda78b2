// Command nethttp generates nethttp.go in the working directory. "go generate" in the
// root of the module runs it.
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
