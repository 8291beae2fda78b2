package fanout_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/compare/fanout"
)

// TestContestantsDeliverTheSame connects clients that decode everything. Each of them
// must get all events in order, from its first one on, with the same data from every
// contestant.
func TestContestantsDeliverTheSame(t *testing.T) {
	t.Parallel()
	const clients, single, burst, size = 200, 10, 50, 1024
	for _, c := range fanout.All() {
		t.Run(string(c.Protocol)+"/"+c.Name, func(t *testing.T) {
			t.Parallel()
			server, err := c.Start(fanout.Config{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(server.Close)
			a := newAudience(t, c.Protocol, server.Addr, clients, size)
			number := 0
			deliver := func(events int, timeout time.Duration) bool {
				for range events {
					number++
					if err := server.Publish(fanout.NewEvent(number, size)); err != nil {
						t.Error(err)
					}
				}
				return a.await(number, timeout)
			}
			for try := 0; !deliver(1, 100*time.Millisecond); try++ { // some may not have joined yet
				if try == 100 {
					t.Fatal("not all clients get events")
				}
			}
			for range single {
				if !deliver(1, time.Minute) {
					t.Fatalf("not all clients got event %d", number)
				}
			}
			if !deliver(burst, time.Minute) {
				t.Fatalf("not all clients got event %d", number)
			}
		})
	}
}

func TestNumberIsFoundAtTheEndOfTheData(t *testing.T) {
	t.Parallel()
	for _, number := range []int{1, 42, 5_000_000} {
		for _, size := range []int{0, 100, 1024} {
			e := fanout.NewEvent(number, size)
			if size > 50 && len(e.Data) != size || !json.Valid([]byte(e.Data)) {
				t.Errorf("%d bytes instead of %d: %s", len(e.Data), size, e.Data)
			}
			got, rest, found := fanout.CutNumber([]byte(e.Data + "-" + e.Data))
			if !found || got != number || string(rest) != "-"+e.Data {
				t.Errorf("%d, %q, %v", got, rest, found)
			}
			if got, _, found := fanout.CutNumber([]byte(e.Data[:len(e.Data)-1])); found {
				t.Errorf("found %d before the end of the data", got)
			}
		}
	}
}
