package docs

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"

	"github.com/stanza-go/framework/pkg/http/internal/testing/migration"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// A User is a user of the examples.
type User struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

func TestEcho(t *testing.T) {
	migration.Prepare(t)
	save := func(ctx context.Context, organisation string, user User) error {
		if organisation != "acme" || user.Name == "taken" {
			return errors.New("duplicate key")
		}
		return ctx.Err()
	}
	requireAdmin := func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) error {
			if !isAdmin(c.Request()) {
				return c.JSON(http.StatusUnauthorized, map[string]string{"error": "admin required"})
			}
			return next(c)
		}
	}
	stats := func(c *echo.Context) error { return c.String(http.StatusOK, "stats") }
	port8080 := testkit.FreeAddress(t)
	go func() {
		//snippet:begin docs/migrating.md
		e := echo.New()
		e.Use(middleware.RequestLogger(), middleware.Recover(), middleware.Gzip())
		e.POST("/users/:org", func(c *echo.Context) error {
			var user User
			if err := c.Bind(&user); err != nil {
				return err
			}
			if err := save(c.Request().Context(), c.Param("org"), user); err != nil {
				return echo.NewHTTPError(http.StatusConflict, "name is taken")
			}
			return c.JSON(http.StatusCreated, user)
		})
		admin := e.Group("/admin", requireAdmin)
		admin.GET("/stats", stats)
		e.Static("/", "dist")
		e.Start(port8080)
		//snippet:end
	}()
	migration.CheckOriginal(t, port8080, migration.Echo)
}
