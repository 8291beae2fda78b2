package docs

import (
	"context"
	"errors"
	"fmt"
	nethttp "net/http"
	_ "net/http/pprof"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/testing/migration"
	"github.com/stanza-go/framework/pkg/http/internal/testing/snippet"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

//snippet:begin docs/migrating.md

import "github.com/stanza-go/framework/pkg/http"

//snippet:end

func TestOldRouterBelowTheNewOne(t *testing.T) {
	t.Parallel()
	oldRouter := nethttp.NewServeMux()
	oldRouter.HandleFunc("GET /old", says("old"))
	router := http.NewRouter()
	router.HandleFunc("GET /new", says("new"))
	//snippet:begin docs/migrating.md
	router.Handle("/", oldRouter) // requests that match no route here
	//snippet:end
	testkit.Serve(t, router, "GET", "/new", "").Want(t, 200, "new")
	testkit.Serve(t, router, "GET", "/old", "").Want(t, 200, "old")
	testkit.Serve(t, router, "GET", "/nope", "").Want(t, 404, "404 page not found\n")
}

// client returns a client with a timeout.
func client(t *testing.T) *http.Client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: testkit.Patience}
}

func TestProgramInPlaceOfNetHTTP(t *testing.T) {
	t.Parallel()
	log := &console{t: t}
	logger := log.logger()
	s := newSite(t)
	newServer := s.newServer
	s.during(t, func() {
		//snippet:begin docs/migrating.md
		router := http.NewRouter()
		router.Use(http.RequestLogger(logger))
		router.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, r *http.Request) {
			if id, ok := http.PathParamAs[int64](w, r, "id"); ok {
				http.WriteJSON(w, http.StatusOK, map[string]int64{"id": id})
			}
		})
		server := newServer(router, http.WithAddr(":8080"))
		if err := server.Run(context.Background()); err != nil {
			log.Fatal(err)
		}
		//snippet:end
	}, func(url string) {
		migration.CheckMigrated(t, url, migration.NetHTTP)
	})
	if text := log.String(); !strings.Contains(text, "path=/users/7 status=200") {
		t.Errorf("the log:\n%s", text)
	}
}

// The remaining programs ignore Run's error, as the programs that they replace
// do.
func TestProgramInPlaceOfChi(t *testing.T) {
	t.Parallel()
	logger := (&console{t: t}).logger()
	onPanic := func(recovered any, stack []byte) {}
	s := newSite(t)
	newServer := s.newServer
	s.during(t, func() {
		//snippet:begin docs/migrating.md
		router := http.NewRouter()
		router.Use(http.RequestID(http.RequestIDConfig{}), http.RequestLogger(logger))
		router.Use(http.Compress(http.CompressConfig{Level: 5}), http.Recovery(onPanic))
		router.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, r *http.Request) {
			w.Write([]byte(http.PathParam(r, "id")))
		})
		admin := router.Group("/admin").With(requireAdmin)
		admin.HandleFunc("GET /stats", stats)
		router.Handle("/debug/", http.DefaultServeMux) // with import _ "net/http/pprof"
		newServer(router, http.WithAddr(":8080")).Run(context.Background())
		//snippet:end
	}, func(url string) {
		user := testkit.Get(t, client(t), url+"/users/a%20b")
		user.Want(t, 200, "a b")
		if len(user.Header.Get("X-Request-Id")) != 36 {
			t.Errorf("the header is %v", user.Header)
		}
		migration.CheckMigrated(t, url, migration.Chi)
	})
}

func TestProgramInPlaceOfGorilla(t *testing.T) {
	migration.Prepare(t)
	logger := (&console{t: t}).logger()
	s := newSite(t)
	newServer := s.newServer
	s.during(t, func() {
		//snippet:begin docs/migrating.md
		router := http.NewRouter()
		router.Use(http.RequestLogger(logger), http.Compress(http.CompressConfig{}))
		router.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, r *http.Request) {
			if id, ok := http.PathParamAs[uint64](w, r, "id"); ok {
				fmt.Fprint(w, id)
			}
		})
		admin := router.Group("/admin").With(requireAdmin)
		admin.HandleFunc("GET /stats", stats)
		router.Mount("/assets", http.FileServer(http.Dir("dist")))
		newServer(router, http.WithAddr(":8080")).Run(context.Background())
		//snippet:end
	}, func(url string) {
		migration.CheckMigrated(t, url, migration.Gorilla)
		testkit.Get(t, client(t), url+"/assets/missing.js").Want(t, 404, "404 page not found\n")
	})
}

func TestWebSocketInPlaceOfGorilla(t *testing.T) {
	inMemory(t, func(w http.ResponseWriter, r *http.Request) {
		//snippet:begin docs/migrating.md
		upgrader := http.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 1024}
		conn, err := upgrader.Upgrade(w, r)
		if err != nil {
			return
		}
		defer conn.Close()
		conn.SetMaxMessageSize(4096)
		for {
			messageType, payload, err := conn.ReadMessage()
			if err != nil {
				return
			}
			if err := conn.WriteMessage(messageType, payload); err != nil {
				return
			}
		}
		//snippet:end
	}, func(t *testing.T, s *memoryServer) {
		client := connect(t, s, nil)
		if err := client.WriteMessage(http.TextMessage, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		wantMessage(t, client, "hello")
		go client.WriteMessage(http.BinaryMessage, make([]byte, 4097)) // fails, because the server stops reading
		var closed *http.CloseError
		if _, _, err := client.ReadMessage(); !errors.As(err, &closed) || closed.Code != http.CloseMessageTooBig {
			t.Errorf("%v, want close code 1009", err)
		}
	})
}

