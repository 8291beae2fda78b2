package main

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/stanza-go/framework/pkg/http"
)

const sessionLength = 12 * time.Hour

// sessions holds the sessions of logged-in users. It is safe for concurrent use.
type sessions struct {
	name     string // of the cookie
	https    bool
	attempts *http.RateLimiter // by user
	mu       sync.Mutex
	byToken  map[string]session
}

type session struct {
	user string
	ends time.Time
}

func newSessions(https bool) *sessions {
	name := "session"
	if https {
		name = "__Host-session" // no other host can set it
	}
	return &sessions{
		name:     name,
		https:    https,
		attempts: http.NewRateLimiter(http.RateLimitConfig{Limit: 5, Window: 15 * time.Minute}),
		byToken:  make(map[string]session),
	}
}

// login serves POST /api/login
func (s *sessions) login(w http.ResponseWriter, r *http.Request) {
	var input struct {
		User     string `json:"user"`
		Password string `json:"password"`
	}
	if !http.BindJSONStrict(w, r, &input, 4<<10) {
		return
	}
	allowed, wait := s.attempts.Allow(r.Context(), input.User)
	if !allowed {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
		http.WriteError(w, http.StatusTooManyRequests, "too many failed attempts")
		return
	}
	if !passwordIsRight(input.User, input.Password) {
		http.WriteError(w, http.StatusUnauthorized, "wrong user or password")
		return
	}
	s.attempts.Refund(r.Context(), input.User) // only failed attempts count
	http.SetCookie(w, s.cookie(s.add(input.User), int(sessionLength.Seconds())))
	w.WriteHeader(http.StatusNoContent)
}

// logout serves POST /api/logout
func (s *sessions) logout(w http.ResponseWriter, r *http.Request) {
	if cookie, err := r.Cookie(s.name); err == nil {
		s.mu.Lock()
		delete(s.byToken, cookie.Value)
		s.mu.Unlock()
	}
	http.SetCookie(w, s.cookie("", -1))
	w.WriteHeader(http.StatusNoContent)
}

// cookie returns the cookie of a session.
func (s *sessions) cookie(token string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name: s.name, Value: token, Path: "/", MaxAge: maxAge,
		HttpOnly: true,                 // scripts cannot read it
		Secure:   s.https,              // browsers send it only over HTTPS
		SameSite: http.SameSiteLaxMode, // other sites cannot send it with a POST
	}
}

// add starts a session and returns its token. It also removes expired sessions.
func (s *sessions) add(user string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for token, old := range s.byToken {
		if now.After(old.ends) {
			delete(s.byToken, token)
		}
	}
	token := rand.Text()
	s.byToken[token] = session{user: user, ends: now.Add(sessionLength)}
	return token
}

// identify is middleware that looks up the user who sent the request. Handlers call the
// function user to get the name, which is also added to the request's log line.
func (s *sessions) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if cookie, err := r.Cookie(s.name); err == nil {
			s.mu.Lock()
			found, ok := s.byToken[cookie.Value]
			s.mu.Unlock()
			if ok && time.Now().Before(found.ends) {
				http.AddLogAttrs(r.Context(), slog.String("user", found.user))
				r = r.WithContext(context.WithValue(r.Context(), userKey{}, found.user))
			}
		}
		next.ServeHTTP(w, r)
	})
}

type userKey struct{}

// user returns the name of the user who sent the request, or "" if nobody is logged in.
func user(r *http.Request) string {
	name, _ := r.Context().Value(userKey{}).(string)
	return name
}

// requireUser is middleware that responds with status 401 unless a user is logged in.
func requireUser(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user(r) == "" {
			http.WriteError(w, http.StatusUnauthorized, "please log in")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// me serves GET /api/me
func me(w http.ResponseWriter, r *http.Request) {
	http.WriteJSON(w, http.StatusOK, map[string]string{"user": user(r)})
}

// sameOrigin returns middleware that rejects cross-origin requests from browsers, except
// those with the methods GET, HEAD, and OPTIONS.
func sameOrigin() http.Middleware {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.WriteError(w, http.StatusForbidden, "cross-origin request")
	}))
	return protection.Handler
}

// passwords maps users to the hashes of their passwords. Ann's is "correct horse".
var passwords = map[string]string{
	"ann": hash("ann", "correct horse"),
}

// passwordIsRight reports whether password is the user's. It takes as long for unknown
// users as for known ones, so that response times do not reveal which users exist.
func passwordIsRight(user, password string) bool {
	want, known := passwords[user]
	same := subtle.ConstantTimeCompare([]byte(hash(user, password)), []byte(want)) == 1
	return known && same
}

// hash returns the hash of a password, with the user's name as the salt. It is slow on
// purpose, to make guessing expensive if the hashes are stolen.
func hash(user, password string) string {
	key, err := pbkdf2.Key(sha256.New, password, []byte("status page "+user), 600_000, 32)
	if err != nil {
		panic(err) // the parameters are constant
	}
	return string(key)
}
