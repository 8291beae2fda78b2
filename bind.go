package http

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/stanza-go/framework/pkg/http/internal/bind"
	"github.com/stanza-go/framework/pkg/http/internal/callsite"
	"github.com/stanza-go/framework/pkg/http/internal/jsonbody"
	"github.com/stanza-go/framework/pkg/http/internal/query"
)

// PathParamAs converts the value of the wildcard {name} in the route's pattern to a T.
// If the value is empty or not valid, PathParamAs responds with status 400 and a message
// that names the parameter, as [BindQuery] does, and returns false; the handler must then
// return without writing a response. For example, the handler of GET /users/{id} can call
//
//	id, ok := http.PathParamAs[int64](w, r, "id")
//
// For the supported types, see [BindQuery]. PathParamAs panics if T is not supported,
// regardless of the value, so the first request reveals the mistake.
func PathParamAs[T any](w ResponseWriter, r *Request, name string) (value T, ok bool) {
	return converted[T](w, name, conversionFor[T]("PathParamAs"), r.PathValue(name))
}

// QueryParamAs converts the first value of a query parameter to a T. If the parameter is
// missing, empty or not valid, QueryParamAs responds with status 400 and a message that
// names the parameter, as [BindQuery] does, and returns false; the handler must then
// return without writing a response.
//
// For the supported types, see [BindQuery]. QueryParamAs panics if T is not supported.
func QueryParamAs[T any](w ResponseWriter, r *Request, name string) (value T, ok bool) {
	conversion := conversionFor[T]("QueryParamAs")
	text, ok := queryText(w, r, name)
	if !ok {
		return value, false
	}
	return converted[T](w, name, conversion, text)
}

// QueryParamAsOr is like [QueryParamAs], but returns fallback and true if the parameter
// is missing or empty. If it is not valid, QueryParamAsOr responds with status 400,
// whereas [QueryParamInt] returns the fallback.
func QueryParamAsOr[T any](w ResponseWriter, r *Request, name string, fallback T) (value T, ok bool) {
	conversion := conversionFor[T]("QueryParamAsOr")
	text, ok := queryText(w, r, name)
	if !ok {
		return value, false
	}
	if text == "" {
		return fallback, true
	}
	return converted[T](w, name, conversion, text)
}

// QueryParamsAs converts all values of a query parameter to a slice of T, in the order in
// which the client sent them. For example, the values of id in ?id=1&id=2 are 1 and 2.
// Empty values are skipped. If the parameter is missing, the slice is nil. If a value is
// not valid, or there are more than 10,000 values, QueryParamsAs responds with status 400
// and a message that names the parameter, as [BindQuery] does, and returns false; the
// handler must then return without writing a response.
//
// Commas do not separate values. To accept ?id=1,2 too, use [BindQuery] with the option
// comma.
//
// For the supported types, see [BindQuery]. QueryParamsAs panics if T is not supported.
func QueryParamsAs[T any](w ResponseWriter, r *Request, name string) (values []T, ok bool) {
	conversion := conversionFor[T]("QueryParamsAs")
	problem, err := bind.List(reflect.ValueOf(&values).Elem(), conversion, rawQuery(r), name)
	switch {
	case err != nil:
		WriteError(w, StatusBadRequest, tooManyParams)
	case problem != "":
		refuseParam(w, name, problem)
	default:
		return values, true
	}
	return nil, false
}

// conversionFor returns the conversion for T. function is the name of the caller, for
// the panic if there is none.
func conversionFor[T any](function string) *bind.Conversion {
	t := reflect.TypeFor[T]()
	conversion := bind.ConversionFor(t)
	if conversion == nil {
		callsite.Panicf("%s: the type %v is not supported; use a string, bool or number, or a type with an UnmarshalText method", function, t)
	}
	return conversion
}

