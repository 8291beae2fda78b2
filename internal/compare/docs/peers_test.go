package docs

// What only examples import would be dropped by go mod tidy.
import (
	_ "github.com/gin-gonic/gin"
	_ "github.com/go-chi/chi/v5/middleware"
	_ "github.com/gorilla/handlers"
	_ "github.com/gorilla/mux"
	_ "github.com/gorilla/websocket"
	_ "github.com/labstack/echo/v5/middleware"
	_ "github.com/redis/go-redis/v9"
)
