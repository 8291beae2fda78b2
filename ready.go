package http

import "github.com/stanza-go/framework/pkg/http/internal/response"

// ReadyHandler returns a handler for the readiness probe of a load balancer or of
// Kubernetes. It responds with status 200 and {"status":"ready"}. Once the [Server] that
// received the request is stopping, because [Server.Stop] was called or because
// [Server.Run] or [Run] stops it, the handler responds with status 503 and
// {"error":"server is stopping"}. Set [WithDrainDelay], so that the load balancer has time
// to notice.
//
// Do not use the handler for a liveness probe, because a server that is stopping must not
// be restarted.
//
// Responses have Cache-Control: no-store. The exception is a 503 response in the form set
// by [Router.ErrorForm]; caches do not store it either, because of its status. If the
// request did not come through a Server, for example because the handler runs in a plain
// [net/http.Server], the response is always 200.
func ReadyHandler() Handler { return readyHandler{} }

// A readyHandler is the handler of [ReadyHandler].
type readyHandler struct{}

// ServeHTTP implements [Handler].
func (readyHandler) ServeHTTP(w ResponseWriter, r *Request) {
	w.Header().Set("Cache-Control", "no-store")
	if !response.Stopping(r.Context()) {
		WriteJSON(w, StatusOK, map[string]string{"status": "ready"})
		return
	}
	const message = "server is stopping"
	if response.Find(w).State().Scope().ErrorWriter() != nil {
		WriteError(w, StatusServiceUnavailable, message)
		return
	}
	// WriteError would remove Cache-Control.
	WriteJSON(w, StatusServiceUnavailable, map[string]string{"error": message})
}
