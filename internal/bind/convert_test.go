package bind_test

import (
	"encoding"
	"errors"
	"math"
	"math/big"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stanza-go/framework/pkg/http/internal/bind"
)

type (
	level   int8
	word    string
	timeout time.Duration
	// set has UnmarshalText with a value receiver.
	set map[string]bool
	// color has UnmarshalText with a pointer receiver.
	color struct{ rgb string }
)

func (s set) UnmarshalText(text []byte) error {
	s[string(text)] = true
	return nil
}

func (c *color) UnmarshalText(text []byte) error {
	if text[0] != '#' {
		return errors.New("secret")
	}
	c.rgb = string(text[1:])
	return nil
}

// pointer returns a pointer to a copy of v.
func pointer[T any](v T) *T { return &v }

func TestConversions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		want any    // the value, or a zero value of the type
		says string // the problem
	}{
		{"a b", "a b", ""},
		{"\xff", "", "must be valid UTF-8"},
		{"ü\x00", word("ü\x00"), ""},
		{"true", true, ""}, {"T", true, ""}, {"1", true, ""}, {"on", true, ""},
		{"false", false, ""}, {"0", false, ""}, {"off", false, ""},
		{"yes", false, "must be true or false"}, {"ON", false, "must be true or false"},
		{"-5", -5, ""}, {"+5", 5, ""}, {"007", 7, ""},
		{"abc", 0, "must be an integer"}, {"1.5", 0, "must be an integer"}, {"1e3", 0, "must be an integer"},
		{" 5", 0, "must be an integer"}, {"0x10", 0, "must be an integer"}, {"1_0", 0, "must be an integer"},
		{"٣", 0, "must be an integer"},
		{"127", level(127), ""},
		{"128", level(0), "must be an integer from -128 to 127"},
		{"-99999999999999999999", int16(0), "must be an integer from -32768 to 32767"},
		{"9223372036854775807", int64(math.MaxInt64), ""},
		{"9223372036854775808", int64(0), "must be an integer from -9223372036854775808 to 9223372036854775807"},
		{"2147483648", int32(0), "must be an integer from -2147483648 to 2147483647"},
		{"255", uint8(255), ""},
		{"256", uint8(0), "must be an integer from 0 to 255"}, {"-1", uint8(0), "must be an integer from 0 to 255"},
		{"-x", uint(0), "must be an integer"}, {"-", uint(0), "must be an integer"},
		{"18446744073709551615", uint64(math.MaxUint64), ""},
		{"18446744073709551616", uint64(0), "must be an integer from 0 to 18446744073709551615"},
		{"1.5", 1.5, ""}, {"-1e3", -1000.0, ""}, {".5", 0.5, ""}, {"1e-999", 0.0, ""}, {"0.1", float32(0.1), ""},
		{"NaN", 0.0, "must be a number"}, {"Inf", 0.0, "must be a number"}, {"-infinity", 0.0, "must be a number"},
		{"0x1p4", 0.0, "must be a number"}, {"1_0.0", 0.0, "must be a number"}, {"e", 0.0, "must be a number"}, {"1,5", 0.0, "must be a number"},
		{"1e999", 0.0, "is out of range"}, {"-1e999", 0.0, "is out of range"}, {"1e39", float32(0), "is out of range"},
		{"1m30s", 90 * time.Second, ""},
		{"5", time.Duration(0), "must be a duration such as 1m30s"},
		{"99999999h", time.Duration(0), "must be a duration such as 1m30s"},
		{"5", timeout(5), ""},
		{"2026-01-02T03:04:05Z", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), ""},
		{"2026-01-02", time.Time{}, "must be a time such as 2006-01-02T15:04:05Z"},
		{"2026-01-02T03:04:05 02:00", time.Time{}, "must be a time such as 2006-01-02T15:04:05Z"},
		{"::1", netip.MustParseAddr("::1"), ""},
		{"x", netip.Addr{}, "is not valid"},
		{"#abc", color{"abc"}, ""},
		{"abc", color{}, "is not valid"},
		{"a", set{"a": true}, ""},
		{"5", pointer(5), ""},
		{"x", (*int)(nil), "must be an integer"},
		{"5", pointer(pointer(level(5))), ""},
		{"#a", &color{"a"}, ""},
		{"99999999999999999999", pointer(new(big.Int)), "-"}, // checked below
	} {
		v := reflect.New(reflect.TypeOf(tt.want)).Elem()
		problem := bind.ConversionFor(v.Type()).Set(v, tt.text)
		if tt.says == "-" {
			if got := (*v.Interface().(**big.Int)).String(); got != tt.text {
				t.Errorf("%q: %s", tt.text, got)
			}
			continue
		}
		if problem != tt.says || !reflect.DeepEqual(v.Interface(), tt.want) {
			t.Errorf("%T from %q: %v, %q; want %v, %q", tt.want, tt.text, v, problem, tt.want, tt.says)
		}
	}
}

