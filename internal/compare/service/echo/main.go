// Command echo is the service of docs/guide.md, written with echo.
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"embed"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log"
	"log/slog"
	"math"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"
	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"
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
	e := echo.New()
	e.Logger = logger
	e.HTTPErrorHandler = respond
	e.Use(middleware.RequestID(), a.observe(logger), middleware.Recover(),
		middleware.GzipWithConfig(middleware.GzipConfig{MinLength: 1024, Skipper: isStream}),
		middleware.SecureWithConfig(middleware.SecureConfig{
			ContentTypeNosniff: "nosniff", XFrameOptions: "DENY", ContentSecurityPolicy: "default-src 'self'",
			ReferrerPolicy: "strict-origin-when-cross-origin",
		}), sameOrigin)
	files, err := fs.Sub(site, "site")
	if err != nil {
		log.Fatal(err)
	}
	e.Use(middleware.StaticWithConfig(middleware.StaticConfig{Root: ".", Filesystem: files, HTML5: true, Skipper: func(c *echo.Context) bool {
		return strings.HasPrefix(c.Request().URL.Path, "/api/")
	}}))
	api := e.Group("/api")
	api.RouteNotFound("/*", func(*echo.Context) error { return echo.NewHTTPError(http.StatusNotFound, "no such endpoint") })
	api.POST("/login", a.login, middleware.BodyLimit(4<<10))
	api.POST("/logout", a.logout)
	api.GET("/incidents", a.list)
	api.GET("/incidents.csv", a.export)
	api.GET("/incidents/:id", a.get)
	api.GET("/incidents/:id/files/:file", a.download)
	api.GET("/live", echo.WrapHandler(a.changes))
	// The middleware of a group also runs for its unknown paths.
	user := a.requireUser
	api.GET("/me", func(c *echo.Context) error {
		return c.JSON(200, map[string]string{"user": a.sessions.User(c.Request())})
	}, user)
	api.POST("/incidents", a.create, middleware.BodyLimit(64<<10), user)
	api.POST("/incidents/:id/updates", a.update, middleware.BodyLimit(64<<10), user)
	api.DELETE("/incidents/:id", a.remove, user)
	api.POST("/incidents/:id/files", a.upload, user)
	api.GET("/chat", a.chat, user)
	return e
}

func isStream(c *echo.Context) bool { return c.Path() == "/api/live" || c.Path() == "/api/chat" }

func (a *app) operations(draining *atomic.Bool) http.Handler {
	e := echo.New()
	e.GET("/ready", func(c *echo.Context) error {
		if draining.Load() {
			return c.JSON(http.StatusServiceUnavailable, map[string]string{"error": "server is stopping"})
		}
		return c.JSON(200, map[string]string{"status": "ready"})
	})
	e.GET("/metrics", echo.WrapHandler(promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{})))
	return e
}

// observe logs requests, and records the durations of those that are not streams.
func (a *app) observe(logger *slog.Logger) echo.MiddlewareFunc {
	return middleware.RequestLoggerWithConfig(middleware.RequestLoggerConfig{
		LogMethod: true, LogURIPath: true, LogStatus: true, LogLatency: true, LogRequestID: true, LogRoutePath: true, LogRemoteIP: true,
		HandleError: true,
		LogValuesFunc: func(c *echo.Context, v middleware.RequestLoggerValues) error {
			attrs := []any{"method", v.Method, "path", v.URIPath, "status", v.Status, "duration", v.Latency, "request_id", v.RequestID, "pattern", v.RoutePath, "remote_ip", v.RemoteIP}
			if user := a.sessions.User(c.Request()); user != "" {
				attrs = append(attrs, "user", user)
			}
			logger.Info("http request", attrs...)
			if !isStream(c) {
				a.requests.WithLabelValues(v.Method, v.RoutePath, strconv.Itoa(v.Status/100)+"xx").Observe(v.Latency.Seconds())
			}
			return nil
		},
	})
}

// problems are the mistakes in the fields of the input.
type problems map[string]string

