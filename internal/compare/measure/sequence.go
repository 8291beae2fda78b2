package main

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
)

// A sequence checks that the IDs received from the demo, for example
// "K3J4L5M6N7-17", have no gaps. Its methods are for one goroutine, except for
// count, which any goroutine may read.
type sequence struct {
	epoch string // the part before the number
	last  uint64
	count atomic.Int64 // of IDs after the first
}

// begin sets the ID before the first that is counted.
func (s *sequence) begin(id string) (err error) {
	s.epoch, s.last, err = parseID(id)
	s.count.Store(0)
	return err
}

// next checks and counts the next ID. The first ID may have any number.
func (s *sequence) next(id string) error {
	epoch, number, err := parseID(id)
	if err != nil {
		return err
	}
	if s.epoch != "" && (epoch != s.epoch || number != s.last+1) {
		return fmt.Errorf("ID %q follows %s-%d", id, s.epoch, s.last)
	}
	s.epoch, s.last = epoch, number
	s.count.Add(1)
	return nil
}

// parseID splits an ID into its epoch and number.
func parseID(id string) (epoch string, number uint64, err error) {
	epoch, digits, ok := strings.Cut(id, "-")
	number, err = strconv.ParseUint(digits, 10, 64)
	if !ok || epoch == "" || err != nil {
		return "", 0, fmt.Errorf("%q is not an ID", id)
	}
	return epoch, number, nil
}
