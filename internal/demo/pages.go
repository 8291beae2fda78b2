package main

import (
	"bytes"
	"embed"
	"html/template"

	"github.com/stanza-go/framework/pkg/http"
)

//go:embed pages/*.html
var pageFiles embed.FS

// pages are the HTML pages.
type pages struct {
	router    *http.Router
	templates *template.Template
}

// newPages returns the pages of the application that router serves.
func newPages(router *http.Router) pages {
	return pages{router, template.Must(template.ParseFS(pageFiles, "pages/*.html"))}
}

// index is the first page: what to try.
func (p pages) index(w http.ResponseWriter, r *http.Request) {
	p.render(w, r, "index.html", examples("http://"+r.Host))
}

// routes lists everything that the application serves.
func (p pages) routes(w http.ResponseWriter, r *http.Request) {
	p.render(w, r, "routes.html", p.router.Routes())
}

// render sends a page. It is complete before anything is sent, so that a
// mistake in a template is an error and not half a page.
func (p pages) render(w http.ResponseWriter, r *http.Request, name string, data any) {
	var page bytes.Buffer
	if err := p.templates.ExecuteTemplate(&page, name, data); err != nil {
		http.WriteServerError(w, r, "the page cannot be shown", err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = page.WriteTo(w) // the client is gone: nobody to tell
}

// An example is a command that shows something of the application.
type example struct {
	Does    string
	Command string
}

// examples returns what to try with the application at the base URL.
func examples(base string) []example {
	return []example{
		{"list tasks, page by page", `curl '` + base + `/api/tasks?sort=title&order=desc&limit=2&offset=2'`},
		{"list tasks of one status", `curl '` + base + `/api/tasks?status=todo'`},
		{"create a task", `curl -d '{"title":"Water the plants"}' ` + base + `/api/tasks`},
		{"read a task", `curl ` + base + `/api/tasks/1`},
		{"change one field", `curl -X PATCH -d '{"status":"done"}' ` + base + `/api/tasks/1`},
		{"meet a conflict", `curl -X PATCH -d '{"status":"todo","version":1}' ` + base + `/api/tasks/1`},
		{"replace it", `curl -X PUT -d '{"title":"Read all of it"}' ` + base + `/api/tasks/1`},
		{"delete it", `curl -X DELETE ` + base + `/api/tasks/1`},
		{"delete several", `curl -d '{"ids":[2,3,99]}' ` + base + `/api/tasks/bulk-delete`},
		{"download a CSV file", `curl -OJ ` + base + `/api/tasks/export`},
		{"meet a bad request", `curl -i -d '{"title":' ` + base + `/api/tasks`},
		{"list routes", `curl ` + base + `/api/routes`},
		{"ask whether it serves", `curl ` + base + `/health`},
	}
}
