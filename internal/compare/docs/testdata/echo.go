package prelude

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"
)

type User struct{ Name string }

func save(ctx context.Context, organisation string, user User) error { return ctx.Err() }

func requireAdmin(next echo.HandlerFunc) echo.HandlerFunc { return next }

func stats(c *echo.Context) error { return nil }

var _ = []any{http.StatusOK, middleware.Recover}
