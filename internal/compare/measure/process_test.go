package main

import (
	"testing"
	"time"
)

func TestTimesOfAProcessAreRead(t *testing.T) {
	t.Parallel()
	const rest = " S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 7 0 1234"
	for _, name := range []string{"(serve)", "(a b)", "(:-) 1 2 (x)"} {
		if got, err := parseStat("4711 " + name + rest); err != nil || got != 3*time.Second {
			t.Errorf("%s: %v, %v, want 3 s", name, got, err)
		}
	}
	for _, text := range []string{"", "4711 (serve)", "4711 (serve) S 1 2 3 4 5 6 7 8 9 10 250", "4711 (serve) S 1 2 3 4 5 6 7 8 9 10 x 50"} {
		if got, err := parseStat(text); err == nil {
			t.Errorf("%q is taken for %v", text, got)
		}
	}
}

func TestResidentMemoryIsRead(t *testing.T) {
	t.Parallel()
	if got, err := parseStatus("Name:\tVmRSS\nVmHWM:\t   99 kB\nVmRSS:\t   12345 kB\nThreads:\t7\n"); err != nil || got != 12345<<10 {
		t.Errorf("%v, %v", got, err)
	}
	for _, text := range []string{"", "Name:\tdemo\n", "VmRSS:\tmuch kB\n"} {
		if got, err := parseStatus(text); err == nil {
			t.Errorf("%q is taken for %v", text, got)
		}
	}
}
