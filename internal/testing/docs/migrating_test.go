package docs

import (
	"context"
	"errors"
	"fmt"
	nethttp "net/http"
	"os"
	"strings"
	"testing"

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
			id, ok := http.PathParamInt64(w, r, "id")
			if !ok {
				return
			}
			http.WriteJSON(w, http.StatusOK, map[string]int64{"id": id})
		})
		server := newServer(router, http.WithAddr(":8080"))
		if err := server.Run(context.Background()); err != nil {
			log.Fatal(err)
		}
		//snippet:end
	}, func(url string) {
		testkit.Get(t, client(t), url+"/users/7").Want(t, 200, `{"id":7}`)
		if got := testkit.Get(t, client(t), url+"/users/x"); got.StatusCode != 400 {
			t.Errorf("got %d %s", got.StatusCode, got.Body)
		}
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
	profiler := says("profiler")
	s := newSite(t)
	newServer := s.newServer
	s.during(t, func() {
		//snippet:begin docs/migrating.md
		router := http.NewRouter()
		router.Use(
			http.RequestID(http.RequestIDConfig{}),
			http.RequestLogger(logger),
			http.Compress(http.CompressConfig{Level: 5}),
			http.Recovery(onPanic),
		)
		router.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, r *http.Request) {
			w.Write([]byte(http.PathParam(r, "id")))
		})
		admin := router.Group("/admin")
		admin.Use(requireAdmin)
		admin.HandleFunc("GET /stats", stats)
		router.Handle("/debug/", profiler)
		newServer(router, http.WithAddr(":8080")).Run(context.Background())
		//snippet:end
	}, func(url string) {
		user := testkit.Get(t, client(t), url+"/users/a%20b")
		user.Want(t, 200, "a b")
		if len(user.Header.Get("X-Request-Id")) != 36 {
			t.Errorf("the header is %v", user.Header)
		}
		testkit.Get(t, client(t), url+"/admin/stats").Want(t, 401, `{"error":"admin required"}`)
		testkit.Get(t, client(t), url+"/admin/stats", "Authorization: admin").Want(t, 200, "stats")
		testkit.Get(t, client(t), url+"/debug/pprof").Want(t, 200, "profiler")
	})
}

func TestProgramInPlaceOfGorilla(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := errors.Join(os.Mkdir("dist", 0o777), os.WriteFile("dist/app.js", []byte("export {};\n"), 0o666)); err != nil {
		t.Fatal(err)
	}
	logger := (&console{t: t}).logger()
	s := newSite(t)
	newServer := s.newServer
	s.during(t, func() {
		//snippet:begin docs/migrating.md
		router := http.NewRouter()
		router.Use(http.RequestLogger(logger), http.Compress(http.CompressConfig{}))
		router.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, r *http.Request) {
			id, ok := http.PathParamInt64(w, r, "id")
			if !ok {
				return
			}
			fmt.Fprint(w, id)
		})
		admin := router.Group("/admin")
		admin.Use(requireAdmin)
		admin.HandleFunc("GET /stats", stats)
		router.Handle("GET /assets/", http.StripPrefix("/assets/", http.FileServer(http.Dir("dist"))))
		newServer(router, http.WithAddr(":8080")).Run(context.Background())
		//snippet:end
	}, func(url string) {
		testkit.Get(t, client(t), url+"/users/7").Want(t, 200, "7")
		testkit.Get(t, client(t), url+"/admin/stats").Want(t, 401, `{"error":"admin required"}`)
		testkit.Get(t, client(t), url+"/admin/stats", "Authorization: admin").Want(t, 200, "stats")
		testkit.Get(t, client(t), url+"/assets/app.js").Want(t, 200, "export {};\n")
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
	t.Chdir(t.TempDir())
	if err := errors.Join(os.Mkdir("dist", 0o777), os.WriteFile("dist/index.html", []byte("<p>index"), 0o666)); err != nil {
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
		router.HandleFunc("POST /users/{org}", func(w http.ResponseWriter, r *http.Request) {
			var user User
			if !http.BindJSON(w, r, &user) {
				return
			}
			if err := save(r.Context(), http.PathParam(r, "org"), user); err != nil {
				http.WriteError(w, http.StatusConflict, "name is taken")
				return
			}
			http.WriteJSON(w, http.StatusCreated, user)
		})
		admin := router.Group("/admin")
		admin.Use(requireAdmin)
		admin.HandleFunc("GET /stats", stats)
		router.Handle("GET /{path...}", http.Static(os.DirFS("dist")))
		newServer(router, http.WithAddr(":8080")).Run(context.Background())
		//snippet:end
	}, func(url string) {
		testkit.Do(t, client(t), testkit.NewRequest("POST", url+"/users/acme", `{"id":7,"name":"Ada"}`)).Want(t, 201, `{"id":7,"name":"Ada"}`)
		testkit.Do(t, client(t), testkit.NewRequest("POST", url+"/users/acme", `{"name":"taken"}`)).Want(t, 409, `{"error":"name is taken"}`)
		if got := testkit.Do(t, client(t), testkit.NewRequest("POST", url+"/users/acme", `{"name":`)); got.StatusCode != 400 {
			t.Errorf("got %d %s", got.StatusCode, got.Body)
		}
		testkit.Get(t, client(t), url+"/admin/stats").Want(t, 401, `{"error":"admin required"}`)
		testkit.Get(t, client(t), url+"/admin/stats", "Authorization: admin").Want(t, 200, "stats")
		testkit.Get(t, client(t), url+"/client/route").Want(t, 200, "<p>index")
	})
	if saved != "acme/Ada" {
		t.Errorf("saved %q", saved)
	}
}

