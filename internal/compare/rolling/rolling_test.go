package main

import (
	"os"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/compare/tools"
)

// TestRestarts restarts both instances once behind each proxy. With a drain delay, no
// request may fail if the proxy checks the instances. nginx does not, and sends requests
// until the listener is closed; the kernel may reset a connection that is being
// established at that moment. Without a delay, more requests fail, which is only logged.
func TestRestarts(t *testing.T) {
	for _, program := range []string{"nginx", "caddy", "wrk"} {
		tools.Require(t, program)
	}
	b, err := newBuild()
	if b != nil {
		t.Cleanup(func() { _ = os.RemoveAll(b.dir) }) // only temporary files
	}
	if err != nil {
		t.Fatal(err)
	}
	base := setup{restarts: 2, delay: 1200 * time.Millisecond, pause: time.Second}
	for _, s := range all(allProxies, []string{"stanza", "nethttp"}, base) {
		if s.server == "nethttp" && s.proxy == "nginx" && !s.keepAlive {
			continue // the other two show the difference
		}
		t.Run(s.proxyName()+", "+s.serverName(), func(t *testing.T) {
			r, err := b.measure(s)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("\n%s%s%s", heading, r.row(), r.reasons())
			for _, counted := range r.tallies() {
				if counted.sent == 0 {
					t.Error("there were no requests of a kind")
				}
			}
			allowed := 0
			if s.proxy == "nginx" {
				allowed = 1
			}
			if n := r.failures(); n > allowed && s.server == "stanza" {
				t.Errorf("%d requests failed, want at most %d", n, allowed)
			}
		})
	}
}
