package metrics

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

func TestSeriesAreToldApartByBoundedLabels(t *testing.T) {
	t.Parallel()
	tests := []struct {
		method, pattern string
		status          int
		want            string
	}{
		{"GET", "GET /users/{id}", 200, "GET /users/{id} 2xx"},
		{"HEAD", "GET /users/{id}", 200, "HEAD /users/{id} 2xx"},
		{"POST", "/users/{id}", 422, "POST /users/{id} 4xx"},
		{"GET", "GET example.com/", 304, "GET example.com/ 3xx"},
		{"GET", "GET \t /tabbed", 101, "GET /tabbed 1xx"},
		{"GET", "", 404, "GET unmatched 4xx"},
		{"get", "", 400, "other unmatched 4xx"},
		{"QUACK", "/", 599, "other / 5xx"},
		{"TRACE", "/", 600, "TRACE / other"},
		{"CONNECT", "/", 999, "CONNECT / other"},
		{"", "/", 0, "other / 1xx"},
	}
	for _, tt := range tests {
		table := New()
		table.Finish(table.Start(), tt.method, tt.pattern, tt.status, 5, time.Millisecond)
		all := table.Snapshot()
		if len(all) != 1 {
			t.Errorf("%+v: %d series, want 1", tt, len(all))
			continue
		}
		s := all[0]
		if got := s.Method + " " + s.Route + " " + s.Class; got != tt.want {
			t.Errorf("%+v is counted as %q, want %q", tt, got, tt.want)
		}
		if s.Count != 1 || s.Bytes != 5 || s.Sum != time.Millisecond {
			t.Errorf("%+v: %+v", tt, s)
		}
	}
}

func TestPatternsOfOnePathAreOneSeries(t *testing.T) {
	t.Parallel()
	table := New()
	for _, p := range []string{"MKCOL /files/", "PROPFIND /files/", "/files/"} {
		table.Finish(table.Start(), "MKCOL", p, 201, 0, 0)
	}
	all := table.Snapshot()
	if len(all) != 1 || all[0].Count != 3 {
		t.Errorf("got %+v, want one series of 3 requests", all)
	}
}

func TestEachBoundBelongsToItsBucket(t *testing.T) {
	t.Parallel()
	table := New()
	for _, bound := range Bounds {
		table.Finish(table.Start(), "GET", "/", 200, 0, bound)
	}
	table.Finish(table.Start(), "GET", "/", 200, 0, Bounds[len(Bounds)-1]+1)
	all := table.Snapshot()
	for i, n := range all[0].Counts {
		if n != 1 {
			t.Errorf("bucket %d holds %d requests, want 1", i, n)
		}
	}
}

func TestActiveCountsWhatHasNotFinished(t *testing.T) {
	t.Parallel()
	table := New()
	first, second := table.Start(), table.Start()
	table.Start()
	table.Finish(second, "GET", "/", 200, 0, 0)
	if n := table.Active(); n != 2 {
		t.Errorf("%d active, want 2", n)
	}
	table.Finish(first, "GET", "/", 200, 0, 0)
	if n := table.Active(); n != 1 {
		t.Errorf("%d active, want 1", n)
	}
}

func TestRoutesAreBounded(t *testing.T) {
	t.Parallel()
	table := New()
	first := map[string]*route{}
	for i := range maxRoutes - 1 { // adding them one by one would take minutes
		r := table.route(fmt.Sprint("/known/", i))
		first["/known/"+fmt.Sprint(i)] = r
	}
	table.patterns.Store(&first)
	for i := range 100 {
		table.Finish(table.Start(), "GET", fmt.Sprint("/more/", i), 200, 0, 0)
	}
	table.Finish(table.Start(), "GET", "", 404, 0, 0)
	table.Finish(table.Start(), "GET", "/known/7", 200, 0, 0)
	got := map[string]int64{}
	all := table.Snapshot()
	for _, s := range all {
		got[s.Route] = s.Count
	}
	want := map[string]int64{"/more/0": 1, "other": 99, "unmatched": 1, "/known/7": 1}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestNothingIsLostInParallel(t *testing.T) {
	t.Parallel()
	const workers, requests = 8, 2000
	table := New()
	stop := make(chan struct{})
	var readers, writers sync.WaitGroup
	readers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if n := table.Active(); n < 0 {
				t.Errorf("%d active requests", n)
			}
			for _, s := range table.Snapshot() {
				if s.Bytes < 10*s.Count {
					t.Errorf("%d bytes of %d requests", s.Bytes, s.Count)
				}
			}
		}
	})
	for range workers {
		writers.Go(func() {
			for i := range requests {
				table.Finish(table.Start(), "GET", fmt.Sprint("/", i%50), 200+100*(i%4), 10, time.Duration(i))
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	all, active := table.Snapshot(), table.Active()
	var count, bytes int64
	for _, s := range all {
		count += s.Count
		bytes += s.Bytes
	}
	if active != 0 || count != workers*requests || bytes != 10*count {
		t.Errorf("%d active, %d requests, %d bytes; want 0, %d, %d", active, count, bytes, workers*requests, 10*workers*requests)
	}
}

func TestRecordingDoesNotAllocate(t *testing.T) {
	if testkit.Race {
		t.Skip("allocations are not counted under the race detector")
	}
	table := New()
	table.Finish(table.Start(), "GET", "GET /users/{id}", 200, 0, 0)
	n := testing.AllocsPerRun(1000, func() {
		table.Finish(table.Start(), "GET", "GET /users/{id}", 200, 512, 3*time.Millisecond)
	})
	if n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func BenchmarkRecord(b *testing.B) {
	table := New()
	b.Run("serial", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			table.Finish(table.Start(), "GET", "GET /users/{id}", 200, 512, 3*time.Millisecond)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				table.Finish(table.Start(), "GET", "GET /users/{id}", 200, 512, 3*time.Millisecond)
			}
		})
	})
}

func BenchmarkSnapshot(b *testing.B) {
	table := New()
	for i := range 1000 {
		table.Finish(table.Start(), "GET", fmt.Sprint("GET /route/", i), 200, 512, 3*time.Millisecond)
	}
	b.ReportAllocs()
	for b.Loop() {
		table.Snapshot()
	}
}