var errNotFound = errors.New("not found")

func TestHandlersThatReturnErrors(t *testing.T) {
	log := &console{t: t}
	router := http.NewRouter()
	router.Use(http.RequestLogger(log.logger()))
	find := func(id string) (string, error) {
		errs := map[string]error{"2": fmt.Errorf("user 2: %w", errNotFound), "3": errors.New("disk on fire")}
		return "Ada", errs[id]
	}
	//snippet:begin docs/migrating.md
	getUser := func(w http.ResponseWriter, r *http.Request) error {
		user, err := find(r.PathValue("id"))
		if errors.Is(err, errNotFound) {
			return http.Errorf(http.StatusNotFound, "no such user: %w", err)
		}
		if err != nil {
			return err // logged; the client gets 500
		}
		http.WriteJSON(w, http.StatusOK, user)
		return nil
	}
	router.Handle("GET /users/{id}", http.HandlerErrorFunc(getUser))
	//snippet:end
	testkit.Serve(t, router, "GET", "/users/1", "").Want(t, 200, `"Ada"`)
	testkit.Serve(t, router, "GET", "/users/2", "").Want(t, 404, `{"error":"no such user"}`)
	testkit.Serve(t, router, "GET", "/users/3", "").Want(t, 500, `{"error":"internal server error"}`)
	if !strings.Contains(log.String(), "disk on fire") {
		t.Errorf("the log:\n%s", log)
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
			id, ok := http.PathParamInt64(w, r, "id")
			if !ok {
				return
			}
			http.WriteJSON(w, http.StatusOK, map[string]any{"id": id, "view": http.QueryParamOr(r, "view", "table")})
		})
		router.HandleFunc("POST /users", func(w http.ResponseWriter, r *http.Request) {
			var user User
			if !http.BindJSON(w, r, &user) {
				return
			}
			http.WriteJSON(w, http.StatusCreated, user)
		})
		admin := router.Group("/admin")
		admin.Use(requireAdmin)
		admin.HandleFunc("GET /stats", stats)
		newServer(router, http.WithAddr(":8080")).Run(context.Background())
		//snippet:end
	}, func(url string) {
		testkit.Get(t, client(t), url+"/users/7").Want(t, 200, `{"id":7,"view":"table"}`)
		testkit.Get(t, client(t), url+"/users/7?view=list").Want(t, 200, `{"id":7,"view":"list"}`)
		testkit.Do(t, client(t), testkit.NewRequest("POST", url+"/users", `{"id":7,"name":"Ada"}`)).Want(t, 201, `{"id":7,"name":"Ada"}`)
		testkit.Get(t, client(t), url+"/admin/stats").Want(t, 401, `{"error":"admin required"}`)
		testkit.Get(t, client(t), url+"/admin/stats", "Authorization: admin").Want(t, 200, "stats")
	})
}
