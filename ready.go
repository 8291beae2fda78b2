package http

import "github.com/stanza-go/framework/pkg/http/internal/response"

// ReadyHandler returns a handler for the readiness probe of a load balancer or of
// Kubernetes. It responds with 200 and {"status":"ready"} while the [Server] that
// the request came through serves. From the moment that [Server.Stop] is called, or
// that [Server.Run] or [Run] begins to stop the server, it responds with 503 and
// {"error":"server is stopping"}. With [WithDrainDelay], the load balancer then has
// time to notice.
//
// It does not serve a liveness probe: a server that is stopping must not be restarted.
//
// Responses have Cache-Control: no-store. If the request did not come through a
// Server, for example because the handler runs in a plain [net/http.Server], the
// response is always 200.
func ReadyHandler() Handler { return readyHandler{} }

// A readyHandler is the handler of [ReadyHandler].
type readyHandler struct{}

// ServeHTTP implements [Handler].
func (readyHandler) ServeHTTP(w ResponseWriter, r *Request) {
	w.Header().Set("Cache-Control", "no-store")
	if response.Stopping(r.Context()) {
		// WriteError would remove Cache-Control.
		WriteJSON(w, StatusServiceUnavailable, map[string]string{"error": "server is stopping"})
		return
	}
	WriteJSON(w, StatusOK, map[string]string{"status": "ready"})
}