// converted converts the value of a parameter, or responds with status 400.
func converted[T any](w ResponseWriter, name string, conversion *bind.Conversion, text string) (value T, ok bool) {
	if text == "" {
		refuseParam(w, name, bind.Missing)
		return value, false
	}
	if problem := conversion.Set(reflect.ValueOf(&value).Elem(), text); problem != "" {
		refuseParam(w, name, problem)
		return *new(T), false
	}
	return value, true
}

// tooManyParams is the message for more than [query.MaxPairs] query parameters.
const tooManyParams = "too many query parameters"

// queryText returns the first value of a query parameter, decoded, or responds with
// status 400.
func queryText(w ResponseWriter, r *Request, name string) (text string, ok bool) {
	text, err := query.Lookup(rawQuery(r), name)
	switch err {
	case nil:
		return text, true
	case query.ErrTooMany:
		WriteError(w, StatusBadRequest, tooManyParams)
	default:
		refuseParam(w, name, bind.Malformed)
	}
	return "", false
}

// rawQuery returns the encoded query of a request.
func rawQuery(r *Request) string {
	if r.URL == nil {
		return ""
	}
	return r.URL.RawQuery
}

// refuseParam responds with status 400 and the problem of one parameter.
func refuseParam(w ResponseWriter, name, problem string) {
	fields := FieldErrors{name: problem}
	writeError(w, StatusBadRequest, fields.Error(), fields.members())
}

// FieldErrors is an error that maps the names of invalid input fields to descriptions of
// their problems, for example "must be an integer". [ReadQuery] and [ReadForm] return it,
// and a Validate method can; see [BindQuery]. [BindQuery], [BindForm] and [BindJSON] send
// it to the client.
//
// An empty FieldErrors is a non-nil error. A Validate method can return one if it finds no
// problems. Other functions should return the result of [FieldErrors.Err] instead, because
// [HandlerErrorFunc] responds to an empty FieldErrors with status 500.
type FieldErrors map[string]string

// Err returns e as an error, or nil if e is empty. Use it at the end of a function that
// collects problems:
//
//	return problems.Err()
func (e FieldErrors) Err() error { return fieldErrors(e) }

// Error returns the fields and their problems, sorted by field, for example "age: must
// be an integer; name: is required". The text has no prefix, because it is for the
// client.
func (e FieldErrors) Error() string {
	if len(e) == 0 {
		return noFieldIsWrong
	}
	var text strings.Builder
	for i, field := range slices.Sorted(maps.Keys(e)) {
		if i > 0 {
			text.WriteString("; ")
		}
		text.WriteString(field + ": " + e[field])
	}
	return text.String()
}

// noFieldIsWrong is the text of a FieldErrors without fields.
const noFieldIsWrong = "no field is wrong"

// members returns the members that a response about the fields has besides its message.
func (e FieldErrors) members() map[string]any {
	if len(e) == 0 {
		return nil
	}
	return map[string]any{"fields": map[string]string(e)}
}

// ErrContentType is wrapped by the errors of [ReadJSONStrict] and [ReadForm] if the
// Content-Type header is missing or names a media type that they do not accept; use
// [errors.Is]. The corresponding status is 415.
var ErrContentType = errors.New("http: unsupported Content-Type")

// The plans for structs, by type.
var (
	queryPlans = bind.PlansFor("query")
	formPlans  = bind.PlansFor("form")
)