func TestTypesWithoutAConversion(t *testing.T) {
	t.Parallel()
	for _, v := range []any{
		struct{ A int }{}, []int{}, []byte{}, [2]int{}, map[string]int{}, make(chan int), func() {}, complex(1, 1), uintptr(1),
		&struct{ A int }{}, &[]string{}, new(any), new(encoding.TextUnmarshaler), new(error),
	} {
		if bind.ConversionFor(reflect.TypeOf(v)) != nil {
			t.Errorf("there is a conversion for %T", v)
		}
	}
	if bind.ConversionFor(reflect.TypeFor[any]()) != nil || bind.ConversionFor(reflect.TypeFor[encoding.TextUnmarshaler]()) != nil {
		t.Error("there is a conversion for an interface")
	}
}

// convert converts text to a T.
func convert[T any](text string) (value T, ok bool) {
	ok = bind.ConversionFor(reflect.TypeFor[T]()).Set(reflect.ValueOf(&value).Elem(), text) == ""
	return value, ok
}

// agree checks the conversion to T against a function of the standard library.
func agree[T comparable](t *testing.T, text string, parse func(text string) (T, error)) {
	t.Helper()
	want, err := parse(text)
	if err != nil {
		want = *new(T)
	}
	if got, ok := convert[T](text); got != want || ok != (err == nil) {
		t.Errorf("%T from %q: %v, %t; want %v, %v", want, text, got, ok, want, err)
	}
}

// integer returns strconv.ParseInt for a type.
func integer[T int | int8 | int16 | int32 | int64](text string) (T, error) {
	n, err := strconv.ParseInt(text, 10, reflect.TypeFor[T]().Bits())
	return T(n), err
}

// unsigned returns strconv.ParseUint for a type.
func unsigned[T uint | uint8 | uint16 | uint32 | uint64](text string) (T, error) {
	n, err := strconv.ParseUint(text, 10, reflect.TypeFor[T]().Bits())
	return T(n), err
}

// finite returns strconv.ParseFloat for a type, without the values that are not decimal.
func finite[T float32 | float64](text string) (T, error) {
	f, err := strconv.ParseFloat(text, reflect.TypeFor[T]().Bits())
	if math.IsNaN(f) || math.IsInf(f, 0) || strings.ContainsAny(text, "xX_") {
		return 0, strconv.ErrSyntax
	}
	return T(f), err
}

func FuzzConversions(f *testing.F) {
	for _, seed := range []string{"1", "-1", "300", "1e3", "0x1p4", "inf", "nan", "true", "on", "1h", "2026-01-02T03:04:05Z",
		"9223372036854775808", "\xff", "1.2.3.4", "٣", "1_000", "+1", "-0", "1e999", "-.5E-7"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if text == "" {
			return // counts as missing
		}
		agree(t, text, integer[int])
		agree(t, text, integer[int8])
		agree(t, text, integer[int16])
		agree(t, text, integer[int32])
		agree(t, text, integer[int64])
		agree(t, text, unsigned[uint])
		agree(t, text, unsigned[uint8])
		agree(t, text, unsigned[uint16])
		agree(t, text, unsigned[uint32])
		agree(t, text, unsigned[uint64])
		agree(t, text, finite[float32])
		agree(t, text, finite[float64])
		agree(t, text, time.ParseDuration)
		agree(t, text, netip.ParseAddr)
		agree(t, text, func(text string) (bool, error) {
			if text == "on" || text == "off" {
				return text == "on", nil
			}
			return strconv.ParseBool(text)
		})
		agree(t, text, func(text string) (string, error) {
			if !utf8.ValidString(text) {
				return "", errors.New("invalid UTF-8")
			}
			return text, nil
		})
		var want time.Time
		err := want.UnmarshalText([]byte(text))
		if got, ok := convert[time.Time](text); ok != (err == nil) || ok && !got.Equal(want) {
			t.Errorf("%q: %v, %t; want %v, %v", text, got, ok, want, err)
		}
	})
}
