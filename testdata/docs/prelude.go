// Package prelude is what the examples of README.md and docs see: the packages
// they use without importing them, and stand-ins for the names that they leave
// to the reader. Each declaration declares one name; see snippet.NewChecker.
package prelude

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"log/slog"
	"net"
	nethttp "net/http"
	"net/netip"
	"os"
	"time"

	"github.com/stanza-go/framework/pkg/http"
)

type User struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

type Store struct{}

func (Store) List(ctx context.Context, column, direction string, limit, offset int) ([]User, int, error) {
	return nil, 0, ctx.Err()
}

func (Store) Find(ctx context.Context, id int64) (User, error) { return User{}, ctx.Err() }

func (Store) Delete(ctx context.Context, ids []int64) error { return ctx.Err() }

var store Store

var errNotFound = errors.New("not found")

var ctx = context.Background()

var router = http.NewRouter()

var api = router.Group("/api")

var server = http.NewServer(router)

var metrics = http.NewMetrics()

var logger = slog.New(slog.NewJSONHandler(os.Stdout, nil))

var corsConfig http.CORSConfig

var onPanic func(recovered any, stack []byte)

var redisStore http.RateLimitStore

var site fs.FS

var updates chan string

var input User

var upgrader http.Upgrader

var socket *http.Conn

type certificateStore struct{}

func (certificateStore) For(name string) (*tls.Certificate, error) { return nil, nil }

var certificates certificateStore

func requireLogin(next http.Handler) http.Handler { return next }

func requireAdmin(next http.Handler) http.Handler { return next }

var oldRouter http.Handler

var profiler http.Handler

func save(ctx context.Context, organisation string, user User) error { return ctx.Err() }

func stats(w http.ResponseWriter, r *http.Request) {}

func listUsers(w http.ResponseWriter, r *http.Request) {}

func getUser(w http.ResponseWriter, r *http.Request) {}

func createUser(w http.ResponseWriter, r *http.Request) {}

func deleteUser(w http.ResponseWriter, r *http.Request) {}

func login(w http.ResponseWriter, r *http.Request) {}

func hello(w http.ResponseWriter, r *http.Request) {}

func download(w http.ResponseWriter, r *http.Request) {}

func account(w http.ResponseWriter, r *http.Request) {}

var _ = []any{gzip.BestSpeed, tls.VersionTLS12, json.Valid, fmt.Sprint, log.Print, netip.MustParsePrefix, time.Now, embed.FS{}, nethttp.Get, net.Listen}
