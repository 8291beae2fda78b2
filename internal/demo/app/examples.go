package app

import "github.com/stanza-go/framework/pkg/http"

// An example is a command that shows a feature of the application.
type example struct {
	Does    string `json:"does"`
	Command string `json:"command"`
}

// listExamples responds with all examples.
func listExamples(w http.ResponseWriter, r *http.Request) {
	http.WriteJSON(w, http.StatusOK, map[string][]example{"examples": examples("http://" + r.Host)})
}

// examples returns commands for the application at the base URL.
func examples(base string) []example {
	return []example{
		{"list tasks, page by page", `curl '` + base + `/api/tasks?sort=title&order=desc&limit=2&offset=2'`},
		{"list tasks of one status", `curl '` + base + `/api/tasks?status=todo'`},
		{"create a task", `curl -d '{"title":"Water the plants"}' ` + base + `/api/tasks`},
		{"read a task", `curl ` + base + `/api/tasks/1`},
		{"change one field", `curl -X PATCH -d '{"status":"done"}' ` + base + `/api/tasks/1`},
		{"cause a conflict", `curl -X PATCH -d '{"status":"todo","version":1}' ` + base + `/api/tasks/1`},
		{"replace a task", `curl -X PUT -d '{"title":"Read all of it"}' ` + base + `/api/tasks/1`},
		{"delete a task", `curl -X DELETE ` + base + `/api/tasks/1`},
		{"delete several tasks", `curl -d '{"ids":[2,3,99]}' ` + base + `/api/tasks/bulk-delete`},
		{"download a CSV file", `curl -OJ ` + base + `/api/tasks/export`},
		{"send a bad request", `curl -i -d '{"title":' ` + base + `/api/tasks`},
		{"watch the board live", `curl -N ` + base + `/api/tasks/events`},
		{"list routes", `curl ` + base + `/api/routes`},
		{"check the readiness", `curl ` + base + `/ready`},
		{"read the metrics", `curl ` + base + `/api/metrics`},
		{"revalidate a file", `curl -i -H 'If-None-Match: *' ` + base + `/style.css`},
	}
}
