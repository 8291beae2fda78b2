package ratewindow

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"math"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

func TestWindowIsHalfOpenFromTheFirstRequest(t *testing.T) {
	t.Parallel()
	c := New(2, 10*time.Second, 100)
	steps := []struct {
		now  time.Duration
		want Decision
	}{
		{3 * time.Second, Decision{true, 1, 13 * time.Second}},
		{4 * time.Second, Decision{true, 0, 13 * time.Second}},
		{5 * time.Second, Decision{false, 0, 13 * time.Second}},
		{13*time.Second - 1, Decision{false, 0, 13 * time.Second}},
		{13 * time.Second, Decision{true, 1, 23 * time.Second}},
		{40 * time.Second, Decision{true, 1, 50 * time.Second}},
	}
	for _, step := range steps {
		if got := c.Take("k", step.now); got != step.want {
			t.Errorf("at %v: %+v, want %+v", step.now, got, step.want)
		}
	}
}

func TestKeysHaveTheirOwnWindows(t *testing.T) {
	t.Parallel()
	c := New(1, time.Minute, 1000)
	for i := range 1000 {
		key := fmt.Sprint(i)
		if !c.Take(key, 0).Allowed {
			t.Fatalf("first request of key %q denied", key)
		}
		if c.Take(key, 0).Allowed {
			t.Fatalf("second request of key %q allowed", key)
		}
	}
	if c.Len() != 1000 {
		t.Errorf("%d windows in memory, want 1000", c.Len())
	}
}

func TestNewKeysShareOneWindowWhenFull(t *testing.T) {
	t.Parallel()
	c := New(2, time.Minute, 2)
	c.Take("a", 0)
	c.Take("b", 1)
	for i, want := range []bool{true, true, false} {
		if got := c.Take(fmt.Sprint("new", i), 2).Allowed; got != want {
			t.Errorf("new key %d: allowed %v, want %v", i, got, want)
		}
	}
	if d := c.Take("a", 3); !d.Allowed {
		t.Error("a key with a window of its own was denied")
	}
	if d := c.Take("new9", time.Minute); !d.Allowed || d.Remaining != 1 {
		t.Errorf("new key after the first window expired: %+v, want a window of its own", d)
	}
	if c.Len() > 2 {
		t.Errorf("%d windows in memory, want at most 2", c.Len())
	}
}

func TestTimeThatStepsBackLocksNobodyOut(t *testing.T) {
	t.Parallel()
	c := New(1, time.Minute, 100)
	c.Take("k", time.Hour)
	d := c.Take("k", 0)
	if d.Allowed || d.Reset != time.Hour+time.Minute {
		t.Errorf("an overtaken call got %+v, want the running window", d)
	}
	if d := c.Take("new", 0); d.Reset != time.Hour+time.Minute {
		t.Errorf("a new window ends at %v, want one length after the latest time", d.Reset)
	}
}

func TestRefundTakesBackARequestOfTheWindow(t *testing.T) {
	t.Parallel()
	c := New(2, 10*time.Second, 100)
	first := c.Take("k", time.Second)
	c.Take("k", time.Second)
	second := 11 * time.Second // begins when the first window ends
	for i, step := range []struct {
		key        string
		reset, now time.Duration
		want       bool
	}{
		{"other", 0, 2 * time.Second, false},
		{"k", first.Reset + 1, 2 * time.Second, false},
		{"k", first.Reset, 2 * time.Second, true},
		{"k", 0, second - 1, true},
		{"k", 0, second - 1, false}, // none is left
		{"k", 0, second, false},     // ended
	} {
		if got := c.Refund(step.key, step.reset, step.now); got != step.want {
			t.Errorf("step %d: %v, want %v", i, got, step.want)
		}
	}
	if d := c.Take("k", second); d != (Decision{true, 1, 21 * time.Second}) {
		t.Errorf("the next window is %+v", d)
	}
	if c.Refund("k", first.Reset, second) {
		t.Error("a request of the first window was taken back from the second")
	}
	check(t, c)
}

func TestRefundOfARequestInTheOverflowWindow(t *testing.T) {
	t.Parallel()
	c := New(1, time.Minute, 1)
	c.Take("a", 0)
	d := c.Take("new", 1)
	if c.Take("newer", 2).Allowed || !c.Refund("new", d.Reset, 3) || !c.Take("newer", 4).Allowed {
		t.Error("the overflow window was not refunded")
	}
	if c.Take("a", 5).Allowed {
		t.Error("the refund went to another window")
	}
}

