package prelude

import (
	"encoding/json"
	"log"
	"net/http"
	"strconv"
	"time"
)

func logged(next http.Handler) http.Handler { return next }

var _ = []any{json.Valid, log.Print, strconv.Itoa, time.Now}
