// Rolling measures what clients notice if the instances of a service are restarted in
// turn, as in a deploy. Two instances run behind nginx or Caddy, under steady load from
// wrk and from clients that record why requests fail:
//
//	go run ./rolling                         # everything, in about 15 minutes
//	go run ./rolling -proxy nginx -server stanza -restarts 2
//	go run ./rolling -streams 500             # when streams end and reconnect
//
// The servers are "stanza" (this package with a drain delay), "run" (without one), and
// "nethttp" (net/http with Shutdown). The proxies are "nginx" and "caddy" with the
// configurations of docs/production.md, and "nginx-keepalive", which keeps connections
// to the instances open.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"slices"
	"strings"
	"time"
)

// The proxies and servers that can be measured.
var (
	allProxies = []string{"nginx", "nginx" + keepAlive, "caddy"}
	allServers = []string{"stanza", "run", "nethttp"}
)

// keepAlive is the suffix of a proxy that keeps connections to the instances open.
const keepAlive = "-keepalive"

// A setup is one measurement.
type setup struct {
	proxy     string // nginx or caddy
	keepAlive bool   // whether nginx keeps connections to the instances open
	server    string // one of allServers
	delay     time.Duration
	pause     time.Duration // between restarts
	restarts  int
}

// proxyName returns the proxy's name in tables.
func (s setup) proxyName() string {
	if s.keepAlive {
		return s.proxy + " with keepalive"
	}
	return s.proxy
}

// serverName returns the server's name in tables.
func (s setup) serverName() string {
	switch s.server {
	case "stanza":
		return fmt.Sprintf("stanza, delay of %v", s.delay)
	case "run":
		return "stanza, no delay"
	}
	return "net/http"
}

func main() {
	log.SetFlags(log.Ltime)
	proxies := choice("proxy", allProxies)
	servers := choice("server", allServers)
	restarts := flag.Int("restarts", 20, "`number` of restarts")
	delay := flag.Duration("delay", 3*time.Second, "drain delay of stanza")
	pause := flag.Duration("pause", 2500*time.Millisecond, "time between two restarts")
	streams := flag.Int("streams", 0, "restart one instance while this `number` of event streams and of WebSockets is open, instead")
	flag.Parse()
	b, err := newBuild()
	if err == nil {
		err = run(os.Stdout, b, *streams, all(*proxies, *servers, setup{restarts: *restarts, delay: *delay, pause: *pause}))
	}
	if b != nil {
		_ = os.RemoveAll(b.dir) // only temporary files
	}
	if err != nil {
		log.Fatal(err)
	}
}

// choice defines a flag that selects one of the values. Without it, all are selected.
func choice(name string, all []string) *[]string {
	selected := &all
	flag.Func(name, "measure only one of "+strings.Join(all, ", "), func(value string) error {
		if !slices.Contains(all, value) {
			return fmt.Errorf("want one of %s", strings.Join(all, ", "))
		}
		*selected = []string{value}
		return nil
	})
	return selected
}