func TestRefundsAndTakesInParallelAreExact(t *testing.T) {
	t.Parallel()
	const limit, workers, calls = 10, 8, 2000
	c := New(limit, time.Hour, 64)
	var held, most atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range calls {
				d := c.Take("k", 1)
				if !d.Allowed {
					continue
				}
				for now := held.Add(1); ; {
					old := most.Load()
					if now <= old || most.CompareAndSwap(old, now) {
						break
					}
				}
				held.Add(-1)
				if !c.Refund("k", d.Reset, 1) {
					t.Error("a counted request was not taken back")
				}
			}
		})
	}
	wg.Wait()
	if most.Load() > limit {
		t.Errorf("%d requests were counted at once, limit %d", most.Load(), limit)
	}
	if d := c.Take("k", 1); d.Remaining != limit-1 {
		t.Errorf("%d remain after all were taken back, want %d", d.Remaining, limit-1)
	}
}

// Windows end between a Take and its Refund, which must not reach the next window.
func TestRefundsThatRaceWithTheEndOfAWindow(t *testing.T) {
	t.Parallel()
	const limit, workers, calls = 7, 8, 4000
	c := New(limit, time.Millisecond, 64)
	var clock atomic.Int64
	type use struct {
		key string
		end time.Duration
	}
	var mu sync.Mutex
	counted, refunded := map[use]int{}, 0
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(2, uint64(w)))
			for range calls {
				key := fmt.Sprint(rng.IntN(20))
				d := c.Take(key, time.Duration(clock.Add(int64(rng.IntN(20_000)))))
				if !d.Allowed {
					continue
				}
				back := rng.IntN(2) == 0 && c.Refund(key, d.Reset, time.Duration(clock.Add(int64(rng.IntN(400_000)))))
				mu.Lock()
				if back {
					refunded++
				} else {
					counted[use{key, d.Reset}]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for u, n := range counted {
		if n > limit {
			t.Errorf("key %s: %d requests counted in the window to %v, limit %d", u.key, n, u.end, limit)
		}
	}
	if refunded == 0 {
		t.Error("no request was taken back")
	}
	check(t, c)
}

func TestLongestWindowNeverEnds(t *testing.T) {
	t.Parallel()
	c := New(1, math.MaxInt64, 100)
	c.Take("k", time.Second)
	if d := c.Take("k", math.MaxInt64); d.Allowed || d.Reset != math.MaxInt64 {
		t.Errorf("got %+v, want a window without end", d)
	}
	c.Take("other", math.MaxInt64)
	check(t, c)
}

func TestExactlyLimitPassInParallel(t *testing.T) {
	t.Parallel()
	const limit, keys, workers, rounds = 100, 20, 16, 5
	c := New(limit, time.Minute, 1000)
	for round := range rounds {
		now := time.Duration(round) * time.Minute
		var passed [keys]atomic.Int64
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() {
				for i := range keys * limit / 4 {
					k := (i + w) % keys
					if c.Take(fmt.Sprint("key", k), now).Allowed {
						passed[k].Add(1)
					}
				}
			})
		}
		wg.Wait()
		for k := range passed {
			if n := passed[k].Load(); n != limit {
				t.Errorf("round %d, key %d: %d requests passed, want exactly %d", round, k, n, limit)
			}
		}
	}
	check(t, c)
}

