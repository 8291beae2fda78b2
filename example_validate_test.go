package http_test

import (
	"fmt"
	"net/http/httptest"
	"strings"

	"github.com/stanza-go/framework/pkg/http"
)

// A SignUp is the body of POST /users.
type SignUp struct {
	Email string `json:"email"`
	Age   int    `json:"age"`
}

// Validate implements the check that BindJSON calls.
func (s SignUp) Validate() error {
	wrong := http.FieldErrors{}
	if !strings.Contains(s.Email, "@") {
		wrong["email"] = "must be an email address"
	}
	if s.Age < 18 {
		wrong["age"] = "must be at least 18"
	}
	return wrong.Err()
}

// BindJSON calls the Validate method and sends the FieldErrors that it returns.
func ExampleFieldErrors() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		var user SignUp
		if !http.BindJSON(w, r, &user) {
			return
		}
		fmt.Fprint(w, "welcome")
	}

	for _, body := range []string{`{"email":"ada@example.com","age":36}`, `{"email":"ada","age":3}`} {
		rec := httptest.NewRecorder()
		handler(rec, httptest.NewRequest("POST", "/users", strings.NewReader(body)))
		fmt.Println(rec.Code, rec.Body)
	}
	// Output:
	// 200 welcome
	// 400 {"error":"age: must be at least 18; email: must be an email address","fields":{"age":"must be at least 18","email":"must be an email address"}}
}
