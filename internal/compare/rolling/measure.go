package main

import (
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const module = "github.com/stanza-go/framework/pkg/http"

// A build is the compiled server program and the module with the documented configurations.
type build struct {
	root    string // of the module
	dir     string // for temporary files
	program string
}

// newBuild compiles the server program. The caller must remove the directory of the build,
// which is not nil if only the compilation failed.
func newBuild() (*build, error) {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	dir, err := os.MkdirTemp("", "rolling")
	if err != nil {
		return nil, err
	}
	b := &build{root: strings.TrimSpace(string(root)), dir: dir, program: filepath.Join(dir, "instance")}
	out, err := exec.Command("go", "build", "-o", b.program, module+"/internal/compare/rolling/instance").CombinedOutput()
	if err != nil {
		return b, fmt.Errorf("go build: %w: %s", err, out)
	}
	return b, nil
}

// A site is a proxy and its instances.
type site struct {
	dir   string
	fleet *fleet
	proxy *proxy
}

// start starts the instances and the proxy of a setup.
func (b *build) start(s setup) (*site, error) {
	dir, err := os.MkdirTemp(b.dir, s.proxy)
	if err != nil {
		return nil, err
	}
	fleet, err := startFleet(b.program, s)
	if err != nil {
		return nil, err
	}
	proxy, err := startProxy(b.root, dir, s, fleet.addrs)
	if err != nil {
		fleet.kill()
		return nil, err
	}
	return &site{dir, fleet, proxy}, nil
}

// stop ends all processes of the site.
func (s *site) stop() {
	s.proxy.stop()
	s.fleet.kill()
}

// A result is what clients and the proxy noticed during restarts.
type result struct {
	setup   setup
	load    *load
	retried int            // requests that the proxy sent to the other instance
	causes  map[string]int // messages in the proxy's error log
}

// measure restarts the instances of a setup in turn, under load.
func (b *build) measure(s setup) (*result, error) {
	site, err := b.start(s)
	if err != nil {
		return nil, err
	}
	defer site.stop()
	load, err := startLoad("http://"+site.proxy.addr, site.dir)
	if err != nil {
		return nil, err
	}
	time.Sleep(s.pause)
	for i := range s.restarts {
		if err := site.fleet.restart(i % 2); err != nil {
			_ = load.end() // the other error is the cause
			return nil, err
		}
		time.Sleep(s.pause)
	}
	if err := load.end(); err != nil {
		return nil, err
	}
	r := &result{setup: s, load: load}
	if r.retried, err = site.proxy.retried(); err != nil {
		return nil, err
	}
	r.causes, err = site.proxy.causes()
	return r, err
}

// tallies returns the counts of the load in the order of the table's columns.
func (r *result) tallies() []*tally {
	l := r.load
	return []*tally{&l.wrkGet, &l.wrkPost, &l.get, &l.post, &l.slow}
}

// failures returns the number of failed requests.
func (r *result) failures() int {
	n := 0
	for _, t := range r.tallies() {
		n += t.failures()
	}
	return n
}

const heading = `| proxy | server | wrk: GET | wrk: POST | GET | POST | slow GET | sent to the other instance | longest GET or POST |
|---|---|---|---|---|---|---|---|---|
`

// row returns the failures as a row of the table. A cell shows how many requests failed, and
// how many were sent.
func (r *result) row() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %s | %s |", r.setup.proxyName(), r.setup.serverName())
	for _, t := range r.tallies() {
		fmt.Fprintf(&b, " %d of %d |", t.failures(), t.sent)
	}
	retried := "not logged"
	if r.setup.proxy == "nginx" {
		retried = fmt.Sprint(r.retried)
	}
	longest := max(r.load.get.longest, r.load.post.longest, r.load.wrkGet.longest, r.load.wrkPost.longest)
	fmt.Fprintf(&b, " %s | %v |\n", retried, longest.Round(time.Millisecond))
	return b.String()
}

// reasons returns why requests failed, according to the clients and the proxy.
func (r *result) reasons() string {
	failed := make(map[string]int)
	for _, t := range r.tallies() {
		for reason, n := range t.failed {
			failed[reason] += n
		}
	}
	text := ""
	if len(failed) > 0 {
		text += fmt.Sprintf("  clients: %s\n", list(failed))
	}
	if len(r.causes) > 0 {
		text += fmt.Sprintf("  %s's log: %s\n", r.setup.proxy, list(r.causes))
	}
	return text
}

// all returns s for all combinations of proxies and servers.
func all(proxies, servers []string, s setup) []setup {
	var setups []setup
	for _, proxy := range proxies {
		for _, server := range servers {
			s.proxy, s.server = strings.TrimSuffix(proxy, keepAlive), server
			s.keepAlive = s.proxy != proxy
			setups = append(setups, s)
		}
	}
	return setups
}

// run measures the setups, with streams instead of requests if there are any, and prints
// the results.
func run(out io.Writer, b *build, streams int, setups []setup) error {
	reasons := ""
	for i, s := range setups {
		title := s.proxyName() + ", " + s.serverName()
		log.Print(title)
		if streams > 0 {
			if err := b.measureStreams(out, s, streams); err != nil {
				return fmt.Errorf("%s: %w", title, err)
			}
			continue
		}
		r, err := b.measure(s)
		if err != nil {
			return fmt.Errorf("%s: %w", title, err)
		}
		if i == 0 {
			fmt.Fprintf(out, "%d restarts:\n\n%s", s.restarts, heading)
		}
		fmt.Fprint(out, r.row())
		if text := r.reasons(); text != "" {
			reasons += fmt.Sprintf("\n%s:\n%s", title, text)
		}
	}
	_, err := fmt.Fprint(out, reasons)
	return err
}
