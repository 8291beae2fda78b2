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

// sessions keeps the sessions of the users who have logged in.
type sessions struct {
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
	return &sessions{
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
	if cookie, err := r.Cookie("session"); err == nil {
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
		Name: "session", Value: token, Path: "/", MaxAge: maxAge,
		HttpOnly: true,                 // scripts cannot read it
		Secure:   s.https,              // it is never sent without encryption
		SameSite: http.SameSiteLaxMode, // other sites cannot send it with a POST
	}
}

// add starts a session, and returns its token. It also removes sessions that have ended.
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

// identify is middleware that finds out who has sent a request. The handler gets the user
// from the function user, and the user is in the log.
func (s *sessions) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if cookie, err := r.Cookie("session"); err == nil {
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

// user returns the user who has sent the request, or "".
func user(r *http.Request) string {
	name, _ := r.Context().Value(userKey{}).(string)
	return name
}

// requireUser is middleware for routes that only users may call.
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

// sameOrigin is middleware that rejects requests from the pages of other sites, unless they
// only read.
func sameOrigin() http.Middleware {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.WriteError(w, http.StatusForbidden, "cross-origin request")
	}))
	return protection.Handler
}

// passwords are the hashes of the users' passwords. Ann's password is "correct horse".
var passwords = map[string]string{
	"ann": hash("ann", "correct horse"),
}

// passwordIsRight takes as long for unknown users as for others.
func passwordIsRight(user, password string) bool {
	want, known := passwords[user]
	same := subtle.ConstantTimeCompare([]byte(hash(user, password)), []byte(want)) == 1
	return known && same
}

// hash is slow, so that passwords cannot be guessed if the hashes are stolen. The user's
// name is the salt.
func hash(user, password string) string {
	key, err := pbkdf2.Key(sha256.New, password, []byte("status page "+user), 600_000, 32)
	if err != nil {
		panic(err) // the parameters are constant
	}
	return string(key)
}
