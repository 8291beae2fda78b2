package prelude

import (
	"fmt"
	"net/http"
	"os"

	"github.com/gorilla/handlers"
	"github.com/gorilla/mux"
	"github.com/gorilla/websocket"
)

func requireAdmin(next http.Handler) http.Handler { return next }

func stats(w http.ResponseWriter, r *http.Request) {}

var _ = []any{fmt.Sprint, os.Stdout, handlers.CORS, mux.Vars, websocket.TextMessage}
