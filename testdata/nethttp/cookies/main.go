// Command cookies logs a client in, keeps its session in a cookie jar, and
// prints what each step answered.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"time"
)

// sessions maps the value of the session cookie to the user's name.
type sessions struct {
	mu    sync.Mutex
	names map[string]string
}

func (s *sessions) login(w http.ResponseWriter, r *http.Request) {
	if r.PostFormValue("password") != "secret" {
		http.Error(w, "wrong password", http.StatusForbidden)
		return
	}
	s.mu.Lock()
	id := fmt.Sprintf("session-%d", len(s.names)+1)
	s.names[id] = r.PostFormValue("name")
	s.mu.Unlock()
	http.SetCookie(w, &http.Cookie{
		Name: "session", Value: id, Path: "/",
		HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: 3600,
	})
	http.SetCookie(w, &http.Cookie{Name: "theme", Value: "dark mode", Path: "/settings", SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r, "/me", http.StatusSeeOther)
}

func (s *sessions) me(w http.ResponseWriter, r *http.Request) {
	cookie, err := r.Cookie("session")
	if errors.Is(err, http.ErrNoCookie) {
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(w, "hello, %s", s.names[cookie.Value])
}

func logout(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{Name: "session", Path: "/", MaxAge: -1})
	w.WriteHeader(http.StatusNoContent)
}

// tracer is a RoundTripper that prints the cookies of each request.
type tracer struct{ next http.RoundTripper }

func (t tracer) RoundTrip(req *http.Request) (*http.Response, error) {
	fmt.Printf("%s %s %q\n", req.Method, req.URL.Path, req.Header["Cookie"])
	return t.next.RoundTrip(req)
}

func main() {
	s := &sessions{names: make(map[string]string)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", s.login)
	mux.HandleFunc("GET /me", s.me)
	mux.HandleFunc("GET /settings/", s.me)
	mux.HandleFunc("POST /logout", logout)
	srv := httptest.NewServer(mux)
	defer srv.Close()

	jar, err := cookiejar.New(nil)
	check(err)
	var store http.CookieJar = jar
	client := &http.Client{Jar: store, Timeout: time.Minute, Transport: tracer{http.DefaultTransport}}

	show(client.Get(srv.URL + "/me"))
	show(client.PostForm(srv.URL+"/login", url.Values{"name": {"Ada"}, "password": {"guess"}}))
	show(client.PostForm(srv.URL+"/login", url.Values{"name": {"Ada"}, "password": {"secret"}}))
	show(client.Get(srv.URL + "/settings/"))

	// The same login seen without following the redirect.
	client.CheckRedirect = func(req *http.Request, via []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Post(srv.URL+"/login", "application/x-www-form-urlencoded", strings.NewReader("name=Bob&password=secret"))
	check(err)
	for _, line := range resp.Header["Set-Cookie"] {
		cookie, err := http.ParseSetCookie(line)
		check(err)
		fmt.Printf("  %s=%s path=%s lax=%t strict=%t\n", cookie.Name, cookie.Value, cookie.Path,
			cookie.SameSite == http.SameSiteLaxMode, cookie.SameSite == http.SameSiteStrictMode)
	}
	show(resp, err)

	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, srv.URL+"/logout", nil)
	check(err)
	show(client.Do(req))
	show(client.Get(srv.URL + "/me"))

	_, err = (&http.Response{Header: http.Header{}}).Location()
	fmt.Println("no location:", errors.Is(err, http.ErrNoLocation))
	pairs, err := http.ParseCookie(`a=1; b="two"`)
	fmt.Println(pairs, err)
}

// show prints and closes a response.
func show(resp *http.Response, err error) {
	check(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	check(err)
	fmt.Printf("  %s %q %s\n", resp.Status, body, resp.Header.Get("Location"))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
