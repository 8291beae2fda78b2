package docs

import (
	"encoding/json"
	"strconv"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/testing/migration"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

//snippet:begin docs/migrating.md

import "net/http"

//snippet:end

// A fatal replaces package log.
type fatal struct{ t *testing.T }

// Fatal fails the test.
func (f fatal) Fatal(a ...any) { f.t.Error(a...) }

func TestNetHTTP(t *testing.T) {
	t.Parallel()
	port8080, log := testkit.FreeAddress(t), fatal{t}
	logged := func(next http.Handler) http.Handler { return next }
	go func() {
		//snippet:begin docs/migrating.md
		mux := http.NewServeMux()
		mux.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, r *http.Request) {
			id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
			if err != nil {
				http.Error(w, "bad id", http.StatusBadRequest)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			json.NewEncoder(w).Encode(map[string]int64{"id": id})
		})
		server := &http.Server{Addr: port8080, Handler: logged(mux), ReadHeaderTimeout: 5 * time.Second}
		log.Fatal(server.ListenAndServe())
		//snippet:end
	}()
	migration.CheckOriginal(t, port8080, migration.NetHTTP)
}
