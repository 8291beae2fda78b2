// Package byhand has what programs with chi and with echo write themselves, because these
// packages do not have it: a log of events that clients resume, sessions, a limit for
// failed attempts, readiness, and graceful shutdown.
package byhand

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// An Event is an event of a Hub.
type Event struct {
	ID   string
	Name string
	Data json.RawMessage
}

// A Hub keeps the latest events, and sends them to its followers.
type Hub struct {
	Snapshot func() any // if not nil, new followers get the event "incidents" with its result
	Stopping context.Context

	mu        sync.Mutex
	epoch     string // IDs of another process are unknown
	first     int    // number of kept[0]
	kept      []Event
	followers map[chan Event]bool
}

// NewHub returns a Hub without events.
func NewHub(stopping context.Context) *Hub {
	return &Hub{Stopping: stopping, epoch: rand.Text(), followers: make(map[chan Event]bool)}
}

const keep = 1000

// Publish adds an event. A follower that is too far behind is cut off.
func (h *Hub) Publish(name string, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		log.Print(err)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	e := Event{fmt.Sprintf("%d.%s", h.first+len(h.kept)+1, h.epoch), name, data}
	if h.kept = append(h.kept, e); len(h.kept) > keep {
		h.kept = append([]Event(nil), h.kept[1:]...)
		h.first++
	}
	for follower := range h.followers {
		select {
		case follower <- e:
		default:
			delete(h.followers, follower)
			close(follower)
		}
	}
}

// Follow returns the events after an ID, and a channel with those that come later. If the
// ID is unknown, gap is true. The caller must call stop.
func (h *Hub) Follow(after string) (past []Event, later chan Event, gap bool, stop func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	number, epoch, _ := strings.Cut(after, ".")
	n, err := strconv.Atoi(number)
	known := err == nil && epoch == h.epoch && n >= h.first && n <= h.first+len(h.kept)
	switch {
	case known:
		past = append(past, h.kept[n-h.first:]...)
	case h.Snapshot == nil:
		past = append(past, h.kept...)
	}
	if h.Snapshot != nil && !known {
		data, _ := json.Marshal(h.Snapshot())
		past = append(past, Event{fmt.Sprintf("%d.%s", h.first+len(h.kept), h.epoch), "incidents", data})
	}
	later = make(chan Event, 256)
	h.followers[later] = true
	return past, later, after != "" && !known, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.followers[later] {
			delete(h.followers, later)
			close(later)
		}
	}
}

// ServeHTTP sends the events as server-sent events.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	past, later, gap, stop := h.Follow(r.Header.Get("Last-Event-ID"))
	defer stop()
	send := func(text string) bool {
		_ = control.SetWriteDeadline(time.Now().Add(30 * time.Second)) // or not supported
		_, err := fmt.Fprint(w, text)
		return err == nil && control.Flush() == nil
	}
	text := "retry: 2000\n\n"
	if gap {
		text += "event: gap\ndata: {}\n\n"
	}
	for _, e := range past {
		text += e.String()
	}
	if !send(text) {
		return
	}
	beat := time.NewTicker(20 * time.Second)
	defer beat.Stop()
	for {
		select {
		case e, ok := <-later:
			if !ok || !send(e.String()) {
				return
			}
		case <-beat.C:
			if !send(":\n\n") {
				return
			}
		case <-r.Context().Done():
			return
		case <-h.Stopping.Done():
			return
		}
	}
}

// String returns the event as text.
func (e Event) String() string {
	return fmt.Sprintf("id: %s\nevent: %s\ndata: %s\n\n", e.ID, e.Name, e.Data)
}

// Attempts limits the failed attempts of each user.
type Attempts struct {
	mu     sync.Mutex
	byUser map[string]attempt
}

type attempt struct {
	count int
	ends  time.Time
}

// Allow counts an attempt. If there are too many, it returns the time to wait.
func (a *Attempts) Allow(user string) (wait time.Duration, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	for user, old := range a.byUser {
		if now.After(old.ends) {
			delete(a.byUser, user)
		}
	}
	if a.byUser == nil {
		a.byUser = make(map[string]attempt)
	}
	current, known := a.byUser[user]
	if !known {
		current.ends = now.Add(15 * time.Minute)
	}
	if current.count >= 5 {
		return current.ends.Sub(now), false
	}
	current.count++
	a.byUser[user] = current
	return 0, true
}

// Refund takes back an attempt that has succeeded.
func (a *Attempts) Refund(user string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	current := a.byUser[user]
	current.count--
	a.byUser[user] = current
}

// Sessions keeps the sessions of users.
type Sessions struct {
	mu      sync.Mutex
	byToken map[string]session
}

type session struct {
	user string
	ends time.Time
}

// SessionLength is how long a session lasts.
const SessionLength = 12 * time.Hour

// Add starts a session.
func (s *Sessions) Add(user string) *http.Cookie {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.byToken == nil {
		s.byToken = make(map[string]session)
	}
	for token, old := range s.byToken {
		if now.After(old.ends) {
			delete(s.byToken, token)
		}
	}
	token := rand.Text()
	s.byToken[token] = session{user, now.Add(SessionLength)}
	return Cookie(token, int(SessionLength.Seconds()))
}

// Cookie returns the cookie of a session.
func Cookie(token string, maxAge int) *http.Cookie {
	return &http.Cookie{Name: "session", Value: token, Path: "/", MaxAge: maxAge, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}

// Delete ends the session of a request.
func (s *Sessions) Delete(r *http.Request) {
	if cookie, err := r.Cookie("session"); err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.byToken, cookie.Value)
	}
}

// User returns the user who has sent a request, or "".
func (s *Sessions) User(r *http.Request) string {
	cookie, err := r.Cookie("session")
	if err != nil {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.byToken[cookie.Value]
	if !ok || time.Now().After(found.ends) {
		return ""
	}
	return found.user
}

// Serve runs two servers until a signal arrives. During the delay, /ready of the second one
// fails. Then stop is called, which ends streams and WebSockets.
func Serve(public, internal *http.Server, delay time.Duration, draining *atomic.Bool, stop func()) error {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	failed := make(chan error, 2)
	for _, server := range []*http.Server{public, internal} {
		server.ReadHeaderTimeout, server.IdleTimeout = 5*time.Second, time.Minute
		go func() { failed <- server.ListenAndServe() }()
	}
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	cancel() // a second signal ends the process
	draining.Store(true)
	time.Sleep(delay)
	stop()
	limit, done := context.WithTimeout(context.Background(), 25*time.Second)
	defer done()
	return errors.Join(public.Shutdown(limit), internal.Shutdown(limit))
}
