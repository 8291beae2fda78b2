package main

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func TestHistoriesAreComparedByOrder(t *testing.T) {
	t.Parallel()
	of := func(things string) total {
		var h history
		for thing := range strings.FieldsSeq(things) {
			if !h.add(thing) {
				t.Errorf("%s: %q is said to be repeated, but times are not kept", things, thing)
			}
		}
		return h.now()
	}
	if of("a b c") != of("a b c") {
		t.Error("equal histories have different totals")
	}
	for _, other := range []string{"", "a b", "a c b", "a b c c", "ab c", "a b d", "b b c"} {
		if of("a b c") == of(other) {
			t.Errorf("%q is taken for \"a b c\"", other)
		}
	}
}

func TestHistoryNoticesRepetitions(t *testing.T) {
	t.Parallel()
	h := history{times: make(map[string]int)}
	if !h.add("a") || !h.add("b") || h.add("a") {
		t.Error("want true, true, and false")
	}
	if a, b, c := h.timesOf("a"), h.timesOf("b"), h.timesOf("c"); a != 2 || b != 1 || c != 0 {
		t.Errorf("received %d, %d, and %d times, want 2, 1, and 0", a, b, c)
	}
}

func TestFollowerFindsWhatIsWrongWithAStream(t *testing.T) {
	t.Parallel()
	const saved = "id: A-1\nevent: saved\ndata: {\"id\":7,\"version\":1}\n\n"
	tests := []struct {
		stream string
		err    string
		last   string
	}{
		{saved + ": still here\n\nid: A-2\nevent: deleted\ndata: [1]\n\n", io.EOF.Error(), "A-2"},
		{saved + "id: A-3\n\n", io.EOF.Error(), "A-3"},
		{saved + saved, `received "task 7 saved as version 1" again`, "A-1"},
		{saved + "id: A-2\nevent: board\ndata: []\n\n", "unexpected event {id:A-2 name:board data:[]}", "A-2"},
		{saved + "event: gap\ndata: {}\n\n", "unexpected event {id: name:gap data:{}}", "A-1"},
		{saved + "id: A-2\nevent: deleted\ndata: [1,2]\n\n", "unexpected event {id:A-2 name:deleted data:[1,2]}", "A-2"},
		{saved + "id: A-2\nevent: saved\ndata: {}\n", io.EOF.Error(), "A-2"},
	}
	for _, test := range tests {
		stream := strings.NewReader(test.stream)
		f := &follower{body: io.NopCloser(stream), lines: bufio.NewReader(stream), seen: history{times: make(map[string]int)}}
		if err := f.read(); err == nil || err.Error() != test.err {
			t.Errorf("%q: error %v, want %s", test.stream, err, test.err)
		}
		if f.lastID != test.last {
			t.Errorf("%q: last ID %q, want %q", test.stream, f.lastID, test.last)
		}
	}
}

func TestGrowthIsFound(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		d        time.Duration
		resident func(at time.Duration) int64 // in MiB
		err      string                       // or ""
	}{
		{"flat", 5 * time.Minute, func(time.Duration) int64 { return 40 }, ""},
		{"grows in the first minute only", 5 * time.Minute, func(at time.Duration) int64 { return min(40, int64(at.Seconds())) }, ""},
		{"grows to the end", 5 * time.Minute, func(at time.Duration) int64 { return 40 + int64(at.Seconds())/10 },
			"resident memory grew from 48.5 MiB to 66.5 MiB"},
		{"grows in three minutes", 3 * time.Minute, func(at time.Duration) int64 { return int64(at.Seconds()) },
			"resident memory grew from 89.5 MiB to 149.5 MiB"},
		{"grows in a short time", 40 * time.Second, func(at time.Duration) int64 { return int64(at.Seconds()) }, ""},
		{"unknown", 5 * time.Minute, func(time.Duration) int64 { return 0 }, "the memory could not be read"},
	}
	for _, test := range tests {
		o := &outcome{}
		for at := time.Second; at < test.d; at += time.Second {
			o.samples = append(o.samples, sample{at: at, resident: test.resident(at) << 20})
		}
		o.early, o.late = memoryWindows(test.d)
		err := o.check()
		if test.err == "" && err != nil || test.err != "" && (err == nil || err.Error() != test.err) {
			t.Errorf("%s: error %v, want %q", test.name, err, test.err)
		}
	}
}

func TestGoroutinesThatAreLeftAreFound(t *testing.T) {
	t.Parallel()
	o := &outcome{before: 6, after: 7, samples: []sample{{at: time.Second, resident: 1}}, early: window{0, time.Minute}, late: window{0, time.Minute}}
	if err := o.check(); err == nil || err.Error() != "7 goroutines are left, want at most 6" {
		t.Errorf("error %v", err)
	}
	o.after = 5
	if err := o.check(); err != nil {
		t.Errorf("error %v", err)
	}
}

func TestFaultsAreCountedAndTheFirstKept(t *testing.T) {
	t.Parallel()
	var f faults
	f.add("nobody", nil)
	if err := f.err(); err != nil {
		t.Errorf("error %v without a fault", err)
	}
	for range keptFaults {
		f.add("one", io.ErrUnexpectedEOF)
	}
	f.add("another", io.ErrClosedPipe)
	err := f.err()
	if !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) || !strings.HasPrefix(err.Error(), "11 faults") {
		t.Errorf("error %v", err)
	}
}
