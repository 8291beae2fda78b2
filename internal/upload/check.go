package upload

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/stanza-go/framework/pkg/http/internal/header"
)

// ValidType reports whether t is a media type without parameters, such as image/png, or a
// pattern for all subtypes, such as image/*.
func ValidType(t string) bool {
	name, subtype, ok := strings.Cut(t, "/")
	return ok && header.IsToken(name) && !strings.Contains(name, "*") &&
		header.IsToken(subtype) && (subtype == "*" || !strings.Contains(subtype, "*"))
}

// allowed reports whether a detected type, which may have parameters, is among types.
func allowed(types []string, detected string) bool {
	detected = withoutParameters(detected)
	for _, t := range types {
		prefix, all := strings.CutSuffix(t, "*")
		if header.EqualFold(t, detected) ||
			all && len(detected) > len(prefix) && header.EqualFold(detected[:len(prefix)], prefix) {
			return true
		}
	}
	return len(types) == 0
}

func withoutParameters(mediaType string) string {
	mediaType, _, _ = strings.Cut(mediaType, ";")
	return strings.TrimSpace(mediaType)
}

// wrongType returns the Error for a file whose type is not among types.
func wrongType(detected string, types []string) *Error {
	return &Error{
		Status:  http.StatusUnsupportedMediaType,
		Message: fmt.Sprintf("the file is of type %s, which is not one of: %s", withoutParameters(detected), strings.Join(types, ", ")),
	}
}

// cleanName returns the client's name of a file without directories, and without characters
// that are unsafe in file names.
func cleanName(name string) string {
	return header.CleanFilename(name[strings.LastIndexAny(name, `/\`)+1:], "file")
}
