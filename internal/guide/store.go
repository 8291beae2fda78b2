package main

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/stanza-go/framework/pkg/http"
)

// An incident is a problem with the service.
type incident struct {
	ID       int64     `json:"id"`
	Title    string    `json:"title"`
	Severity string    `json:"severity"` // one of severities
	State    string    `json:"state"`    // one of states
	Created  time.Time `json:"created"`
	Updates  []update  `json:"updates"`
	Files    []string  `json:"files"`
}

// An update is a report about an incident.
type update struct {
	Text string    `json:"text"`
	User string    `json:"user"`
	At   time.Time `json:"at"`
}

var (
	severities = []string{"minor", "major", "critical"}
	states     = []string{"open", "resolved"}
)

// A store keeps the incidents in memory.
type store struct {
	mu        sync.Mutex
	lastID    int64
	incidents map[int64]incident
	changed   func(http.Event) // called with mu held
	deleted   func(incident)   // called without mu
}

func newStore() *store {
	return &store{incidents: make(map[int64]incident), changed: func(http.Event) {}, deleted: func(incident) {}}
}

// find returns one page of the incidents that match f, and the total number of matches.
func (s *store) find(f filter, order func(a, b incident) int, page http.Pagination) ([]incident, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := []incident{}
	for i := range maps.Values(s.incidents) {
		if f.matches(i) {
			found = append(found, i)
		}
	}
	slices.SortFunc(found, order)
	begin := min(page.Offset, len(found))
	return found[begin:min(begin+page.Limit, len(found))], len(found)
}

// byID returns the incident with the given ID, and reports whether it exists.
func (s *store) byID(id int64) (incident, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.incidents[id]
	return i, ok
}

// add adds an incident, and returns it with its ID.
func (s *store) add(i incident) incident {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastID++
	i.ID = s.lastID
	s.save(i)
	return i
}

// edit calls change with an incident and saves it. It returns false if there is none.
func (s *store) edit(id int64, change func(*incident)) (incident, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.incidents[id]
	if ok {
		change(&i)
		s.save(i)
	}
	return i, ok
}

// delete deletes an incident, and reports whether it existed.
func (s *store) delete(id int64) bool {
	s.mu.Lock()
	i, ok := s.incidents[id]
	if ok {
		delete(s.incidents, id)
		s.changed(http.JSONEvent("deleted", id))
	}
	s.mu.Unlock()
	if ok {
		s.deleted(i)
	}
	return ok
}

// save stores an incident and publishes the change. s.mu must be held.
func (s *store) save(i incident) {
	s.incidents[i.ID] = i
	s.changed(http.JSONEvent("saved", i))
}

// byColumn returns a comparison function for sorting incidents by column, which is "id" or
// "created". direction is "ASC" or "DESC".
func byColumn(column, direction string) func(a, b incident) int {
	return func(a, b incident) int {
		order := cmp.Compare(a.ID, b.ID)
		if column == "created" {
			order = cmp.Or(a.Created.Compare(b.Created), order)
		}
		if direction == "DESC" {
			order = -order
		}
		return order
	}
}
