// Command chi is the service of docs/guide.md, written with chi.
package main

import (
	"context"
	"crypto/rand"
	"embed"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log"
	"log/slog"
	"math"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/go-chi/httplog/v3"
	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/stanza-go/framework/pkg/http/internal/compare/service/byhand"
	"github.com/stanza-go/framework/pkg/http/internal/compare/service/domain"
)

//go:embed all:site
var site embed.FS

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "address of the site")
	internalAddr := flag.String("internal-addr", "127.0.0.1:2112", "address of metrics and readiness")
	delay := flag.Duration("drain-delay", 0, "how long to serve after a signal to stop")
	dir := flag.String("dir", "uploads", "directory for uploaded files")
	flag.Parse()
	if err := os.MkdirAll(*dir, 0o700); err != nil {
		log.Fatal(err)
	}
	stopping, stop := context.WithCancel(context.Background())
	var draining atomic.Bool
	a := newApp(*dir, stopping)
	public := &http.Server{Addr: *addr, Handler: a.routes(slog.New(slog.NewJSONHandler(os.Stdout, nil)))}
	internal := &http.Server{Addr: *internalAddr, Handler: a.operations(&draining)}
	if err := byhand.Serve(public, internal, *delay, &draining, stop); err != nil {
		log.Fatal(err)
	}
}

type app struct {
	dir       string
	incidents *domain.Store
	changes   *byhand.Hub
	messages  *byhand.Hub
	sessions  byhand.Sessions
	attempts  byhand.Attempts
	registry  *prometheus.Registry
	requests  *prometheus.HistogramVec
}

func newApp(dir string, stopping context.Context) *app {
	a := &app{dir: dir, changes: byhand.NewHub(stopping), messages: byhand.NewHub(stopping), registry: prometheus.NewRegistry()}
	a.incidents = domain.NewStore(a.changes.Publish)
	a.changes.Snapshot = func() any {
		all, _ := a.incidents.Find(domain.Query{Descending: true, Limit: 100})
		return all
	}
	a.requests = prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "http_request_duration_seconds", Help: "Durations."}, []string{"method", "route", "status"})
	a.registry.MustRegister(a.requests)
	return a
}

func (a *app) routes(logger *slog.Logger) http.Handler {
	r := chi.NewRouter()
	r.Use(middleware.RequestID, a.measure,
		httplog.RequestLogger(logger, &httplog.Options{Schema: httplog.SchemaOTEL, RecoverPanics: true, LogExtraAttrs: func(r *http.Request, _ string, _ int) []slog.Attr {
			attrs := []slog.Attr{slog.String("request_id", middleware.GetReqID(r.Context())), slog.String("pattern", chi.RouteContext(r.Context()).RoutePattern())}
			if user := a.sessions.User(r); user != "" {
				attrs = append(attrs, slog.String("user", user))
			}
			return attrs
		}}),
		middleware.Compress(5), secure, a.sameOrigin)
	r.NotFound(a.page)
	r.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) {
		fail(w, http.StatusMethodNotAllowed, "method not allowed")
	})
	r.Route("/api", func(api chi.Router) {
		api.NotFound(func(w http.ResponseWriter, r *http.Request) { fail(w, http.StatusNotFound, "no such endpoint") })
		api.With(limit(4<<10)).Post("/login", a.login)
		api.Post("/logout", a.logout)
		api.Get("/incidents", a.list)
		api.Get("/incidents.csv", a.export)
		api.Get("/incidents/{id}", a.get)
		api.Get("/incidents/{id}/files/{file}", a.download)
		api.Get("/live", a.changes.ServeHTTP)
		api.Group(func(users chi.Router) {
			users.Use(a.requireUser)
			users.Get("/me", func(w http.ResponseWriter, r *http.Request) {
				write(w, 200, map[string]string{"user": a.sessions.User(r)})
			})
			users.With(limit(64<<10)).Post("/incidents", a.create)
			users.With(limit(64<<10)).Post("/incidents/{id}/updates", a.update)
			users.Delete("/incidents/{id}", a.remove)
			users.Post("/incidents/{id}/files", a.upload)
			users.Get("/chat", a.chat)
		})
	})
	return r
}

func (a *app) operations(draining *atomic.Bool) http.Handler {
	r := chi.NewRouter()
	r.Get("/ready", func(w http.ResponseWriter, r *http.Request) {
		if draining.Load() {
			fail(w, http.StatusServiceUnavailable, "server is stopping")
			return
		}
		write(w, 200, map[string]string{"status": "ready"})
	})
	r.Method("GET", "/metrics", promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{}))
	return r
}