// TestParallelCallsWithMovingTimeNeverExceedTheLimit counts the allowed requests
// of each window, which it identifies by its end.
func TestParallelCallsWithMovingTimeNeverExceedTheLimit(t *testing.T) {
	t.Parallel()
	const limit, workers, calls = 7, 8, 4000
	c := New(limit, time.Millisecond, 64)
	var clock atomic.Int64
	type use struct {
		key string
		end time.Duration
	}
	var mu sync.Mutex
	passed := map[use]int{}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(w)))
			for range calls {
				key := fmt.Sprint(rng.IntN(50))
				now := time.Duration(clock.Add(int64(rng.IntN(1000))))
				if d := c.Take(key, now); d.Allowed {
					mu.Lock()
					passed[use{key, d.Reset}]++
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	for u, n := range passed {
		if n > limit {
			t.Errorf("key %s: %d requests passed in the window to %v, limit %d", u.key, n, u.end, limit)
		}
	}
	check(t, c)
}

func TestMemoryFollowsTheLiveKeys(t *testing.T) {
	t.Parallel()
	const keys = 100_000
	c := New(5, time.Minute, 1_000_000)
	for i := range keys {
		c.Take(fmt.Sprint(i), 0)
	}
	if c.Len() != keys {
		t.Fatalf("%d windows in memory, want %d", c.Len(), keys)
	}
	for range 8 * len(c.shards) {
		c.Take("steady", 2*time.Minute)
	}
	if c.Len() != 1 {
		t.Errorf("%d windows in memory after one steady key made the round, want 1", c.Len())
	}
	if n := slots(c); n > minQueue*len(c.shards) {
		t.Errorf("room for %d windows kept for one", n)
	}
	check(t, c)
}

func TestOneCallCollectsABoundedNumber(t *testing.T) {
	t.Parallel()
	c := New(1, time.Hour, 1_000_000)
	const keys = 200_000
	for i := range keys {
		c.Take(fmt.Sprint(i), time.Duration(i))
	}
	// Half of each shard has expired, so no shard can be cleared at once.
	now := time.Hour + keys/2
	for c.Len() > keys/2+len(c.shards) {
		before := c.Len()
		c.Take(fmt.Sprint(rand.Uint64()), now)
		if collected := before - c.Len(); abandoned > ownSweep+1+2*neighborSweep {
			t.Fatalf("one call collected %d windows", collected)
		}
		now++
	}
	for i := range c.shards {
		if n := len(c.shards[i].queue); n > 4096 {
			t.Errorf("a shard has grown to %d places", n)
		}
	}
	check(t, c)
	for i := range 3000 {
		c.Take(fmt.Sprint(i), now+time.Hour/2)
	}
	for range 100_000 {
		c.Take("steady", now+time.Hour)
	}
	if c.Len() > 3001 || slots(c) > 3001*16 {
		t.Errorf("%d windows and room for %d kept for 3001 keys", c.Len(), slots(c))
	}
	check(t, c)
}

func TestNewKeyTakesTheRoomOfExpiredKeysElsewhere(t *testing.T) {
	t.Parallel()
	const room = 128
	c := New(1, time.Minute, room)
	var first, second []string // keys by shard
	for i := 0; len(first) < room || len(second) < 2; i++ {
		key := fmt.Sprint(i)
		if maphash.String(c.seed, key)>>c.shift == 0 {
			first = append(first, key)
		} else {
			second = append(second, key)
		}
	}
	for i, key := range first[:room-1] {
		c.Take(key, time.Duration(i))
	}
	c.Take(second[0], time.Second)
	if c.Len() != room {
		t.Fatalf("%d windows in memory, want %d", c.Len(), room)
	}
	c.Take(second[1], time.Minute)
	if s := &c.shards[1]; s.overflow.used != 0 || s.n != 2 {
		t.Errorf("a new key shares a window while an expired one of another shard takes its place")
	}
	check(t, c)
}

func TestAMillionKeysAreCapped(t *testing.T) {
	t.Parallel()
	if testkit.Race {
		t.Skip("one goroutine and a million steps: the race detector would only make it slow")
	}
	const room, keys = 1_000_000, 1_050_000
	c := New(1, time.Hour, room)
	denied := 0
	var key []byte
	for i := range keys {
		key = strconv.AppendInt(key[:0], int64(i), 10)
		if !c.Take(string(key), 0).Allowed {
			denied++
		}
	}
	if c.Len() != room {
		t.Errorf("%d windows in memory, want %d", c.Len(), room)
	}
	// Every shard allows one request of the keys without a window.
	if want := keys - room - len(c.shards); denied != want {
		t.Errorf("%d of %d keys denied, want %d", denied, keys, want)
	}
	for i := range c.shards {
		if n := len(c.shards[i].queue); n > 8192 {
			t.Errorf("a shard has grown to %d places: whoever made it grow waited for all to be moved", n)
		}
	}
}

func TestShardCount(t *testing.T) {
	t.Parallel()
	tests := []struct{ maxKeys, procs, want int }{
		{1, 64, 1},
		{127, 64, 1},
		{128, 64, 2},
		{10_000, 1, 16},
		{1_000_000, 2, 256},
		{1_000_000, 64, 1024},
		{1_000_000_000, 2, maxShards},
		{math.MaxInt, 2, maxShards},
	}
	for _, tt := range tests {
		if got := shardCount(tt.maxKeys, tt.procs); got != tt.want {
			t.Errorf("shardCount(%d, %d) = %d, want %d", tt.maxKeys, tt.procs, got, tt.want)
		}
	}
}

// MaxKeys may be so large that it means no limit.
func TestHugeMaxKeysTakesLittleMemory(t *testing.T) {
	t.Parallel()
	c := New(1, time.Minute, math.MaxInt)
	if d := c.Take("k", 0); !d.Allowed || c.Len() != 1 || len(c.shards) != maxShards {
		t.Errorf("%+v, %d windows, %d shards", d, c.Len(), len(c.shards))
	}
}

func TestTakeDoesNotAllocateForKnownKeys(t *testing.T) {
	c := New(1000, time.Minute, 1000)
	now := time.Duration(0)
	c.Take("k", now)
	if n := testing.AllocsPerRun(1000, func() { c.Take("k", now) }); n != 0 {
		t.Errorf("%v allocations in a running window, want 0", n)
	}
	if n := testing.AllocsPerRun(1000, func() { now += time.Minute; c.Take("k", now) }); n != 0 {
		t.Errorf("%v allocations when the window is renewed, want 0", n)
	}
}

// FuzzTake compares Counters with room for a few keys to a model that uses a map
// and a linear search. Three bytes of the input are a key and a step of time.
func FuzzTake(f *testing.F) {
	f.Add(uint8(1), uint8(1), []byte{0, 0, 0, 0, 0, 1, 1, 0, 9, 0, 0, 90})
	f.Add(uint8(3), uint8(4), []byte("abcabdabeabfacgachaciadjadkadl"))
	f.Add(uint8(2), uint8(200), []byte("the quick brown fox jumps over the lazy dog"))
	// A queue shrinks while it contains an abandoned window.
	f.Add(uint8(5), uint8(100), []byte("a\x00\x00b\x00\x00c\x00\x00d\x00\x00e\x00\x00f\x00\x00"+
		"g\x00\x00h\x00\x00i\x00\x00z\x01\x00i\x01\x00z\x00\x00z\x00\x00z\x00\x00"))
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		ops := make([]byte, 3*400)
		for i := range len(ops) / 3 {
			ops[3*i] = byte(rng.IntN(60))
			step := rng.IntN(30)
			if rng.IntN(20) == 0 {
				step = 400 // many windows expire, the latest does not
			}
			binary.BigEndian.PutUint16(ops[3*i+1:], uint16(step))
		}
		f.Add(byte(rng.IntN(4)), byte(rng.IntN(60)), ops)
	}
	f.Fuzz(func(t *testing.T, limit, room uint8, ops []byte) {
		const length = 500
		m := model{limit: 1 + int(limit), length: length, room: 1 + int(room)%127, windows: map[string]*window{}}
		c := New(m.limit, length, m.room)
		if len(c.shards) != 1 {
			t.Fatalf("%d shards, the model has one", len(c.shards))
		}
		var now time.Duration
		for ; len(ops) >= 3; ops = ops[3:] {
			key := string(ops[:1])
			now += time.Duration(binary.BigEndian.Uint16(ops[1:]))
			got, want := c.Take(key, now), m.take(key, now)
			if got != want {
				t.Fatalf("key %q at %d: got %+v, want %+v", key, now, got, want)
			}
			check(t, c)
		}
	})
}