// BindQuery sets the fields of the struct that dst points to from the query parameters
// that the fields' tags name. If parameters are not valid, BindQuery responds with status
// 400 and a description of all problems, and returns false; the handler must then return
// without writing a response. For example:
//
//	type ListUsers struct {
//		Page  int       `query:"page,default=1"`
//		Since time.Time `query:"since"`
//		Role  string    `query:"role,required"`
//		IDs   []int64   `query:"id,comma"`
//	}
//
// For ?page=x&id=1,2 the response is
//
//	{"error":"page: must be an integer; role: is required",
//	 "fields":{"page":"must be an integer","role":"is required"}}
//
// # Tags
//
// The tag of a field has the key query. Its value is the name of the parameter, which is
// case-sensitive, followed by options, each after a comma:
//
//   - required: the parameter must not be missing.
//   - comma: for slices. Commas separate values, so that ?id=1,2 and ?id=1&id=2 are
//     equivalent.
//   - default=text: the value if the parameter is missing. This option must be the last
//     one; the text may contain commas.
//
// Fields without a tag are not set. The fields of an embedded struct are treated as
// fields of the outer struct.
//
// If a parameter is missing and has no default, its field is unchanged. The program can
// therefore set defaults in dst instead. A parameter with an empty value, for example
// ?page=&role=, counts as missing, because browsers send empty values for the inputs that
// the user left empty. Parameters without a field are ignored. If a parameter has several
// values and its field is not a slice, the first value is used.
//
// # Types
//
// The following types are supported, and types that have one of the first four as their
// underlying type:
//
//   - string. The value must be valid UTF-8.
//   - bool: the values of [strconv.ParseBool], for example true and 0, and on and off.
//   - Integers, in decimal and without spaces. The value must be in the range of the
//     type.
//   - Floating-point numbers, in decimal. NaN and infinities are not valid.
//   - [time.Duration], for example 1m30s.
//   - [time.Time], as in RFC 3339, for example 2006-01-02T15:04:05Z. In a URL, the plus
//     sign of a time zone must be encoded as %2B.
//   - Types with an UnmarshalText method ([encoding.TextUnmarshaler]), for example
//     [net/netip.Addr]. Errors that the method returns are not sent to the client.
//   - Pointers to these types. The pointer stays nil if the parameter is missing.
//   - Slices of these types, except []byte. If the parameter is not missing, its values
//     replace the slice. Empty values are skipped. At most 10,000 values are accepted.
//
// A type defined as type Wait time.Duration does not have the methods of Duration, so its
// values are integers. A type defined in this way from time.Time is not supported.
//
// # Validation
//
// If dst has a method Validate() error, BindQuery calls it after all fields are set, and
// only if there are no other problems. If it returns an error, BindQuery responds with
// status 400 and the text of the error, which must therefore be safe to send to the
// client, and returns false. If the error is or wraps a [*StatusError], only its message is
// sent. If it is or wraps a [FieldErrors], the response also contains the fields. An empty
// FieldErrors counts as no error, and is ignored if [errors.Join] joins it with other
// errors. Validate methods of the struct's fields are not called.
//
// # Malformed queries
//
// If the value of a parameter that has a field contains an invalid escape or a semicolon,
// the parameter is not valid, whereas [QueryParam] ignores it. Other malformed parameters
// are ignored. If there are more than 10,000 parameters, BindQuery responds with status
// 400.
//
// # Panics
//
// BindQuery panics if dst is not a non-nil pointer to a struct, if no field has a tag, or
// if a tag is invalid or its field has an unsupported type. The check does not depend on
// the parameters, so the first request reveals these mistakes.
func BindQuery(w ResponseWriter, r *Request, dst any) bool {
	return bound(w, r, dst, ReadQuery(r, dst))
}

// ReadQuery is like [BindQuery], but returns the error instead of responding, and does
// not call a Validate method. If parameters are not valid, the error is a [FieldErrors].
// The text of any error is safe to send to the client. If ReadQuery returns an error, it
// may have modified the value that dst points to.
func ReadQuery(r *Request, dst any) error {
	v, plan := structOf(dst, queryPlans)
	problems, err := plan.Query(v, rawQuery(r))
	if err != nil {
		return &jsonbody.Error{Message: tooManyParams, Cause: err}
	}
	return fieldErrors(problems)
}

