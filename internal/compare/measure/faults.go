package main

import (
	"errors"
	"fmt"
	"sync"
)

// faults gathers what goes wrong, from any goroutine. Of many it keeps the
// first.
type faults struct {
	mu    sync.Mutex
	count int
	kept  []error
}

// keptFaults is how many are kept.
const keptFaults = 10

// add takes an error of somebody, unless it is nil.
func (f *faults) add(whose string, err error) {
	if err == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count++
	if len(f.kept) < keptFaults {
		f.kept = append(f.kept, fmt.Errorf("%s: %w", whose, err))
	}
}

// err returns the faults as one error, or nil if there are none.
func (f *faults) err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count == 0 {
		return nil
	}
	return fmt.Errorf("%d faults, of which the first are\n%w", f.count, errors.Join(f.kept...))
}
