package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/stanza-go/framework/pkg/http"
)

// A filter selects incidents.
type filter struct {
	State    string    `query:"state"`
	Severity []string  `query:"severity,comma"`
	Since    time.Time `query:"since"`
}

// Validate reports unknown states and severities.
func (f filter) Validate() error {
	problems := http.FieldErrors{}
	if f.State != "" && !slices.Contains(states, f.State) {
		problems["state"] = oneOf(states)
	}
	for _, severity := range f.Severity {
		if !slices.Contains(severities, severity) {
			problems["severity"] = oneOf(severities)
		}
	}
	return problems.Err()
}

func (f filter) matches(i incident) bool {
	return (f.State == "" || i.State == f.State) &&
		(len(f.Severity) == 0 || slices.Contains(f.Severity, i.Severity)) &&
		!i.Created.Before(f.Since)
}

// list serves GET /api/incidents?state=&severity=&since=&sort=&order=&limit=&offset=
func (s *store) list(w http.ResponseWriter, r *http.Request) {
	var f filter
	if !http.BindQuery(w, r, &f) {
		return
	}
	column, direction := http.QueryParamSort(r, []string{"id", "created"}, "id", "DESC")
	found, total := s.find(f, byColumn(column, direction), http.ParsePagination(r, 20, 100))
	http.PaginatedResponse(w, "incidents", found, total)
}

// export serves GET /api/incidents.csv
func (s *store) export(w http.ResponseWriter, r *http.Request) {
	all, _ := s.find(filter{}, byColumn("id", "ASC"), http.Pagination{Limit: 1e6})
	rows := func(yield func([]string, error) bool) {
		for _, i := range all {
			row := []string{strconv.FormatInt(i.ID, 10), i.Title, i.Severity, i.State, i.Created.Format(time.RFC3339)}
			if !yield(row, nil) {
				return
			}
		}
	}
	header := []string{"id", "title", "severity", "state", "created"}
	http.StreamCSV(w, r, "incidents", header, rows, http.CSVOptions{EscapeFormulas: true})
}

// get serves GET /api/incidents/{id}
func (s *store) get(w http.ResponseWriter, r *http.Request) error {
	id, ok := http.PathParamAs[int64](w, r, "id")
	if !ok {
		return nil // PathParamAs has responded
	}
	i, ok := s.byID(id)
	if !ok {
		return errNoIncident
	}
	http.WriteJSON(w, http.StatusOK, i)
	return nil
}

var errNoIncident = http.Errorf(http.StatusNotFound, "no such incident")

// A newIncident is the body of a request that reports an incident.
type newIncident struct {
	Title    string `json:"title"`
	Severity string `json:"severity"`
}

// Validate reports missing and unknown values.
func (n newIncident) Validate() error {
	problems := http.FieldErrors{}
	if length := utf8.RuneCountInString(n.Title); length == 0 || length > 200 {
		problems["title"] = "must have 1 to 200 characters"
	}
	if !slices.Contains(severities, n.Severity) {
		problems["severity"] = oneOf(severities)
	}
	return problems.Err()
}

// create serves POST /api/incidents
func (s *store) create(w http.ResponseWriter, r *http.Request) {
	var input newIncident
	if !http.BindJSONStrict(w, r, &input, 64<<10) {
		return
	}
	http.WriteJSON(w, http.StatusCreated, s.add(incident{
		Title: input.Title, Severity: input.Severity, State: "open",
		Created: time.Now().UTC().Truncate(time.Second), Updates: []update{}, Files: []string{},
	}))
}

// A newUpdate is the body of a request that adds an update to an incident.
type newUpdate struct {
	Text  string `json:"text"`
	State string `json:"state"` // if empty, the state does not change
}

// Validate reports missing and unknown values.
func (n newUpdate) Validate() error {
	problems := http.FieldErrors{}
	if n.Text == "" {
		problems["text"] = "is required"
	}
	if n.State != "" && !slices.Contains(states, n.State) {
		problems["state"] = oneOf(states)
	}
	return problems.Err()
}

// update serves POST /api/incidents/{id}/updates
func (s *store) update(w http.ResponseWriter, r *http.Request) error {
	id, ok := http.PathParamAs[int64](w, r, "id")
	var input newUpdate
	if !ok || !http.BindJSONStrict(w, r, &input, 64<<10) {
		return nil
	}
	i, ok := s.edit(id, func(i *incident) {
		added := update{Text: input.Text, User: user(r), At: time.Now().UTC().Truncate(time.Second)}
		i.Updates = append(slices.Clip(i.Updates), added) // others may be reading the old slice
		if input.State != "" {
			i.State = input.State
		}
	})
	if !ok {
		return errNoIncident
	}
	http.WriteJSON(w, http.StatusCreated, i)
	return nil
}

// remove serves DELETE /api/incidents/{id}
func (s *store) remove(w http.ResponseWriter, r *http.Request) error {
	id, ok := http.PathParamAs[int64](w, r, "id")
	if !ok {
		return nil
	}
	if !s.delete(id) {
		return errNoIncident
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func oneOf(values []string) string {
	return fmt.Sprintf("must be one of %s", strings.Join(values, ", "))
}
