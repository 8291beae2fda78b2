// Command demo is a small but complete application that uses package http: a
// task board that updates live in every browser, with a JSON API, a chat, and a
// dashboard of the application's own metrics.
//
//	go run ./internal/demo
//
// It prints its address and some commands to try, and runs until Ctrl-C. Tasks
// and messages are kept in memory only. The command internal/compare/demo is the
// same application with tasks and messages in Redis, for several processes.
//
// The application is in the package app.
package main

import (
	"context"

	"github.com/stanza-go/framework/pkg/http/internal/demo/app"
)

func main() {
	app.Main(func(context.Context) (app.Stores, error) { return app.Stores{}, nil })
}
