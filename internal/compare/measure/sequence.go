package main

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
)

// A sequence takes the ids of what comes from the demo, such as
// "K3J4L5M6N7-17", and finds out whether one was left out: they count up. One
// goroutine gives it the ids, any may ask for the count.
type sequence struct {
	epoch string // what stands before the number
	last  uint64
	count atomic.Int64 // of the ids after the first
}

// begin takes the id after which those come that are counted.
func (s *sequence) begin(id string) (err error) {
	s.epoch, s.last, err = parseID(id)
	s.count.Store(0)
	return err
}

// next takes the next id. If there was none before, it may be any.
func (s *sequence) next(id string) error {
	epoch, number, err := parseID(id)
	if err != nil {
		return err
	}
	if s.epoch != "" && (epoch != s.epoch || number != s.last+1) {
		return fmt.Errorf("id %q follows %s-%d", id, s.epoch, s.last)
	}
	s.epoch, s.last = epoch, number
	s.count.Add(1)
	return nil
}

// parseID takes an id apart.
func parseID(id string) (epoch string, number uint64, err error) {
	epoch, digits, ok := strings.Cut(id, "-")
	number, err = strconv.ParseUint(digits, 10, 64)
	if !ok || epoch == "" || err != nil {
		return "", 0, fmt.Errorf("%q is no id", id)
	}
	return epoch, number, nil
}