// BindForm is like [BindQuery], but sets the fields from a form in the request's body,
// and the tags have the key form, for example `form:"email,required"`. It ignores the
// URL's query. BindForm responds with status
//
//   - 415 if the Content-Type header is neither application/x-www-form-urlencoded nor
//     multipart/form-data,
//   - 400 if the body is larger than 1 MiB, malformed, or cannot be read,
//   - 408 if the body does not arrive within the read timeout, as for [BindJSON].
//
// A name with brackets, for example a[b], has no special meaning. Files in a multipart
// form are ignored, but count towards the limit.
//
// After BindForm, [Request.ParseForm], [Request.FormFile] and similar methods work as
// if the body had not been read. If [Request.ParseForm] or [Request.ParseMultipartForm]
// has already read the body, BindForm uses the values that it parsed.
func BindForm(w ResponseWriter, r *Request, dst any) bool {
	return bound(w, r, dst, readForm(r, dst))
}

// ReadForm is like [BindForm], but returns the error instead of responding, and does not
// call a Validate method. If fields are not valid, the error is a [FieldErrors]. Other
// errors include [ErrBodyTooLarge] and [ErrContentType]; use [errors.Is]. The text of any
// error is safe to send to the client. If ReadForm returns an error, it may have modified
// the value that dst points to.
func ReadForm(r *Request, dst any) error { return closeIfUnread(r, readForm(r, dst)) }

// readForm sets the fields of dst. Its error is [ErrBodyTooLarge], a [FieldErrors] or a
// *jsonbody.Error.
func readForm(r *Request, dst any) error {
	v, plan := structOf(dst, formPlans)
	if r.MultipartForm != nil {
		return fieldErrors(plan.Values(v, r.MultipartForm.Value))
	}
	mediaType, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // after an error, params is nil, and mediaType usually empty
	switch mediaType {
	case "application/x-www-form-urlencoded":
		return readURLEncoded(r, v, plan)
	case "multipart/form-data":
		return readMultipart(r, v, plan, params["boundary"])
	}
	return &jsonbody.Error{
		Message: "the Content-Type must be application/x-www-form-urlencoded or multipart/form-data",
		Cause:   ErrContentType,
	}
}

// readURLEncoded is readForm for URL-encoded bodies.
func readURLEncoded(r *Request, v reflect.Value, plan *bind.Plan) error {
	if r.PostForm != nil && (r.Method == MethodPost || r.Method == MethodPut || r.Method == MethodPatch) {
		return fieldErrors(plan.Values(v, r.PostForm))
	}
	body, err := peekBody(r)
	if err != nil {
		return err
	}
	problems, err := plan.Query(v, string(body))
	if err != nil {
		return &jsonbody.Error{Message: tooManyFields, Cause: err}
	}
	return fieldErrors(problems)
}

// readMultipart is readForm for multipart bodies.
func readMultipart(r *Request, v reflect.Value, plan *bind.Plan, boundary string) error {
	body, err := peekBody(r)
	if err != nil {
		return err
	}
	if boundary == "" {
		return &jsonbody.Error{Message: malformedForm, Cause: ErrMissingBoundary}
	}
	values := make(url.Values)
	parts := multipart.NewReader(bytes.NewReader(body), boundary)
	for range query.MaxPairs + 1 {
		part, err := parts.NextPart()
		if err == io.EOF && bytes.Contains(body, []byte("--"+boundary+"--")) { // not in the header of a part
			return fieldErrors(plan.Values(v, values))
		}
		var value []byte
		if err == nil && part.FileName() == "" {
			value, err = io.ReadAll(part)
		}
		if err != nil {
			return &jsonbody.Error{Message: malformedForm, Cause: err}
		}
		if part.FileName() == "" {
			values.Add(part.FormName(), string(value))
		}
	}
	return &jsonbody.Error{Message: tooManyFields, Cause: query.ErrTooMany}
}

// Messages about forms.
const (
	tooManyFields = "too many form fields" // more than query.MaxPairs
	malformedForm = "malformed multipart form"
)

// peekBody returns the body of a form, and makes the request's body readable again.
func peekBody(r *Request) ([]byte, error) {
	body, err := readBody(r, maxJSONBody)
	if err != nil || r.Body == nil {
		return nil, err
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{bytes.NewReader(body), r.Body}
	return body, nil
}

// structOf returns the struct that dst points to, and its plan.
func structOf(dst any, plans *bind.Plans) (reflect.Value, *bind.Plan) {
	v := reflect.ValueOf(dst)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		callsite.Panicf("cannot bind parameters to dst of type %T; dst must be a non-nil pointer to a struct", dst)
	}
	v = v.Elem()
	return v, plans.Of(v.Type())
}