func (p problems) Error() string {
	var texts []string
	for field, problem := range p {
		texts = append(texts, field+": "+problem)
	}
	slices.Sort(texts)
	return strings.Join(texts, "; ")
}

// err returns p as an error, or nil if it is empty.
func (p problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return p
}

// respond responds to the errors of handlers.
func respond(c *echo.Context, err error) {
	if response, _ := echo.UnwrapResponse(c.Response()); response != nil && response.Committed {
		return
	}
	status, body := http.StatusInternalServerError, map[string]any{"error": "internal server error"}
	var coder echo.HTTPStatusCoder
	var httpError *echo.HTTPError
	if p, ok := errors.AsType[problems](err); ok {
		status, body = http.StatusBadRequest, map[string]any{"error": p.Error(), "fields": p}
	} else if errors.As(err, &httpError) {
		status, body["error"] = httpError.Code, cmp.Or(httpError.Message, strings.ToLower(http.StatusText(httpError.Code)))
	} else if errors.As(err, &coder) && coder.StatusCode() < 500 {
		status, body["error"] = coder.StatusCode(), strings.ToLower(http.StatusText(coder.StatusCode()))
	}
	if status >= 500 {
		c.Logger().Error("request failed", "error", err)
	}
	if err := c.JSON(status, body); err != nil {
		c.Logger().Error("no response", "error", err)
	}
}

func sameOrigin(next echo.HandlerFunc) echo.HandlerFunc {
	protection := http.NewCrossOriginProtection()
	return func(c *echo.Context) error {
		if protection.Check(c.Request()) != nil {
			return echo.NewHTTPError(http.StatusForbidden, "cross-origin request")
		}
		return next(c)
	}
}

func (a *app) requireUser(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c *echo.Context) error {
		if a.sessions.User(c.Request()) == "" {
			return echo.NewHTTPError(http.StatusUnauthorized, "please log in")
		}
		return next(c)
	}
}

// bind decodes a JSON body. Unknown fields are accepted.
func bind(c *echo.Context, dst any) error {
	if err := echo.BindBody(c, dst); err != nil {
		return err
	}
	if v, ok := dst.(interface{ validate() error }); ok {
		return v.validate()
	}
	return nil
}

func (a *app) login(c *echo.Context) error {
	var input struct {
		User     string `json:"user"`
		Password string `json:"password"`
	}
	if !strings.HasPrefix(c.Request().Header.Get("Content-Type"), "application/json") {
		return echo.NewHTTPError(http.StatusUnsupportedMediaType, "the Content-Type must be application/json")
	}
	if err := bind(c, &input); err != nil {
		return err
	}
	wait, ok := a.attempts.Allow(input.User)
	if !ok {
		c.Response().Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
		return echo.NewHTTPError(http.StatusTooManyRequests, "too many failed attempts")
	}
	if !domain.PasswordIsRight(input.User, input.Password) {
		return echo.NewHTTPError(http.StatusUnauthorized, "wrong user or password")
	}
	a.attempts.Refund(input.User)
	c.SetCookie(a.sessions.Add(input.User))
	return c.NoContent(http.StatusNoContent)
}

func (a *app) logout(c *echo.Context) error {
	a.sessions.Delete(c.Request())
	c.SetCookie(byhand.Cookie("", -1))
	return c.NoContent(http.StatusNoContent)
}

func oneOf(values []string) string { return "must be one of " + strings.Join(values, ", ") }

