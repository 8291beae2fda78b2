package callsite_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/callsite"
)

func TestLocationIsTheCallersLine(t *testing.T) {
	t.Parallel()
	got := callsite.Location()
	_, file, line, _ := runtime.Caller(0)
	if want := fmt.Sprintf("%s:%d", file, line-1); got != want {
		t.Errorf("Location() = %q, want %q", got, want)
	}
}

func TestPanicfNamesTheCallersLineAndTheMessage(t *testing.T) {
	t.Parallel()
	_, file, line, _ := runtime.Caller(0)
	defer func() {
		want := fmt.Sprintf("http: %s:%d: field Level: 42", file, line+8)
		if got := fmt.Sprint(recover()); got != want {
			t.Errorf("panic %q, want %q", got, want)
		}
	}()

	callsite.Panicf("field Level: %d", 42)
	t.Error("Panicf returned")
}

func TestLocationSeesThroughClosuresOfTheUser(t *testing.T) {
	t.Parallel()
	var got string
	func() { got = callsite.Location() }()
	if !strings.Contains(got, "callsite_test.go:") {
		t.Errorf("Location() = %q, want a line of this file", got)
	}
}

func TestPanicIfAnyNamesEveryField(t *testing.T) {
	t.Parallel()
	var wrong callsite.FieldErrors
	wrong.PanicIfAny("Config")

	wrong.Addf("Level", "%d is negative", -1)
	wrong.Addf("Types[2]", "%q is not a type", "a/b")
	_, file, line, _ := runtime.Caller(0)
	defer func() {
		want := fmt.Sprintf(`http: %s:%d: Config.Level: -1 is negative; Config.Types[2]: "a/b" is not a type`, file, line+8)
		if got := fmt.Sprint(recover()); got != want {
			t.Errorf("panic %q, want %q", got, want)
		}
	}()

	wrong.PanicIfAny("Config")
	t.Error("PanicIfAny returned")
}
