package http_test

import (
	"fmt"
	nethttp "net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// The room is the one in the example of [http.PreparedMessage].
func TestRoomIsNotHeldUpByAClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var joined, left atomic.Int64
		chat := new(room)
		ln := testkit.NewPipeListener()
		srv := &nethttp.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			joined.Add(1)
			defer left.Add(1)
			chat.ServeHTTP(w, r)
		})}
		go srv.Serve(ln)
		defer srv.Close()
		options := &http.DialOptions{DialContext: ln.Dial}
		stalled := dialWS(t, "ws://room", options) // and never read
		talker, listener := dialWS(t, "ws://room", options), dialWS(t, "ws://room", options)

		start := time.Now()
		for i := range 1000 {
			text := fmt.Sprint(i)
			if err := talker.WriteMessage(http.TextMessage, []byte(text)); err != nil {
				t.Fatal(err)
			}
			wantMessage(t, talker, http.TextMessage, text)
			wantMessage(t, listener, http.TextMessage, text)
		}
		if waited := time.Since(start); waited > 0 {
			t.Errorf("the others waited %v", waited)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if joined.Load() != 3 || left.Load() != 1 || len(chat.queues) != 2 {
			t.Errorf("of %d members %d have left, %d have a queue; want only the stalled one to have left",
				joined.Load(), left.Load(), len(chat.queues))
		}
		for _, conn := range []*http.Conn{stalled, talker, listener} {
			conn.Close()
		}
		synctest.Wait()
		if left.Load() != 3 || len(chat.queues) != 0 {
			t.Errorf("%d of 3 have left, %d have a queue", left.Load(), len(chat.queues))
		}
	})
}