func (a *app) list(c *echo.Context) error {
	p := problems{}
	q := domain.Query{State: c.QueryParam("state"), Column: "id", Descending: c.QueryParam("order") != "asc", Limit: 20}
	if q.State != "" && !slices.Contains(domain.States, q.State) {
		p["state"] = oneOf(domain.States)
	}
	if text := c.QueryParam("severity"); text != "" {
		q.Severity = strings.Split(text, ",")
	}
	for _, severity := range q.Severity {
		if !slices.Contains(domain.Severities, severity) {
			p["severity"] = oneOf(domain.Severities)
		}
	}
	var err error
	if q.Since, err = echo.QueryParamOr(c, "since", time.Time{}, echo.TimeOpts{Layout: time.RFC3339}); err != nil {
		p["since"] = "must be a time such as 2006-01-02T15:04:05Z"
	}
	if c.QueryParam("sort") == "created" {
		q.Column = "created"
	}
	if n, err := strconv.Atoi(c.QueryParam("limit")); err == nil {
		q.Limit = max(1, min(n, 100))
	}
	if n, err := strconv.Atoi(c.QueryParam("offset")); err == nil {
		q.Offset = max(0, n)
	}
	if err := p.err(); err != nil {
		return err
	}
	found, total := a.incidents.Find(q)
	return c.JSON(200, map[string]any{"incidents": found, "total": total})
}

func (a *app) export(c *echo.Context) error {
	all, _ := a.incidents.Find(domain.Query{Limit: 1e6})
	c.Response().Header().Set("Content-Type", "text/csv; charset=utf-8")
	c.Response().Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=incidents-%s.csv", time.Now().UTC().Format("20060102")))
	out := csv.NewWriter(c.Response())
	out.Write([]string{"id", "title", "severity", "state", "created"})
	for _, i := range all {
		title := i.Title
		if strings.ContainsAny(title[:1], "=+-@\t\r") {
			title = "'" + title
		}
		out.Write([]string{strconv.FormatInt(i.ID, 10), title, i.Severity, i.State, i.Created.Format(time.RFC3339)})
	}
	out.Flush()
	return out.Error()
}

// idOf returns the ID of the path.
func idOf(c *echo.Context) (int64, error) {
	id, err := echo.PathParam[int64](c, "id")
	if err != nil {
		return 0, problems{"id": "must be an integer"}
	}
	return id, nil
}

var errNoIncident = echo.NewHTTPError(http.StatusNotFound, "no such incident")

func (a *app) get(c *echo.Context) error {
	id, err := idOf(c)
	if err != nil {
		return err
	}
	i, ok := a.incidents.ByID(id)
	if !ok {
		return errNoIncident
	}
	return c.JSON(200, i)
}

type newIncident struct {
	Title    string `json:"title"`
	Severity string `json:"severity"`
}

func (n *newIncident) validate() error {
	p := problems{}
	if length := utf8.RuneCountInString(n.Title); length == 0 || length > 200 {
		p["title"] = "must have 1 to 200 characters"
	}
	if !slices.Contains(domain.Severities, n.Severity) {
		p["severity"] = oneOf(domain.Severities)
	}
	return p.err()
}

func (a *app) create(c *echo.Context) error {
	var input newIncident
	if err := bind(c, &input); err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, a.incidents.Add(domain.Incident{
		Title: input.Title, Severity: input.Severity, State: "open",
		Created: time.Now().UTC().Truncate(time.Second), Updates: []domain.Update{}, Files: []string{},
	}))
}

type newUpdate struct {
	Text  string `json:"text"`
	State string `json:"state"`
}

func (n *newUpdate) validate() error {
	p := problems{}
	if n.Text == "" {
		p["text"] = "is required"
	}
	if n.State != "" && !slices.Contains(domain.States, n.State) {
		p["state"] = oneOf(domain.States)
	}
	return p.err()
}

func (a *app) update(c *echo.Context) error {
	id, err := idOf(c)
	if err != nil {
		return err
	}
	var input newUpdate
	if err := bind(c, &input); err != nil {
		return err
	}
	i, ok := a.incidents.Edit(id, func(i *domain.Incident) {
		added := domain.Update{Text: input.Text, User: a.sessions.User(c.Request()), At: time.Now().UTC().Truncate(time.Second)}
		i.Updates = append(slices.Clip(i.Updates), added)
		if input.State != "" {
			i.State = input.State
		}
	})
	if !ok {
		return errNoIncident
	}
	return c.JSON(http.StatusCreated, i)
}

func (a *app) remove(c *echo.Context) error {
	id, err := idOf(c)
	if err != nil {
		return err
	}
	if !a.incidents.Delete(id) {
		return errNoIncident
	}
	return c.NoContent(http.StatusNoContent)
}

