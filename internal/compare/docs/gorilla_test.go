package docs

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/gorilla/handlers"
	"github.com/gorilla/mux"
	"github.com/gorilla/websocket"

	"github.com/stanza-go/framework/pkg/http/internal/testing/migration"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

func TestGorilla(t *testing.T) {
	migration.Prepare(t)
	port8080 := testkit.FreeAddress(t)
	go func() {
		//snippet:begin docs/migrating.md
		r := mux.NewRouter()
		r.Use(handlers.CompressHandler)
		r.HandleFunc("/users/{id:[0-9]+}", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, mux.Vars(r)["id"])
		}).Methods("GET")
		admin := r.PathPrefix("/admin").Subrouter()
		admin.Use(requireAdmin)
		admin.HandleFunc("/stats", stats).Methods("GET")
		r.PathPrefix("/assets/").Handler(http.StripPrefix("/assets/", http.FileServer(http.Dir("dist"))))
		http.ListenAndServe(port8080, handlers.LoggingHandler(os.Stdout, r))
		//snippet:end
	}()
	migration.CheckOriginal(t, port8080, migration.Gorilla)
}

func TestGorillaWebSocket(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		//snippet:begin docs/migrating.md
		upgrader := websocket.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 1024}
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		conn.SetReadLimit(4096)
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
	}))
	defer srv.Close()
	conn, _, err := websocket.DefaultDialer.Dial(strings.Replace(srv.URL, "http", "ws", 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.WriteMessage(websocket.TextMessage, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, got, err := conn.ReadMessage(); err != nil || string(got) != "hello" {
		t.Errorf("got %q, %v", got, err)
	}
	if err := conn.WriteMessage(websocket.TextMessage, make([]byte, 4097)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseMessageTooBig) {
		t.Errorf("%v, want close code 1009", err)
	}
}
