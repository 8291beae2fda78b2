package main

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func TestSequenceMissesNoID(t *testing.T) {
	t.Parallel()
	tests := []struct {
		ids   string
		count int64  // of accepted IDs
		err   string // for the last ID, or ""
	}{
		{"A-1 A-2 A-3", 3, ""},
		{"A-9 A-10", 2, ""},
		{"A-1 A-3", 1, `ID "A-3" follows A-1`},
		{"A-2 A-2", 1, `ID "A-2" follows A-2`},
		{"A-2 A-1", 1, `ID "A-1" follows A-2`},
		{"A-1 B-2", 1, `ID "B-2" follows A-1`},
		{"A-1 A", 1, `"A" is not an ID`},
		{"A-1 A-x", 1, `"A-x" is not an ID`},
		{"A-1 -2", 1, `"-2" is not an ID`},
	}
	for _, test := range tests {
		var s sequence
		var err error
		for id := range strings.FieldsSeq(test.ids) {
			if err = s.next(id); err != nil {
				break
			}
		}
		if got := s.count.Load(); got != test.count {
			t.Errorf("%s: %d ids, want %d", test.ids, got, test.count)
		}
		if test.err == "" && err != nil || test.err != "" && (err == nil || err.Error() != test.err) {
			t.Errorf("%s: error %v, want %q", test.ids, err, test.err)
		}
	}
}

func TestFollowerFindsWhatIsWrongWithAStream(t *testing.T) {
	t.Parallel()
	const saved = "id: A-1\nevent: saved\ndata: {}\n\n"
	tests := []struct {
		stream string
		err    string
	}{
		{saved + ": still here\n\nid: A-2\nevent: deleted\ndata: [1]\n\n", io.EOF.Error()},
		{saved + "id: A-3\nevent: saved\ndata: {}\n\n", `ID "A-3" follows A-1`},
		{saved + "id: A-2\nevent: board\ndata: []\n\n", "unexpected event {id:A-2 name:board data:[]}"},
		{saved + "id: A-2\nevent: saved\n\n", "unexpected event {id:A-2 name:saved data:}"},
		{saved + "event: saved\ndata: {}\n\n", `"" is not an ID`},
		{saved + "id: A-2\nevent: saved\ndata: {}\n", io.EOF.Error()},
	}
	for _, test := range tests {
		stream := strings.NewReader(test.stream)
		f := &follower{body: io.NopCloser(stream), lines: bufio.NewReader(stream)}
		if err := f.read(); err == nil || err.Error() != test.err {
			t.Errorf("%q: error %v, want %s", test.stream, err, test.err)
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
		{"grows in a short time", 20 * time.Second, func(at time.Duration) int64 { return int64(at.Seconds()) },
			"resident memory grew from 7.0 MiB to 17.0 MiB"},
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