// A model is a simple implementation of Counters.
type model struct {
	limit, room int
	length      time.Duration
	windows     map[string]*window
	overflow    window
}

func (m *model) take(key string, now time.Duration) Decision {
	for k, w := range m.windows {
		if w.end <= now {
			delete(m.windows, k)
		}
	}
	w := m.windows[key]
	if w == nil && len(m.windows) < m.room {
		w = &window{end: now + m.length}
		m.windows[key] = w
	}
	if w == nil {
		if m.overflow.end <= now {
			m.overflow = window{end: now + m.length}
		}
		w = &m.overflow
	}
	allowed := w.used < m.limit
	if allowed {
		w.used++
	}
	return Decision{allowed, m.limit - w.used, w.end}
}

// check fails the test if c breaks one of its invariants.
func check(t *testing.T, c *Counters) {
	t.Helper()
	total := 0
	for i := range c.shards {
		s := &c.shards[i]
		total += int(s.n)
		linked, latest := 0, time.Duration(math.MinInt64)
		for i := range s.n {
			w := &s.queue[s.place(i)]
			if w.end == abandoned {
				continue
			}
			if w.end < latest {
				t.Fatalf("a window to %v stands behind one to %v", w.end, latest)
			}
			latest = w.end
			linked++
			if s.find(w.hash) != w {
				t.Fatal("the index does not lead to a window of the queue")
			}
		}
		for _, place := range s.index {
			if place != 0 {
				linked--
			}
		}
		if linked != 0 {
			t.Fatalf("windows in the queue less entries of the index: %d", linked)
		}
		oldest := int64(math.MaxInt64)
		if s.n > 0 {
			oldest = int64(s.queue[s.head].end)
		}
		if got := s.oldest.Load(); got != oldest && oldest != int64(abandoned) {
			t.Fatalf("oldest is %d, the queue begins with %d", got, oldest)
		}
	}
	if total != c.Len() || total > int(c.maxKeys) {
		t.Fatalf("%d windows in the shards, %d counted, %d at most", total, c.Len(), c.maxKeys)
	}
}