// measure records durations by route, except those of streams.
func (a *app) measure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		wrapped, start := middleware.NewWrapResponseWriter(w, r.ProtoMajor), time.Now()
		next.ServeHTTP(wrapped, r)
		route := chi.RouteContext(r.Context()).RoutePattern()
		if route != "/api/live" && route != "/api/chat" {
			a.requests.WithLabelValues(r.Method, route, strconv.Itoa(wrapped.Status()/100)+"xx").Observe(time.Since(start).Seconds())
		}
	})
}

func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("X-Frame-Options", "DENY")
		w.Header().Set("Referrer-Policy", "strict-origin-when-cross-origin")
		w.Header().Set("X-Request-Id", middleware.GetReqID(r.Context()))
		defer func() {
			if v := recover(); v != nil && v != http.ErrAbortHandler {
				slog.Error("panic", "value", v, "stack", string(debug.Stack()))
				fail(w, 500, "internal server error")
			} else if v != nil {
				panic(v)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

func (a *app) sameOrigin(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fail(w, http.StatusForbidden, "cross-origin request") }))
	return protection.Handler(next)
}

func (a *app) requireUser(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.sessions.User(r) == "" {
			fail(w, http.StatusUnauthorized, "please log in")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func limit(n int64) func(http.Handler) http.Handler { return middleware.RequestSize(n) }

func write(w http.ResponseWriter, status int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		slog.Error("encoding failed", "error", err)
		http.Error(w, `{"error":"internal server error"}`, 500)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(data)
}

func fail(w http.ResponseWriter, status int, message string) {
	write(w, status, map[string]string{"error": message})
}

// refuse responds to invalid input.
func refuse(w http.ResponseWriter, problems map[string]string) {
	var texts []string
	for field, problem := range problems {
		texts = append(texts, field+": "+problem)
	}
	slices.Sort(texts)
	write(w, http.StatusBadRequest, map[string]any{"error": strings.Join(texts, "; "), "fields": problems})
}

// bind decodes a JSON body.
func bind(w http.ResponseWriter, r *http.Request, dst any) bool {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		fail(w, http.StatusUnsupportedMediaType, "the Content-Type must be application/json")
		return false
	}
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	err := decoder.Decode(dst)
	if err == nil && decoder.Decode(new(any)) != io.EOF {
		err = errors.New("trailing data")
	}
	if err != nil {
		fail(w, http.StatusBadRequest, "malformed JSON: "+err.Error())
		return false
	}
	return true
}

func (a *app) login(w http.ResponseWriter, r *http.Request) {
	var input struct{ User, Password string }
	if !bind(w, r, &input) {
		return
	}
	wait, ok := a.attempts.Allow(input.User)
	if !ok {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
		fail(w, http.StatusTooManyRequests, "too many failed attempts")
		return
	}
	if !domain.PasswordIsRight(input.User, input.Password) {
		fail(w, http.StatusUnauthorized, "wrong user or password")
		return
	}
	a.attempts.Refund(input.User)
	http.SetCookie(w, a.sessions.Add(input.User))
	w.WriteHeader(http.StatusNoContent)
}

func (a *app) logout(w http.ResponseWriter, r *http.Request) {
	a.sessions.Delete(r)
	http.SetCookie(w, byhand.Cookie("", -1))
	w.WriteHeader(http.StatusNoContent)
}

func oneOf(values []string) string { return "must be one of " + strings.Join(values, ", ") }

// query reads the parameters of a list.
func query(r *http.Request) (domain.Query, map[string]string) {
	problems := make(map[string]string)
	values := r.URL.Query()
	q := domain.Query{State: values.Get("state"), Column: "id", Descending: values.Get("order") != "asc", Limit: 20}
	if q.State != "" && !slices.Contains(domain.States, q.State) {
		problems["state"] = oneOf(domain.States)
	}
	if text := values.Get("severity"); text != "" {
		q.Severity = strings.Split(text, ",")
	}
	for _, severity := range q.Severity {
		if !slices.Contains(domain.Severities, severity) {
			problems["severity"] = oneOf(domain.Severities)
		}
	}
	if text := values.Get("since"); text != "" {
		var err error
		if q.Since, err = time.Parse(time.RFC3339, text); err != nil {
			problems["since"] = "must be a time such as 2006-01-02T15:04:05Z"
		}
	}
	if values.Get("sort") == "created" {
		q.Column = "created"
	}
	if n, err := strconv.Atoi(values.Get("limit")); err == nil {
		q.Limit = max(1, min(n, 100))
	}
	if n, err := strconv.Atoi(values.Get("offset")); err == nil {
		q.Offset = max(0, n)
	}
	return q, problems
}

func (a *app) list(w http.ResponseWriter, r *http.Request) {
	q, problems := query(r)
	if len(problems) > 0 {
		refuse(w, problems)
		return
	}
	found, total := a.incidents.Find(q)
	write(w, 200, map[string]any{"incidents": found, "total": total})
}

func (a *app) export(w http.ResponseWriter, r *http.Request) {
	all, _ := a.incidents.Find(domain.Query{Limit: 1e6})
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=incidents-%s.csv", time.Now().UTC().Format("20060102")))
	out := csv.NewWriter(w)
	out.Write([]string{"id", "title", "severity", "state", "created"})
	for _, i := range all {
		title := i.Title
		if strings.ContainsAny(title[:1], "=+-@\t\r") {
			title = "'" + title
		}
		out.Write([]string{strconv.FormatInt(i.ID, 10), title, i.Severity, i.State, i.Created.Format(time.RFC3339)})
	}
	out.Flush()
}

func id(w http.ResponseWriter, r *http.Request) (int64, bool) {
	id, err := strconv.ParseInt(chi.URLParam(r, "id"), 10, 64)
	if err != nil {
		refuse(w, map[string]string{"id": "must be an integer"})
	}
	return id, err == nil
}

func (a *app) get(w http.ResponseWriter, r *http.Request) {
	id, ok := id(w, r)
	if !ok {
		return
	}
	i, ok := a.incidents.ByID(id)
	if !ok {
		fail(w, http.StatusNotFound, "no such incident")
		return
	}
	write(w, 200, i)
}

func (a *app) create(w http.ResponseWriter, r *http.Request) {
	var input struct{ Title, Severity string }
	if !bind(w, r, &input) {
		return
	}
	problems := make(map[string]string)
	if length := utf8.RuneCountInString(input.Title); length == 0 || length > 200 {
		problems["title"] = "must have 1 to 200 characters"
	}
	if !slices.Contains(domain.Severities, input.Severity) {
		problems["severity"] = oneOf(domain.Severities)
	}
	if len(problems) > 0 {
		refuse(w, problems)
		return
	}
	write(w, http.StatusCreated, a.incidents.Add(domain.Incident{
		Title: input.Title, Severity: input.Severity, State: "open",
		Created: time.Now().UTC().Truncate(time.Second), Updates: []domain.Update{}, Files: []string{},
	}))
}

func (a *app) update(w http.ResponseWriter, r *http.Request) {
	id, ok := id(w, r)
	var input struct{ Text, State string }
	if !ok || !bind(w, r, &input) {
		return
	}
	problems := make(map[string]string)
	if input.Text == "" {
		problems["text"] = "is required"
	}
	if input.State != "" && !slices.Contains(domain.States, input.State) {
		problems["state"] = oneOf(domain.States)
	}
	if len(problems) > 0 {
		refuse(w, problems)
		return
	}
	i, ok := a.incidents.Edit(id, func(i *domain.Incident) {
		added := domain.Update{Text: input.Text, User: a.sessions.User(r), At: time.Now().UTC().Truncate(time.Second)}
		i.Updates = append(slices.Clip(i.Updates), added)
		if input.State != "" {
			i.State = input.State
		}
	})
	if !ok {
		fail(w, http.StatusNotFound, "no such incident")
		return
	}
	write(w, http.StatusCreated, i)
}

func (a *app) remove(w http.ResponseWriter, r *http.Request) {
	id, ok := id(w, r)
	if !ok {
		return
	}
	if !a.incidents.Delete(id) {
		fail(w, http.StatusNotFound, "no such incident")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

const maxFile = 5 << 20

func (a *app) upload(w http.ResponseWriter, r *http.Request) {
	id, ok := id(w, r)
	if !ok {
		return
	}
	if _, ok := a.incidents.ByID(id); !ok {
		fail(w, http.StatusNotFound, "no such incident")
		return
	}
	http.NewResponseController(w).SetReadDeadline(time.Now().Add(2 * time.Minute))
	r.Body = http.MaxBytesReader(w, r.Body, maxFile+64<<10)
	form, err := r.MultipartReader()
	if err != nil {
		fail(w, http.StatusUnsupportedMediaType, "the Content-Type must be multipart/form-data")
		return
	}
	name, status, err := a.store(form)
	if err != nil {
		fail(w, status, err.Error())
		return
	}
	_, ok = a.incidents.Edit(id, func(i *domain.Incident) { i.Files = append(slices.Clip(i.Files), name) })
	if !ok {
		os.Remove(filepath.Join(a.dir, name))
		fail(w, http.StatusNotFound, "no such incident")
		return
	}
	write(w, http.StatusCreated, map[string]string{"file": name})
}

// store stores the file of a form. If it fails, it leaves nothing.
func (a *app) store(form *multipart.Reader) (name string, status int, err error) {
	for {
		part, err := form.NextPart()
		if err != nil {
			return "", http.StatusBadRequest, errors.New("the form has no file")
		}
		if part.FormName() != "file" {
			continue
		}
		head := make([]byte, 512)
		n, err := io.ReadFull(part, head)
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return "", http.StatusBadRequest, errors.New("the form is incomplete")
		}
		if media := http.DetectContentType(head[:n]); !slices.Contains([]string{"image/png", "image/jpeg", "application/pdf"}, media) {
			return "", http.StatusUnsupportedMediaType, fmt.Errorf("the file is of type %s", media)
		}
		name = rand.Text()
		path := filepath.Join(a.dir, name)
		file, err := os.OpenFile(path+".part", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			slog.Error("upload failed", "error", err)
			return "", http.StatusInternalServerError, errors.New("failed to store the file")
		}
		defer os.Remove(path + ".part")
		_, err = file.Write(head[:n])
		written, copyErr := io.Copy(file, io.LimitReader(part, maxFile-int64(n)+1))
		switch err := errors.Join(err, file.Close()); {
		case int64(n)+written > maxFile:
			return "", http.StatusRequestEntityTooLarge, errors.New("the file is larger than 5 MiB")
		case copyErr != nil:
			return "", http.StatusBadRequest, errors.New("the form is incomplete")
		case err != nil:
			slog.Error("upload failed", "error", err)
			return "", http.StatusInternalServerError, errors.New("failed to store the file")
		}
		if err := os.Rename(path+".part", path); err != nil {
			slog.Error("upload failed", "error", err)
			return "", http.StatusInternalServerError, errors.New("failed to store the file")
		}
		return name, 0, nil
	}
}

func (a *app) download(w http.ResponseWriter, r *http.Request) {
	id, ok := id(w, r)
	if !ok {
		return
	}
	name := chi.URLParam(r, "file")
	if i, _ := a.incidents.ByID(id); !slices.Contains(i.Files, name) {
		fail(w, http.StatusNotFound, "no such file")
		return
	}
	w.Header().Set("Content-Disposition", "attachment")
	http.ServeFile(w, r, filepath.Join(a.dir, name))
}

var upgrader websocket.Upgrader

type message struct {
	User string    `json:"user"`
	Text string    `json:"text"`
	At   time.Time `json:"at"`
}

func (a *app) chat(w http.ResponseWriter, r *http.Request) {
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	conn.SetReadLimit(4 << 10)
	past, later, gap, stop := a.messages.Follow(r.URL.Query().Get("after"))
	go a.send(conn, past[max(0, len(past)-50):], later, gap)
	defer stop()
	conn.SetReadDeadline(time.Now().Add(90 * time.Second))
	conn.SetPongHandler(func(string) error { return conn.SetReadDeadline(time.Now().Add(90 * time.Second)) })
	for {
		var input struct{ Text string }
		if conn.ReadJSON(&input) != nil {
			return
		}
		if text := strings.TrimSpace(input.Text); text != "" {
			a.messages.Publish("said", message{a.sessions.User(r), text, time.Now().UTC().Truncate(time.Second)})
		}
	}
}

// send sends the messages to a connection until it ends.
func (a *app) send(conn *websocket.Conn, past []byhand.Event, later chan byhand.Event, gap bool) {
	defer conn.Close()
	write := func(v any) bool {
		conn.SetWriteDeadline(time.Now().Add(30 * time.Second))
		return conn.WriteJSON(v) == nil
	}
	if gap && !write(map[string]string{"event": "gap"}) {
		return
	}
	event := func(e byhand.Event) any { return map[string]any{"id": e.ID, "event": e.Name, "data": e.Data} }
	for _, e := range past {
		if !write(event(e)) {
			return
		}
	}
	ping := time.NewTicker(30 * time.Second)
	defer ping.Stop()
	for {
		select {
		case e, ok := <-later:
			if !ok || !write(event(e)) {
				return
			}
		case <-ping.C:
			if conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(10*time.Second)) != nil {
				return
			}
		case <-a.messages.Stopping.Done():
			conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseGoingAway, ""), time.Now().Add(time.Second))
			return
		}
	}
}

// page serves the files of the site, or its page.
func (a *app) page(w http.ResponseWriter, r *http.Request) {
	if r.Method != "GET" && r.Method != "HEAD" {
		fail(w, http.StatusMethodNotAllowed, "method not allowed")
		return
	}
	files, err := fs.Sub(site, "site")
	if err != nil {
		fail(w, 500, "internal server error")
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	if info, err := fs.Stat(files, name); err != nil || info.IsDir() {
		if name = "index.html"; filepath.Ext(r.URL.Path) != "" {
			fail(w, http.StatusNotFound, "not found")
			return
		}
	}
	w.Header().Set("Cache-Control", "no-cache")
	http.ServeFileFS(w, r, files, name)
}