func TestProgramInPlaceOfEcho(t *testing.T) {
	migration.Prepare(t)
	if err := os.WriteFile("dist/index.html", []byte("<p>index"), 0o666); err != nil {
		t.Fatal(err)
	}
	logger := (&console{t: t}).logger()
	onPanic := func(recovered any, stack []byte) {}
	var saved string
	save := func(ctx context.Context, organisation string, user User) error {
		if user.Name == "taken" {
			return errors.New("duplicate key")
		}
		saved = organisation + "/" + user.Name
		return ctx.Err()
	}
	s := newSite(t)
	newServer := s.newServer
	s.during(t, func() {
		//snippet:begin docs/migrating.md
		router := http.NewRouter()
		router.Use(http.RequestLogger(logger), http.Compress(http.CompressConfig{}), http.Recovery(onPanic))
		router.Handle("POST /users/{org}", http.HandlerErrorFunc(func(w http.ResponseWriter, r *http.Request) error {
			var user User
			if err := http.ReadJSON(r, &user); err != nil {
				return err
			}
			if err := save(r.Context(), http.PathParam(r, "org"), user); err != nil {
				return http.Errorf(http.StatusConflict, "name is taken: %w", err)
			}
			http.WriteJSON(w, http.StatusCreated, user)
			return nil
		}))
		admin := router.Group("/admin").With(requireAdmin)
		admin.HandleFunc("GET /stats", stats)
		router.Handle("GET /{path...}", http.Static(os.DirFS("dist")))
		newServer(router, http.WithAddr(":8080")).Run(context.Background())
		//snippet:end
	}, func(url string) {
		migration.CheckMigrated(t, url, migration.Echo)
		testkit.Get(t, client(t), url+"/client/route").Want(t, 200, "<p>index")
	})
	if saved != "acme/Ada" {
		t.Errorf("saved %q", saved)
	}
}

func TestProgramInPlaceOfGin(t *testing.T) {
	t.Parallel()
	logger := (&console{t: t}).logger()
	onPanic := func(recovered any, stack []byte) {}
	s := newSite(t)
	newServer := s.newServer
	s.during(t, func() {
		//snippet:begin docs/migrating.md
		router := http.NewRouter()
		router.Use(http.RequestLogger(logger), http.Recovery(onPanic))
		router.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, r *http.Request) {
			if id, ok := http.PathParamAs[int64](w, r, "id"); ok {
				http.WriteJSON(w, http.StatusOK, map[string]any{"id": id, "view": http.QueryParamOr(r, "view", "table")})
			}
		})
		router.HandleFunc("GET /users", func(w http.ResponseWriter, r *http.Request) {
			var query struct {
				Page int    `query:"page,default=1"`
				Role string `query:"role,required"`
			}
			if http.BindQuery(w, r, &query) {
				http.WriteJSON(w, http.StatusOK, map[string]any{"page": query.Page, "role": query.Role})
			}
		})
		router.HandleFunc("POST /users", func(w http.ResponseWriter, r *http.Request) {
			var user User
			if http.BindJSON(w, r, &user) {
				http.WriteJSON(w, http.StatusCreated, user)
			}
		})
		admin := router.Group("/admin").With(requireAdmin)
		admin.HandleFunc("GET /stats", stats)
		newServer(router, http.WithAddr(":8080")).Run(context.Background())
		//snippet:end
	}, func(url string) {
		migration.CheckMigrated(t, url, migration.Gin)
	})
}

// A row of the table of line counts.
var countsRow = regexp.MustCompile(`(?m)^\| ([^|]+) \| (\d+) \| (\d+) \|$`)

func TestMigratingCountsTheLinesOfItsPrograms(t *testing.T) {
	t.Parallel()
	const document = "docs/migrating.md"
	rows := countsRow.FindAllStringSubmatch(read(t, document), -1)
	var original snippet.Block // whose migrated program has not been found yet
	for _, b := range documented(t) {
		switch {
		case b.Document != document || b.Language != "go" || linesOfCode(b.Code) == 1:
		case b.Label != "":
			original = b
		case original.Label != "":
			if len(rows) == 0 {
				t.Fatalf("%s:%d: no row counts the lines of this program", document, b.Line)
			}
			name, want := rows[0][1], rows[0][2]+" and "+rows[0][3]
			if got := fmt.Sprint(linesOfCode(original.Code), " and ", linesOfCode(b.Code)); got != want || !strings.HasPrefix(name, original.Label) {
				t.Errorf("%s: the programs for %s have %s lines; the row for %s has %s", document, original.Label, got, name, want)
			}
			original, rows = snippet.Block{}, rows[1:]
		}
	}
	for _, row := range rows {
		t.Errorf("%s: no programs for the row of %s", document, row[1])
	}
}

// linesOfCode returns the number of lines without those that are empty or a comment.
func linesOfCode(code string) (n int) {
	for line := range strings.Lines(code) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
			n++
		}
	}
	return n
}