// slots returns the total length of the queues of all shards.
func slots(c *Counters) int {
	n := 0
	for i := range c.shards {
		n += len(c.shards[i].queue)
	}
	return n
}

func BenchmarkTake(b *testing.B) {
	for _, keys := range []int{1, 10_000, 1_000_000} {
		names := make([]string, keys)
		for i := range names {
			names[i] = fmt.Sprintf("203.0.%d.%d", i>>8, i&255)
		}
		c := filled(names)
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				c.Take(names[i*7919%keys], 1)
			}
		})
		b.Run(fmt.Sprintf("keys=%d/parallel", keys), func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := rand.IntN(keys); pb.Next(); i++ {
					c.Take(names[i*7919%keys], 1)
				}
			})
		})
	}
}

// BenchmarkMutexMap is the baseline for Take: one lock and one map.
func BenchmarkMutexMap(b *testing.B) {
	for _, keys := range []int{1, 10_000, 1_000_000} {
		names := make([]string, keys)
		windows := make(map[string]*window, keys)
		for i := range names {
			names[i] = fmt.Sprintf("203.0.%d.%d", i>>8, i&255)
			windows[names[i]] = &window{end: time.Hour}
		}
		var mu sync.Mutex
		b.Run(fmt.Sprintf("keys=%d/parallel", keys), func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := rand.IntN(keys); pb.Next(); i++ {
					mu.Lock()
					w := windows[names[i*7919%keys]]
					w.used++
					mu.Unlock()
				}
			})
		})
	}
}

func BenchmarkTakeNewKey(b *testing.B) {
	names := make([]string, 1_500_000)
	for i := range names {
		names[i] = fmt.Sprintf("203.0.%d.%d", i>>8, i&255)
	}
	b.Run("churn", func(b *testing.B) {
		c := New(10, 500_000, 1_000_000) // half a million live; one expires for each that starts
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			c.Take(names[i%len(names)], time.Duration(i))
		}
	})
	b.Run("full", func(b *testing.B) {
		c := filled(names[:1_000_000])
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			c.Take(names[1_000_000+i%500_000], 1)
		}
	})
}

// BenchmarkMemory reports the memory per key with the given number of live keys.
func BenchmarkMemory(b *testing.B) {
	for _, keys := range []int{1, 10_000, 1_000_000} {
		names := make([]string, keys)
		for i := range names {
			names[i] = fmt.Sprintf("203.0.%d.%d", i>>8, i&255)
		}
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			for b.Loop() {
				before := heap()
				c := filled(names)
				b.ReportMetric(float64(heap()-before)/float64(keys), "bytes/key")
				runtime.KeepAlive(c)
			}
		})
	}
}

func filled(names []string) *Counters {
	c := New(math.MaxInt, time.Hour, 1_000_000)
	for _, name := range names {
		c.Take(name, 0)
	}
	return c
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
