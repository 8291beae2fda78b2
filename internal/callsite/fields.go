package callsite

import (
	"fmt"
	"strings"
)

// FieldErrors lists the fields of a configuration that are wrong, so that one
// panic names all of them. The zero value is an empty list.
type FieldErrors []string

// Addf adds a field, for example "Limit" or "Encoders[1].Name", with the reason
// why its value is wrong.
func (e *FieldErrors) Addf(field, format string, args ...any) {
	*e = append(*e, field+": "+fmt.Sprintf(format, args...))
}

// PanicIfAny panics like [Panicf] if the list is not empty. config is the name of
// the configuration type. The message lists the fields, each with config as its
// prefix, for example
// "RateLimitConfig.Limit: -1 is negative; RateLimitConfig.Window: ...".
func (e FieldErrors) PanicIfAny(config string) {
	if len(e) > 0 {
		Panicf("%s.%s", config, strings.Join(e, "; "+config+"."))
	}
}
