package http_test

import (
	"fmt"
	"net/http/httptest"

	"github.com/stanza-go/framework/pkg/http"
)

// The value is decoded. A wildcard that ends in "..." matches the rest of the path.
func ExamplePathParam() {
	router := http.NewRouter()
	router.HandleFunc("GET /files/{path...}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Println(http.PathParam(r, "path"))
	})
	router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/files/a/b%20c.txt", nil))
	// Output: a/b c.txt
}

// If the parameter is not an integer, PathParamInt64 responds with 400 and the
// handler only has to return.
func ExamplePathParamInt64() {
	router := http.NewRouter()
	router.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, ok := http.PathParamInt64(w, r, "id")
		if !ok {
			return
		}
		http.WriteJSON(w, http.StatusOK, map[string]int64{"id": id})
	})

	for _, path := range []string{"/users/7", "/users/seven"} {
		rec := httptest.NewRecorder()
		router.ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
		fmt.Println(rec.Code, rec.Body)
	}
	// Output:
	// 200 {"id":7}
	// 400 {"error":"invalid path parameter \"id\": not an integer"}
}

// If a parameter is repeated, QueryParam returns its first value; if it is
// missing, the empty string.
func ExampleQueryParam() {
	r := httptest.NewRequest("GET", "/search?q=two+words&tag=a&tag=b", nil)
	fmt.Printf("%q\n", http.QueryParam(r, "q"))
	fmt.Printf("%q\n", http.QueryParam(r, "tag"))
	fmt.Printf("%q\n", http.QueryParam(r, "page"))
	// Output:
	// "two words"
	// "a"
	// ""
}

// QueryParamOr returns the fallback if the parameter is missing or empty.
func ExampleQueryParamOr() {
	r := httptest.NewRequest("GET", "/users?view=list&sort=", nil)
	fmt.Println(http.QueryParamOr(r, "view", "grid"))
	fmt.Println(http.QueryParamOr(r, "sort", "created_at"))
	// Output:
	// list
	// created_at
}

// QueryParamInt returns the fallback if the parameter is missing or not an
// integer.
func ExampleQueryParamInt() {
	r := httptest.NewRequest("GET", "/users?page=3&per_page=many", nil)
	fmt.Println(http.QueryParamInt(r, "page", 1))
	fmt.Println(http.QueryParamInt(r, "per_page", 20))
	// Output:
	// 3
	// 20
}

// The results are safe to use in an ORDER BY clause: they come from the
// arguments, never from the client.
func ExampleQueryParamSort() {
	allowed := []string{"id", "email", "created_at"}
	for _, query := range []string{"sort=EMAIL&order=asc", "sort=password", "sort=id;drop+table+users"} {
		r := httptest.NewRequest("GET", "/users?"+query, nil)
		column, direction := http.QueryParamSort(r, allowed, "created_at", "DESC")
		fmt.Println("ORDER BY", column, direction)
	}
	// Output:
	// ORDER BY email ASC
	// ORDER BY created_at DESC
	// ORDER BY created_at DESC
}

// A page has 50 items by default and 100 at most.
func ExampleParsePagination() {
	for _, query := range []string{"", "limit=20&offset=40", "limit=5000&offset=-3"} {
		r := httptest.NewRequest("GET", "/users?"+query, nil)
		page := http.ParsePagination(r, 50, 100)
		fmt.Println("LIMIT", page.Limit, "OFFSET", page.Offset)
	}
	// Output:
	// LIMIT 50 OFFSET 0
	// LIMIT 20 OFFSET 40
	// LIMIT 100 OFFSET 0
}

// This example selects a page of a slice.
func ExamplePagination() {
	names := []string{"Ada", "Bob", "Cid", "Dot"}
	page := http.Pagination{Limit: 2, Offset: 1}

	start := min(page.Offset, len(names))
	end := min(start+page.Limit, len(names))
	fmt.Println(names[start:end])
	// Output: [Bob Cid]
}
