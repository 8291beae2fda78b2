package http

import (
	"context"
	"log/slog"

	"github.com/stanza-go/framework/pkg/http/internal/capture"
)

// LoggerFromContext returns the logger of the request that ctx belongs to:
// the one put there last by [RequestLogger], which names the request's id in
// each line, or by [ContextWithLogger]. Where there is none it returns
// [slog.Default]; it never returns nil. It is safe for concurrent use.
func LoggerFromContext(ctx context.Context) *slog.Logger {
	if l, ok := ctx.Value(capture.LoggerKey{}).(*slog.Logger); ok {
		return l
	}
	return slog.Default()
}

// ContextWithLogger returns a copy of ctx that carries logger, for
// [LoggerFromContext] to find. A nil logger stands for [slog.Default].
func ContextWithLogger(ctx context.Context, logger *slog.Logger) context.Context {
	if logger == nil {
		logger = slog.Default()
	}
	return context.WithValue(ctx, capture.LoggerKey{}, logger)
}
