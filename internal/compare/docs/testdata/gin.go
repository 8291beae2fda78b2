package prelude

import (
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"
)

type User struct{ Name string }

func requireAdmin(c *gin.Context) {}

func stats(c *gin.Context) {}

var _ = []any{http.StatusOK, strconv.Itoa}