// fieldErrors returns problems as an error, or nil if there are none.
func fieldErrors(problems map[string]string) error {
	if len(problems) == 0 {
		return nil
	}
	return FieldErrors(problems)
}

// bound ends a Bind function: it validates dst if err, the result of reading it, is nil,
// and responds if the input is not valid.
func bound(w ResponseWriter, r *Request, dst any, err error) bool {
	if err != nil {
		refuseInput(w, r, err)
		return false
	}
	if err := validate(dst); err != nil {
		writeError(w, StatusBadRequest, messageOf(err), fieldsOf(err).members())
		return false
	}
	return true
}

// refuseInput responds to an error of a Read function.
func refuseInput(w ResponseWriter, r *Request, err error) {
	if leavesBody(err) {
		jsonbody.CloseAfterResponse(w, r)
	}
	if err == ErrBodyTooLarge {
		WriteError(w, StatusBadRequest, "request body too large")
		return
	}
	if fields, ok := errors.AsType[FieldErrors](err); ok {
		writeError(w, StatusBadRequest, fields.Error(), fields.members())
		return
	}
	message := "invalid request"
	if invalid, ok := errors.AsType[*jsonbody.Error](err); ok {
		message = invalid.Message
	}
	WriteError(w, inputStatus(err), message)
}

// fieldsOf returns all FieldErrors that err is or wraps as one, or nil. If several have the
// same field, it gets all of their problems.
func fieldsOf(err error) FieldErrors {
	var all FieldErrors
	add := func(more FieldErrors) {
		for field, problem := range more {
			if first, ok := all[field]; ok && first != problem {
				problem = first + "; " + problem
			}
			if all == nil {
				all = make(FieldErrors)
			}
			all[field] = problem
		}
	}
	if e, ok := err.(interface{ As(any) bool }); ok && e.As(&all) {
		return all
	}
	switch e := err.(type) {
	case nil:
	case FieldErrors:
		return e
	case interface{ Unwrap() error }:
		return fieldsOf(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			add(fieldsOf(inner))
		}
	}
	return all
}

// messageOf returns the text of an error for the client, in one line. [errors.Join] separates
// the texts of its errors with line feeds. The texts of joined FieldErrors without fields are
// left out. The text of a StatusError contains its cause, so messageOf uses its message.
func messageOf(err error) string {
	if found, ok := errors.AsType[*StatusError](err); ok && found != nil {
		return found.message()
	}
	lines := strings.Split(err.Error(), "\n")
	lines = slices.DeleteFunc(lines, func(line string) bool { return line == noFieldIsWrong })
	return strings.Join(lines, "; ")
}

// isNoError reports whether the result of a Validate method is nil or a FieldErrors without
// fields, or several of them that are joined.
func isNoError(err error) bool {
	_, ok := errors.AsType[FieldErrors](err)
	return err == nil || ok && messageOf(err) == ""
}

// inputStatus returns the status of a response to an error of a Read function.
func inputStatus(err error) int {
	switch {
	case errors.Is(err, ErrContentType):
		return StatusUnsupportedMediaType
	case bodyIsLate(err):
		return StatusRequestTimeout
	}
	return StatusBadRequest
}

// validate calls the Validate method of dst, or of the pointer that dst points to, which
// may be in an interface.
func validate(dst any) error {
	for {
		if v, ok := dst.(interface{ Validate() error }); ok {
			err := v.Validate()
			if isNoError(err) {
				return nil
			}
			return err
		}
		v := reflect.ValueOf(dst).Elem()
		if v.Kind() == reflect.Interface {
			v = v.Elem()
		}
		if v.Kind() != reflect.Pointer || v.IsNil() {
			return nil
		}
		dst = v.Interface()
	}
}
