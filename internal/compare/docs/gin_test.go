package docs

import (
	"net/http"
	"strconv"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/stanza-go/framework/pkg/http/internal/testing/migration"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

func TestGin(t *testing.T) {
	t.Parallel()
	requireAdmin := func(c *gin.Context) {
		if !isAdmin(c.Request) {
			c.AbortWithStatusJSON(http.StatusUnauthorized, gin.H{"error": "admin required"})
		}
	}
	stats := func(c *gin.Context) { c.String(http.StatusOK, "stats") }
	port8080 := testkit.FreeAddress(t)
	go func() {
		//snippet:begin docs/migrating.md
		r := gin.New()
		r.Use(gin.Logger(), gin.Recovery())
		r.GET("/users/:id", func(c *gin.Context) {
			id, err := strconv.ParseInt(c.Param("id"), 10, 64)
			if err != nil {
				c.JSON(http.StatusBadRequest, gin.H{"error": "bad id"})
				return
			}
			c.JSON(http.StatusOK, gin.H{"id": id, "view": c.DefaultQuery("view", "table")})
		})
		r.GET("/users", func(c *gin.Context) {
			var query struct {
				Page int    `form:"page,default=1"`
				Role string `form:"role" binding:"required"`
			}
			if err := c.ShouldBindQuery(&query); err != nil {
				c.JSON(http.StatusBadRequest, gin.H{"error": err.Error()})
				return
			}
			c.JSON(http.StatusOK, gin.H{"page": query.Page, "role": query.Role})
		})
		r.POST("/users", func(c *gin.Context) {
			var user User
			if err := c.ShouldBindJSON(&user); err != nil {
				c.JSON(http.StatusBadRequest, gin.H{"error": err.Error()})
				return
			}
			c.JSON(http.StatusCreated, user)
		})
		admin := r.Group("/admin", requireAdmin)
		admin.GET("/stats", stats)
		r.Run(port8080)
		//snippet:end
	}()
	migration.CheckOriginal(t, port8080, migration.Gin)
}
