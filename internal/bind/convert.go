package bind

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// A Conversion sets values of one type from text.
type Conversion struct {
	// set returns the problem with the text, or "". The problem is a predicate,
	// for example "must be an integer", and is safe to send to the client: it
	// contains neither the text nor Go types. The text is not empty.
	set func(v reflect.Value, text string) (problem string)
}

// Set sets v, which must be addressable, from text. It returns the problem with the
// text, for example "must be an integer", or "".
func (c *Conversion) Set(v reflect.Value, text string) (problem string) { return c.set(v, text) }

// conversions holds the functions that set values, by kind. setterFor uses it only if the
// type is not [time.Time] or [time.Duration], and has no UnmarshalText method.
var conversions = [...]func(v reflect.Value, text string) string{
	reflect.String:  setString,
	reflect.Bool:    setBool,
	reflect.Int:     setInt,
	reflect.Int8:    setInt,
	reflect.Int16:   setInt,
	reflect.Int32:   setInt,
	reflect.Int64:   setInt,
	reflect.Uint:    setUint,
	reflect.Uint8:   setUint,
	reflect.Uint16:  setUint,
	reflect.Uint32:  setUint,
	reflect.Uint64:  setUint,
	reflect.Float32: setFloat,
	reflect.Float64: setFloat,
}

// A cache holds results of a function of a type. It is not state: the function would
// return equal results again.
type cache struct{ byType sync.Map }

// conversionCache holds the results of ConversionFor.
var conversionCache cache

// ConversionFor returns the conversion for a type, or nil if there is none.
func ConversionFor(t reflect.Type) *Conversion {
	if cached, ok := conversionCache.byType.Load(t); ok {
		return cached.(*Conversion)
	}
	var conversion *Conversion
	if set := setterFor(t); set != nil {
		conversion = &Conversion{set}
	}
	conversionCache.byType.Store(t, conversion)
	return conversion
}

// setterFor returns the function that sets values of a type, or nil.
func setterFor(t reflect.Type) func(v reflect.Value, text string) string {
	switch kind := t.Kind(); {
	case t == reflect.TypeFor[time.Time]():
		return setTime
	case t == reflect.TypeFor[time.Duration]():
		return setDuration
	case kind == reflect.Interface:
		return nil
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return setText
	case kind == reflect.Pointer:
		return setterOfPointer(t)
	case int(kind) < len(conversions):
		return conversions[kind]
	}
	return nil
}

// setterOfPointer returns the function for a pointer type, which sets a new element.
func setterOfPointer(t reflect.Type) func(v reflect.Value, text string) string {
	if isEndless(t) {
		return nil
	}
	element := setterFor(t.Elem())
	if element == nil {
		return nil
	}
	return func(v reflect.Value, text string) string {
		p := reflect.New(t.Elem())
		problem := element(p.Elem(), text)
		if problem == "" {
			v.Set(p)
		}
		return problem
	}
}

// isEndless reports whether a pointer type points to itself, as in type P *P.
func isEndless(t reflect.Type) bool {
	seen := make(map[reflect.Type]bool)
	for ; t.Kind() == reflect.Pointer; t = t.Elem() {
		if seen[t] {
			return true
		}
		seen[t] = true
	}
	return false
}

func setString(v reflect.Value, text string) string {
	if !utf8.ValidString(text) {
		return "must be valid UTF-8"
	}
	v.SetString(text)
	return ""
}

// setBool accepts the values of [strconv.ParseBool], and "on" and "off". Browsers send
// "on" for a checkbox without a value.
func setBool(v reflect.Value, text string) string {
	value, err := strconv.ParseBool(text)
	switch {
	case err == nil:
		v.SetBool(value)
	case text == "on" || text == "off":
		v.SetBool(text == "on")
	default:
		return "must be true or false"
	}
	return ""
}

func setInt(v reflect.Value, text string) string {
	value, err := strconv.ParseInt(text, 10, 64)
	if err == nil && !v.OverflowInt(value) {
		v.SetInt(value)
		return ""
	}
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return "must be an integer"
	}
	most := int64(math.MaxInt64) >> (64 - v.Type().Bits())
	return fmt.Sprintf("must be an integer from %d to %d", -most-1, most)
}

func setUint(v reflect.Value, text string) string {
	value, err := strconv.ParseUint(text, 10, 64)
	if err == nil && !v.OverflowUint(value) {
		v.SetUint(value)
		return ""
	}
	if err != nil && !errors.Is(err, strconv.ErrRange) && !isNegative(text) {
		return "must be an integer"
	}
	return fmt.Sprintf("must be an integer from 0 to %d", uint64(math.MaxUint64)>>(64-v.Type().Bits()))
}

// isNegative reports whether text is a negative decimal integer.
func isNegative(text string) bool {
	digits, ok := strings.CutPrefix(text, "-")
	return ok && digits != "" && strings.Trim(digits, "0123456789") == ""
}

// setFloat accepts decimal numbers. [strconv.ParseFloat] also accepts hexadecimal
// numbers, infinities and NaN, which few programs expect. For example, a NaN passes the
// check x > max, and cannot be encoded as JSON.
func setFloat(v reflect.Value, text string) string {
	if strings.Trim(text, "+-.0123456789eE") != "" {
		return "must be a number"
	}
	value, err := strconv.ParseFloat(text, v.Type().Bits())
	switch {
	case err == nil:
		v.SetFloat(value)
		return ""
	case errors.Is(err, strconv.ErrRange):
		return "is out of range"
	}
	return "must be a number"
}

func setDuration(v reflect.Value, text string) string {
	value, err := time.ParseDuration(text)
	if err != nil {
		return "must be a duration such as 1m30s"
	}
	v.SetInt(int64(value))
	return ""
}

func setTime(v reflect.Value, text string) string {
	if setText(v, text) != "" {
		return "must be a time such as 2006-01-02T15:04:05Z"
	}
	return ""
}

// setText calls the UnmarshalText method of v. The error of the method may reveal
// internals, so the client gets a general message.
func setText(v reflect.Value, text string) string {
	if v.Kind() == reflect.Map {
		// A method with a value receiver can only fill the map, and the program may share
		// the map of its default.
		v.Set(reflect.MakeMap(v.Type()))
	}
	if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text)); err != nil {
		return "is not valid"
	}
	return ""
}