const maxFile = 5 << 20

func (a *app) upload(c *echo.Context) error {
	id, err := idOf(c)
	if err != nil {
		return err
	}
	if _, ok := a.incidents.ByID(id); !ok {
		return errNoIncident
	}
	r := c.Request()
	_ = http.NewResponseController(c.Response()).SetReadDeadline(time.Now().Add(2 * time.Minute)) // or not supported
	r.Body = http.MaxBytesReader(c.Response(), r.Body, maxFile+64<<10)
	form, err := r.MultipartReader()
	if err != nil {
		return echo.NewHTTPError(http.StatusUnsupportedMediaType, "the Content-Type must be multipart/form-data")
	}
	name, err := a.store(form)
	if err != nil {
		return err
	}
	_, ok := a.incidents.Edit(id, func(i *domain.Incident) { i.Files = append(slices.Clip(i.Files), name) })
	if !ok {
		return errors.Join(errNoIncident, os.Remove(filepath.Join(a.dir, name)))
	}
	return c.JSON(http.StatusCreated, map[string]string{"file": name})
}

// store stores the file of a form. If it fails, it leaves nothing.
func (a *app) store(form *multipart.Reader) (name string, err error) {
	for {
		part, err := form.NextPart()
		if err != nil {
			return "", echo.NewHTTPError(http.StatusBadRequest, "the form has no file")
		}
		if part.FormName() != "file" {
			continue
		}
		head := make([]byte, 512)
		n, err := io.ReadFull(part, head)
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return "", echo.NewHTTPError(http.StatusBadRequest, "the form is incomplete")
		}
		if media := http.DetectContentType(head[:n]); !slices.Contains([]string{"image/png", "image/jpeg", "application/pdf"}, media) {
			return "", echo.NewHTTPError(http.StatusUnsupportedMediaType, "the file is of type "+media)
		}
		name = rand.Text()
		path := filepath.Join(a.dir, name)
		file, err := os.OpenFile(path+".part", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return "", err
		}
		defer os.Remove(path + ".part")
		_, err = file.Write(head[:n])
		written, copyErr := io.Copy(file, io.LimitReader(part, maxFile-int64(n)+1))
		switch err := errors.Join(err, file.Close()); {
		case int64(n)+written > maxFile:
			return "", echo.NewHTTPError(http.StatusRequestEntityTooLarge, "the file is larger than 5 MiB")
		case copyErr != nil:
			return "", echo.NewHTTPError(http.StatusBadRequest, "the form is incomplete")
		case err != nil:
			return "", err
		}
		return name, os.Rename(path+".part", path)
	}
}

func (a *app) download(c *echo.Context) error {
	id, err := idOf(c)
	if err != nil {
		return err
	}
	name := c.Param("file")
	if i, _ := a.incidents.ByID(id); !slices.Contains(i.Files, name) {
		return echo.NewHTTPError(http.StatusNotFound, "no such file")
	}
	c.Response().Header().Set("Content-Disposition", "attachment")
	http.ServeFile(c.Response(), c.Request(), filepath.Join(a.dir, name))
	return nil
}

var upgrader websocket.Upgrader

type message struct {
	User string    `json:"user"`
	Text string    `json:"text"`
	At   time.Time `json:"at"`
}

func (a *app) chat(c *echo.Context) error {
	r := c.Request()
	conn, err := upgrader.Upgrade(c.Response(), r, nil)
	if err != nil {
		return nil // Upgrade has responded
	}
	conn.SetReadLimit(4 << 10)
	past, later, gap, stop := a.messages.Follow(c.QueryParam("after"))
	go a.send(conn, past[max(0, len(past)-50):], later, gap)
	defer stop()
	conn.SetReadDeadline(time.Now().Add(90 * time.Second))
	conn.SetPongHandler(func(string) error { return conn.SetReadDeadline(time.Now().Add(90 * time.Second)) })
	for {
		var input struct{ Text string }
		if conn.ReadJSON(&input) != nil {
			return nil
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
