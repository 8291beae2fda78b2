package main

import (
	"bufio"
	"context"
	"io"
	nethttp "net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/compare/tools"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// TestGuideRestarts restarts two instances of the guide's service in turn behind nginx,
// with the documented configuration. Visitors notice nothing, and their streams of
// incidents end properly and can be opened again.
func TestGuideRestarts(t *testing.T) {
	t.Parallel()
	tools.Require(t, "nginx")
	program := filepath.Join(t.TempDir(), "status")
	testkit.Run(t, "", "go", "build", "-o", program, module+"/internal/guide")
	s := setup{proxy: "nginx", server: guide, delay: 1200 * time.Millisecond}
	fleet, err := startFleet(program, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fleet.kill)
	p, err := startProxy("../../..", t.TempDir(), s, fleet.addrs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)

	visits := &load{url: "http://" + p.addr, client: &nethttp.Client{Timeout: patience, Transport: &nethttp.Transport{}}}
	visits.ctx, visits.stop = context.WithCancel(t.Context())
	visits.all.Go(func() { visits.send(&visits.get, 10*time.Millisecond, "GET", "/", "") })
	visits.all.Go(func() { visits.send(&visits.slow, 10*time.Millisecond, "GET", "/api/incidents", "") })
	for i := range fleet.addrs {
		streams := []*nethttp.Response{openLive(t, visits), openLive(t, visits)} // one of each instance
		if err := fleet.restart(i); err != nil {
			t.Error(err)
		}
		waitForOneEnd(t, streams)
		openLive(t, visits)
	}
	if err := visits.end(); err != nil {
		t.Error(err)
	}
	for _, counted := range []*tally{&visits.get, &visits.slow} {
		t.Logf("%d requests, longest %v", counted.sent, counted.longest)
		if n := counted.failures(); n > 0 || counted.sent == 0 {
			t.Errorf("%d of %d requests failed: %v", n, counted.sent, counted.failed)
		}
	}
}

// openLive opens the stream of incidents, and reads its first line.
func openLive(t *testing.T, visits *load) *nethttp.Response {
	t.Helper()
	request, err := nethttp.NewRequestWithContext(t.Context(), "GET", visits.url+"/api/live", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := new(nethttp.Client).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	line, err := bufio.NewReaderSize(response.Body, 16).ReadString('\n')
	if err != nil || response.StatusCode != 200 {
		t.Fatalf("stream: %s, first line %q, %v", response.Status, line, err)
	}
	return response
}

// waitForOneEnd waits until one of the streams has ended, as the stream of the stopped
// instance does.
func waitForOneEnd(t *testing.T, streams []*nethttp.Response) {
	t.Helper()
	ended := make(chan error, len(streams))
	for _, stream := range streams {
		go func() {
			_, err := io.Copy(io.Discard, stream.Body)
			ended <- err
		}()
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("a stream was cut: %v", err)
		}
	case <-time.After(patience):
		t.Error("the stream of the instance that was stopped does not end")
	}
}
