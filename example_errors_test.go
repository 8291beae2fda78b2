package http_test

import (
	"errors"
	"fmt"
	"net/http/httptest"

	"github.com/stanza-go/framework/pkg/http"
)

// The handler returns errors instead of responding to them. Errors without a status
// get status 500, and their text is not sent to the client.
func ExampleHandlerErrorFunc() {
	find := func(id string) (string, error) {
		switch id {
		case "1":
			return "Ann", nil
		case "2":
			return "", http.Errorf(http.StatusNotFound, "no user %s", id)
		}
		return "", errors.New("dial db.internal: connection refused")
	}
	router := http.NewRouter()
	router.Handle("GET /users/{id}", http.HandlerErrorFunc(func(w http.ResponseWriter, r *http.Request) error {
		name, err := find(r.PathValue("id"))
		if err != nil {
			return err
		}
		http.WriteJSON(w, http.StatusOK, map[string]string{"name": name})
		return nil
	}))

	for _, path := range []string{"/users/1", "/users/2", "/users/3"} {
		rec := httptest.NewRecorder()
		router.ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
		fmt.Println(rec.Code, rec.Body)
	}
	// Output:
	// 200 {"name":"Ann"}
	// 404 {"error":"no user 2"}
	// 500 {"error":"internal server error"}
}

// A HandlerErrorFunc can be called like any other handler, for example by middleware
// that rejects requests.
func ExampleHandlerErrorFunc_ServeHTTP() {
	fail := http.HandlerErrorFunc(func(w http.ResponseWriter, r *http.Request) error {
		return http.Errorf(http.StatusConflict, "the order has been sent")
	})

	rec := httptest.NewRecorder()
	fail.ServeHTTP(rec, httptest.NewRequest("DELETE", "/orders/7", nil))
	fmt.Println(rec.Code, rec.Body)
	// Output: 409 {"error":"the order has been sent"}
}

// The text of the wrapped error is for the log.
func ExampleErrorf() {
	cause := errors.New("sql: no rows in result set")
	err := http.Errorf(http.StatusNotFound, "no user %d: %w", 7, cause)

	var status *http.StatusError
	if errors.As(err, &status) {
		fmt.Println(status.Status, status.Message)
	}
	fmt.Println(err)
	fmt.Println(errors.Is(err, cause))
	// Output:
	// 404 no user 7
	// http: status 404: no user 7: sql: no rows in result set
	// true
}

// Err is logged, and Message is sent to the client.
func ExampleStatusError() {
	pay := http.HandlerErrorFunc(func(w http.ResponseWriter, r *http.Request) error {
		return &http.StatusError{
			Status:  http.StatusBadGateway,
			Message: "the bank does not respond",
			Err:     errors.New("Post \"https://bank.internal\": EOF"),
		}
	})

	rec := httptest.NewRecorder()
	pay.ServeHTTP(rec, httptest.NewRequest("POST", "/pay", nil))
	fmt.Println(rec.Code, rec.Body)
	// Output: 502 {"error":"the bank does not respond"}
}

// Error contains the status, and the cause if there is one.
func ExampleStatusError_Error() {
	fmt.Println(&http.StatusError{Status: http.StatusGone, Message: "the page was deleted"})
	fmt.Println(&http.StatusError{Status: http.StatusNotFound, Err: errors.New("no rows")})
	// Output:
	// http: status 410: the page was deleted
	// http: status 404: no rows
}

// Unwrap lets errors.Is and errors.As find the cause.
func ExampleStatusError_Unwrap() {
	cause := errors.New("no rows")
	err := &http.StatusError{Status: http.StatusNotFound, Err: cause}
	fmt.Println(errors.Is(err, cause))
	// Output: true
}

// This problem is the example in RFC 9457, section 3.
func ExampleWriteProblem() {
	buy := func(w http.ResponseWriter, r *http.Request) {
		http.WriteProblem(w, http.Problem{
			Type:       "https://example.com/probs/out-of-credit",
			Title:      "You do not have enough credit.",
			Status:     http.StatusForbidden,
			Detail:     "Your current balance is 30, but that costs 50.",
			Instance:   "/account/12345/msgs/abc",
			Extensions: map[string]any{"balance": 30},
		})
	}

	rec := httptest.NewRecorder()
	buy(rec, httptest.NewRequest("POST", "/buy", nil))
	fmt.Println(rec.Code, rec.Header().Get("Content-Type"))
	fmt.Println(rec.Body)
	// Output:
	// 403 application/problem+json
	// {"status":403,"type":"https://example.com/probs/out-of-credit","title":"You do not have enough credit.","detail":"Your current balance is 30, but that costs 50.","instance":"/account/12345/msgs/abc","balance":30}
}

// Without a type and a title, a problem is described by its status.
func ExampleProblem() {
	rec := httptest.NewRecorder()
	http.WriteProblem(rec, http.Problem{Status: http.StatusNotFound, Detail: "no user 7"})
	fmt.Println(rec.Body)
	// Output: {"status":404,"title":"Not Found","detail":"no user 7"}
}

// All errors of the application become problems: those of the router, of
// handlers, and of middleware.
func ExampleRouter_ErrorForm() {
	router := http.NewRouter()
	router.ErrorForm(http.WriteProblem)
	router.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, r *http.Request) {
		if id, ok := http.PathParamInt64(w, r, "id"); ok {
			http.WriteJSON(w, http.StatusOK, id)
		}
	})

	for _, path := range []string{"/nowhere", "/users/x"} {
		rec := httptest.NewRecorder()
		router.ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
		fmt.Println(rec.Body)
	}
	// Output:
	// {"status":404,"title":"Not Found","detail":"not found"}
	// {"status":400,"title":"Bad Request","detail":"invalid path parameter \"id\": not an integer"}
}

// A function can write errors in a form that existing clients expect.
func ExampleRouter_ErrorForm_envelope() {
	router := http.NewRouter()
	router.ErrorForm(func(w http.ResponseWriter, p http.Problem) {
		http.WriteJSON(w, p.Status, map[string]any{"code": p.Status, "msg": p.Detail})
	})

	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("GET", "/nowhere", nil))
	fmt.Println(rec.Body)
	// Output: {"code":404,"msg":"not found"}
}
