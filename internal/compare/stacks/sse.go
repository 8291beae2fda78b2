package stacks

import (
	"fmt"
	nethttp "net/http"

	"github.com/gin-gonic/gin"

	"github.com/stanza-go/framework/pkg/http"
)

// A Streamer sends server-sent events.
type Streamer struct {
	Name string

	// Open starts a stream and returns a function that sends and flushes an
	// event.
	Open func(w nethttp.ResponseWriter) (send func(name, data string) error)
}

// Streamers returns all streamers. Only this package limits how long sending an
// event may take.
func Streamers() []Streamer {
	return []Streamer{
		{"stanza", func(w nethttp.ResponseWriter) func(name, data string) error {
			return http.NewSSEWriter(w).Event
		}},
		{"fmt", openByHand},
		{"gin", openGin},
	}
}

// openByHand sends events without a library.
func openByHand(w nethttp.ResponseWriter) func(name, data string) error {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache")
	rc := nethttp.NewResponseController(w)
	return func(name, data string) error {
		if _, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", name, data); err != nil {
			return err
		}
		return rc.Flush()
	}
}

// openGin flushes after each event, as gin's Context.Stream does.
func openGin(w nethttp.ResponseWriter) func(name, data string) error {
	gin.SetMode(gin.ReleaseMode)
	c, _ := gin.CreateTestContext(w)
	return func(name, data string) error {
		c.SSEvent(name, data)
		c.Writer.Flush()
		return nil
	}
}
