// Package domain has the parts of the services that do not depend on a router: the store
// of the incidents, and the passwords.
package domain

import (
	"cmp"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"maps"
	"slices"
	"sync"
	"time"
)

// An Incident is something that does not work as it should.
type Incident struct {
	ID       int64     `json:"id"`
	Title    string    `json:"title"`
	Severity string    `json:"severity"`
	State    string    `json:"state"`
	Created  time.Time `json:"created"`
	Updates  []Update  `json:"updates"`
	Files    []string  `json:"files"`
}

// An Update is a report about an incident.
type Update struct {
	Text string    `json:"text"`
	User string    `json:"user"`
	At   time.Time `json:"at"`
}

// The values of an incident's severity and state.
var (
	Severities = []string{"minor", "major", "critical"}
	States     = []string{"open", "resolved"}
)

// A Store keeps the incidents in memory.
type Store struct {
	mu        sync.Mutex
	lastID    int64
	incidents map[int64]Incident
	changed   func(event string, data any)
}

// NewStore returns an empty Store. It calls changed in the order of the changes.
func NewStore(changed func(event string, data any)) *Store {
	return &Store{incidents: make(map[int64]Incident), changed: changed}
}

// A Query selects and orders incidents.
type Query struct {
	State         string
	Severity      []string
	Since         time.Time
	Column        string // id or created
	Descending    bool
	Limit, Offset int
}

// Find returns a page of the incidents, and the number of all that match.
func (s *Store) Find(q Query) ([]Incident, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := []Incident{}
	for i := range maps.Values(s.incidents) {
		if (q.State == "" || i.State == q.State) && (len(q.Severity) == 0 || slices.Contains(q.Severity, i.Severity)) && !i.Created.Before(q.Since) {
			found = append(found, i)
		}
	}
	slices.SortFunc(found, func(a, b Incident) int {
		order := cmp.Compare(a.ID, b.ID)
		if q.Column == "created" {
			order = cmp.Or(a.Created.Compare(b.Created), order)
		}
		if q.Descending {
			order = -order
		}
		return order
	})
	begin := min(q.Offset, len(found))
	return found[begin:min(begin+q.Limit, len(found))], len(found)
}

// ByID returns the incident with an ID.
func (s *Store) ByID(id int64) (Incident, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.incidents[id]
	return i, ok
}

// Add adds an incident, and returns it with its ID.
func (s *Store) Add(i Incident) Incident {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastID++
	i.ID = s.lastID
	s.save(i)
	return i
}

// Edit changes an incident, and returns false if it does not exist.
func (s *Store) Edit(id int64, change func(*Incident)) (Incident, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.incidents[id]
	if ok {
		change(&i)
		s.save(i)
	}
	return i, ok
}

// Delete deletes an incident, and returns false if it does not exist.
func (s *Store) Delete(id int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.incidents[id]
	if ok {
		delete(s.incidents, id)
		s.changed("deleted", id)
	}
	return ok
}

func (s *Store) save(i Incident) {
	s.incidents[i.ID] = i
	s.changed("saved", i)
}

var passwords = map[string]string{"ann": hash("ann", "correct horse")}

// PasswordIsRight takes as long for unknown users as for others.
func PasswordIsRight(user, password string) bool {
	want, known := passwords[user]
	same := subtle.ConstantTimeCompare([]byte(hash(user, password)), []byte(want)) == 1
	return known && same
}

func hash(user, password string) string {
	key, err := pbkdf2.Key(sha256.New, password, []byte("status page "+user), 600_000, 32)
	if err != nil {
		panic(err) // the parameters are constant
	}
	return string(key)
}
