package main

import (
	"errors"
	"fmt"
	"sync"
)

// faults collects errors. It keeps the first ones and counts all. It is safe
// for concurrent use by multiple goroutines.
type faults struct {
	mu    sync.Mutex
	count int
	kept  []error
}

// keptFaults is the number of errors that are kept.
const keptFaults = 10

// add adds an error and names its origin. It ignores nil.
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

// err returns all faults as one error, or nil if there was no fault.
func (f *faults) err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count == 0 {
		return nil
	}
	return fmt.Errorf("%d faults, the first are:\n%w", f.count, errors.Join(f.kept...))
}
