package app

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/demo/board"
)

// The default and maximum numbers of tasks in one page, and the maximum number of
// IDs in one bulk deletion.
const (
	defaultPage = 20
	maxPage     = 100
	maxBulk     = 100
)

// taskHandlers are the endpoints below /api/tasks. Their errors are:
//
//	400  the request cannot be parsed: its id, its filter or its JSON
//	404  no task has the id
//	409  the board is full, or the task has changed since the client read it
//	422  the request is not acceptable; for example, a task has no title
type taskHandlers struct {
	board *board.Board
}

// list responds with a page of the tasks:
//
//	GET /api/tasks?status=todo&sort=title&order=asc&limit=20&offset=0
func (h taskHandlers) list(w http.ResponseWriter, r *http.Request) {
	query, ok := taskQuery(w, r)
	if !ok {
		return
	}
	page := http.ParsePagination(r, defaultPage, maxPage)
	query.Limit, query.Offset = page.Limit, page.Offset
	tasks, total, err := h.board.List(r.Context(), query)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	http.PaginatedResponse(w, "tasks", tasks, total)
}

// create adds a new task to the board.
func (h taskHandlers) create(w http.ResponseWriter, r *http.Request) {
	var draft board.Draft
	if !http.BindJSON(w, r, &draft) {
		return
	}
	task, err := h.board.Add(r.Context(), draft)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	w.Header().Set("Location", fmt.Sprintf("/api/tasks/%d", task.ID))
	http.WriteJSON(w, http.StatusCreated, task)
}

// read responds with one task.
func (h taskHandlers) read(w http.ResponseWriter, r *http.Request) {
	id, ok := taskID(w, r)
	if !ok {
		return
	}
	task, err := h.board.Task(r.Context(), id)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	http.WriteJSON(w, http.StatusOK, task)
}

// replace sets all fields of a task. A field that is missing from the request
// gets the value that it has in a new task.
func (h taskHandlers) replace(w http.ResponseWriter, r *http.Request) {
	id, ok := taskID(w, r)
	if !ok {
		return
	}
	var body struct {
		board.Draft
		Version *int64 `json:"version"`
	}
	if !http.BindJSON(w, r, &body) {
		return
	}
	h.update(w, r, id, board.Edit{
		Title:       &body.Title,
		Description: &body.Description,
		Status:      &body.Status,
		Version:     body.Version,
	})
}

// edit changes the fields of a task that are present in the request.
func (h taskHandlers) edit(w http.ResponseWriter, r *http.Request) {
	id, ok := taskID(w, r)
	if !ok {
		return
	}
	var edit board.Edit
	if !http.BindJSON(w, r, &edit) {
		return
	}
	if edit.Empty() {
		http.WriteError(w, http.StatusUnprocessableEntity, "nothing to change: give title, description or status")
		return
	}
	h.update(w, r, id, edit)
}

// update applies an edit and responds with the changed task.
func (h taskHandlers) update(w http.ResponseWriter, r *http.Request, id int64, edit board.Edit) {
	task, err := h.board.Update(r.Context(), id, edit)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	http.WriteJSON(w, http.StatusOK, task)
}

// delete removes one task.
func (h taskHandlers) delete(w http.ResponseWriter, r *http.Request) {
	id, ok := taskID(w, r)
	if !ok {
		return
	}
	_, missing, err := h.board.Delete(r.Context(), id)
	if err == nil && len(missing) > 0 {
		err = board.ErrNotFound
	}
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// bulkDelete removes several tasks at once. It ignores IDs without a task, so
// that the request can be repeated; the response lists them.
func (h taskHandlers) bulkDelete(w http.ResponseWriter, r *http.Request) {
	var body struct {
		IDs []int64 `json:"ids"`
	}
	if !http.BindJSON(w, r, &body) || !http.CheckBulkIDs(w, body.IDs, maxBulk) {
		return
	}
	deleted, missing, err := h.board.Delete(r.Context(), body.IDs...)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	http.WriteJSON(w, http.StatusOK, map[string][]int64{"deleted": deleted, "missing": missing})
}

// export responds with all tasks, or those with one status, as a CSV file.
func (h taskHandlers) export(w http.ResponseWriter, r *http.Request) {
	query, ok := taskQuery(w, r)
	if !ok {
		return
	}
	tasks, _, err := h.board.List(r.Context(), query)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	columns := []string{"ID", "Title", "Description", "Status", "Created", "Updated"}
	http.WriteCSV(w, "tasks", columns, func() []string {
		if len(tasks) == 0 {
			return nil
		}
		task := tasks[0]
		tasks = tasks[1:]
		return []string{
			strconv.FormatInt(task.ID, 10),
			plainCell(task.Title),
			plainCell(task.Description),
			string(task.Status),
			task.CreatedAt.Format(time.RFC3339),
			task.UpdatedAt.Format(time.RFC3339),
		}
	})
}

// plainCell prevents spreadsheets from running user input as a formula: it adds
// an apostrophe, which marks the cell as text.
func plainCell(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}

// taskID returns the ID in the request's path. If the ID is invalid, taskID
// responds with an error and returns false.
func taskID(w http.ResponseWriter, r *http.Request) (id int64, ok bool) {
	id, ok = http.PathParamInt64(w, r, "id")
	if ok && id <= 0 {
		http.WriteError(w, http.StatusBadRequest, "id must be positive")
		return 0, false
	}
	return id, ok
}

// taskQuery returns the filter and the order in the request's query. If they are
// invalid, taskQuery responds with an error and returns false.
func taskQuery(w http.ResponseWriter, r *http.Request) (query board.Query, ok bool) {
	column, direction := http.QueryParamSort(r, board.SortKeys(), "id", "ASC")
	query.Sort, query.Descending = column, direction == "DESC"
	query.Status = board.Status(http.QueryParam(r, "status"))
	if query.Status == "" {
		return query, true
	}
	if err := query.Status.Check(); err != nil {
		http.WriteError(w, http.StatusBadRequest, err.Error())
		return query, false
	}
	return query, true
}

// refuse responds to a request that failed with err.
func (h taskHandlers) refuse(w http.ResponseWriter, r *http.Request, err error) {
	invalid, isInvalid := errors.AsType[*board.InvalidError](err)
	switch {
	case isInvalid:
		http.WriteError(w, http.StatusUnprocessableEntity, invalid.Error())
	case errors.Is(err, board.ErrNotFound):
		http.WriteError(w, http.StatusNotFound, "no such task")
	case errors.Is(err, board.ErrChanged):
		http.WriteError(w, http.StatusConflict, "the task has changed since you read it")
	case errors.Is(err, board.ErrFull):
		http.WriteError(w, http.StatusConflict, fmt.Sprintf("the board is full: it holds %d tasks", h.board.Capacity))
	default:
		http.WriteServerError(w, r, "something went wrong", err)
	}
}
