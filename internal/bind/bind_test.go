package bind_test

import (
	"errors"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/bind"
	"github.com/stanza-go/framework/pkg/http/internal/query"
)

var plans = bind.PlansFor("q")

type page struct {
	Limit  int  `q:"limit,default=20"`
	Offset uint `q:"offset"`
}

type target struct {
	page
	Name    string        `q:"name"`
	Role    string        `q:"role,required"`
	Age     *int8         `q:"age"`
	OK      bool          `q:"ok"`
	Score   float64       `q:"score"`
	Wait    time.Duration `q:"wait,default=1s"`
	Tags    []string      `q:"tag"`
	IDs     []int64       `q:"id,comma,required"`
	Sort    []string      `q:"sort,comma,default=name,-age"`
	Deep    string        `q:"a[b][c]"`
	Color   *color        `q:"color"`
	Skipped string        `q:"-"`
	Ignored string
	hidden  string
}

// run binds a query to a target.
func run(raw string) (*target, map[string]string, error) {
	dst := &target{Name: "preset", Tags: []string{"preset"}, Ignored: "x", hidden: "x"}
	v := reflect.ValueOf(dst).Elem()
	problems, err := plans.Of(v.Type()).Query(v, raw)
	return dst, problems, err
}

// without returns a target with the values that it has if only role and id are given.
func without(change func(*target)) *target {
	dst := &target{page: page{Limit: 20}, Name: "preset", Role: "x", Wait: time.Second, Tags: []string{"preset"},
		IDs: []int64{1}, Sort: []string{"name", "-age"}, Ignored: "x", hidden: "x"}
	change(dst)
	return dst
}

func TestQuerySetsFields(t *testing.T) {
	t.Parallel()
	for raw, change := range map[string]func(*target){
		"":                                 func(*target) {},
		"name=a+b%21&ok=on&score=-1.5":     func(d *target) { d.Name, d.OK, d.Score = "a b!", true, -1.5 },
		"limit=5&offset=7&wait=2m":         func(d *target) { d.Limit, d.Offset, d.Wait = 5, 7, 2*time.Minute },
		"limit=&name=&wait=":               func(*target) {},
		"name=a&name=b&name=%zz":           func(d *target) { d.Name = "a" },
		"name=&name=b":                     func(*target) {},
		"tag=a&tag=b&tag=&tag=c,d":         func(d *target) { d.Tags = []string{"a", "b", "c,d"} },
		"id=2&id=,3,&id=4":                 func(d *target) { d.IDs = []int64{1, 2, 3, 4} },
		"id=%32%2C3":                       func(d *target) { d.IDs = []int64{1, 2, 3} },
		"sort=x":                           func(d *target) { d.Sort = []string{"x"} },
		"sort=":                            func(*target) {},
		"age=5&color=%23abc":               func(d *target) { d.Age, d.Color = pointer(int8(5)), &color{"abc"} },
		"a[b][c]=x&a=y&a[b]=z":             func(d *target) { d.Deep = "x" },
		"a%5Bb%5D%5Bc%5D=x":                func(d *target) { d.Deep = "x" },
		"%6eame=x":                         func(d *target) { d.Name = "x" },
		"NAME=x&Name=x&Skipped=x&-=x":      func(*target) {},
		"Ignored=y&hidden=y&page=y&=y&&x":  func(*target) {},
		"unknown=%zz&x=1;name=a&%zz=1&n;=": func(*target) {},
	} {
		got, problems, err := run("role=x&id=1&" + raw)
		if want := without(change); err != nil || problems != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v, %v; want %+v", raw, got, problems, err, want)
		}
	}
}

func TestQueryReportsAllProblems(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]map[string]string{
		"":                   {"role": "is required", "id": "is required"},
		"role=&id=,":         {"role": "is required", "id": "is required"},
		"role=x&id=1,x,y":    {"id": "value 2 must be an integer"},
		"role=x&id=1&id=%zz": {"id": "is not percent-encoded correctly"},
		"role=x&id=1&tag=a&tag=%ff&age=128&ok=maybe&score=NaN&wait=5&limit=x&offset=-1&color=red": {
			"tag": "value 2 must be valid UTF-8", "age": "must be an integer from -128 to 127", "ok": "must be true or false",
			"score": "must be a number", "wait": "must be a duration such as 1m30s", "limit": "must be an integer",
			"offset": "must be an integer from 0 to 18446744073709551615", "color": "is not valid",
		},
		"role=a;b=1&id=1":                                 {"role": "is not percent-encoded correctly"},
		"role=%&id=1&name=%zz":                            {"role": "is not percent-encoded correctly", "name": "is not percent-encoded correctly"},
		"role=%zz&role=x&id=1":                            {"role": "is not percent-encoded correctly"},
		"role=x&id=1&limit=x&limit=5":                     {"limit": "must be an integer"},
		"role=x&id=" + strings.Repeat("1,", 10_000) + "1": {"id": "has more than 10000 values"},
	} {
		if _, got, err := run(raw); err != nil || !maps.Equal(got, want) {
			t.Errorf("%.80s: %v, %v; want %v", raw, got, err, want)
		}
	}
}

func TestQueryOfManyParameters(t *testing.T) {
	t.Parallel()
	got, problems, err := run("role=x&id=1" + strings.Repeat("&tag=a", 1000))
	if err != nil || problems != nil || len(got.Tags) != 1000 {
		t.Errorf("one parameter 1,000 times: %d, %v, %v", len(got.Tags), problems, err)
	}
	if got, _, err := run("role=x&id=1" + strings.Repeat("&x=1", 9998)); err != nil || got.Role != "x" {
		t.Errorf("10,000 parameters: %v", err)
	}
	if _, _, err := run("role=x&id=1" + strings.Repeat("&x=1", 9999)); !errors.Is(err, query.ErrTooMany) {
		t.Errorf("10,001 parameters: %v", err)
	}
}

// A flagSet has a method with a value receiver.
type flagSet map[string]bool

func (s flagSet) UnmarshalText(text []byte) error {
	s[string(text)] = true
	return nil
}

func TestListsAndMapsDoNotShareMemoryWithDefaults(t *testing.T) {
	t.Parallel()
	preset := append(make([]string, 0, 8), "a", "b") // with room for more
	dst := target{Tags: preset}
	v := reflect.ValueOf(&dst).Elem()
	if _, err := plans.Of(v.Type()).Query(v, "role=x&id=1&tag=c"); err != nil || preset[0] != "a" {
		t.Errorf("%v; the preset is now %q", err, preset)
	}
	flags := struct {
		Flags flagSet `q:"flag"`
	}{flagSet{"preset": true}}
	shared := flags.Flags
	v = reflect.ValueOf(&flags).Elem()
	if _, err := plans.Of(v.Type()).Query(v, "flag=a"); err != nil || len(shared) != 1 || len(flags.Flags) != 1 || !flags.Flags["a"] {
		t.Errorf("%v; got %v; the preset is now %v", err, flags.Flags, shared)
	}
	one, _, _ := run("role=x&id=1")
	one.Sort[0] = "changed"
	if other, _, _ := run("role=x&id=1"); other.Sort[0] != "name" {
		t.Errorf("a request changed the default of the next: %q", other.Sort)
	}
}

// deep has tags only in a struct that is embedded in it.
type deep struct{ *endless }

// endless embeds itself.
type endless struct {
	*deep
	More struct{} // no tag
	page
}

// untagged is a struct whose fields are not set.
type untagged struct {
	A, B int `q:"-"`
}

func TestPlansOfWrongStructsPanic(t *testing.T) {
	t.Parallel()
	type Wrong struct {
		page
		*target
		*deep
		*endless
		*untagged
		Limit2   int               `q:"limit"`
		NoName   int               `q:",required"`
		Max      int               `q:"max,max=3,required"`
		Both     int               `q:"both,required,default=1"`
		Comma    int               `q:"comma,comma"`
		Default  int               `q:"default,default=x"`
		Defaults []int             `q:"defaults,comma,default=1,x"`
		Empty    string            `q:"empty,default="`
		hidden   int               `q:"hidden"`
		Map      map[string]string `q:"map"`
		Bytes    []byte            `q:"bytes"`
		Struct   struct{ A int }   `q:"struct"`
		Any      any               `q:"any"`
	}
	defer func() {
		text, _ := recover().(string)
		for _, want := range []string{"bind_test.go:", "Wrong.target: embed the struct", "Wrong.deep: embed the struct", `Wrong.Limit2: another field also has the name "limit"`,
			`Wrong.NoName: the tag ",required" has no name`, `Wrong.Max: unknown option "max=3"`,
			"Wrong.Both: the options required and default= are mutually exclusive", "Wrong.Comma: the option comma is only for slices",
			`Wrong.Default: the default "x" must be an integer`, `Wrong.Defaults: the default "1,x" value 2 must be an integer`,
			"Wrong.Empty: default= has no value; remove the option", "Wrong.hidden: the field is not exported", "Wrong.Map: the type map[string]string is not supported",
			"Wrong.Bytes: the type []uint8 is not", "Wrong.Struct: the type struct", "Wrong.Any: the type interface {} is not"} {
			if !strings.Contains(text, want) {
				t.Errorf("the panic does not contain %q:\n%s", want, text)
			}
		}
		if strings.Contains(text, "untagged") {
			t.Errorf("a pointer to a struct without tags is called a mistake:\n%s", text)
		}
	}()
	_, _ = Wrong{}.hidden, endless{}.deep // no program uses them
	plans.Of(reflect.TypeFor[Wrong]())
}

// naive binds a query to a target with the map of ParseQuery. It returns the names of the
// fields with problems.
func naive(raw string) (dst *target, wrong []string) {
	values := make(url.Values)
	malformed := make(map[string]int) // the number of well-formed values before
	for pair := range strings.SplitSeq(raw, "&") {
		one, err := url.ParseQuery(pair)
		if err == nil {
			for key, value := range one {
				values[key] = append(values[key], value...)
			}
			continue
		}
		key, _, _ := strings.Cut(pair, "=")
		key, err = url.QueryUnescape(key)
		if _, ok := malformed[key]; err == nil && !ok {
			malformed[key] = len(values[key])
		}
	}
	dst = &target{Name: "preset", Tags: []string{"preset"}, Ignored: "x", hidden: "x"}
	fail := func(name string) { wrong = append(wrong, name) }
	text := func(name string) string {
		if n, ok := malformed[name]; ok && n == 0 {
			fail(name)
			return ""
		}
		return values.Get(name)
	}
	list := func(name string, comma bool) (parts []string) {
		if _, ok := malformed[name]; ok {
			fail(name)
			return nil
		}
		for _, value := range values[name] {
			if comma {
				parts = append(parts, strings.Split(value, ",")...)
			} else {
				parts = append(parts, value)
			}
		}
		return slices.DeleteFunc(parts, func(s string) bool { return s == "" })
	}
	naiveScalars(dst, text, fail)
	naiveLists(dst, list, fail)
	return dst, wrong
}

func naiveScalars(dst *target, text func(string) string, fail func(string)) {
	dst.Limit, dst.Wait = 20, time.Second
	for name, set := range map[string]func(string) error{
		"limit":   func(s string) (err error) { dst.Limit, err = strconv.Atoi(s); return err },
		"offset":  func(s string) error { n, err := strconv.ParseUint(s, 10, 0); dst.Offset = uint(n); return err },
		"age":     func(s string) error { n, err := strconv.ParseInt(s, 10, 8); dst.Age = pointer(int8(n)); return err },
		"wait":    func(s string) (err error) { dst.Wait, err = time.ParseDuration(s); return err },
		"score":   func(s string) (err error) { dst.Score, err = finite[float64](s); return err },
		"color":   func(s string) error { dst.Color = new(color); return dst.Color.UnmarshalText([]byte(s)) },
		"ok":      func(s string) error { var ok bool; dst.OK, ok = convert[bool](s); return failure(ok) },
		"name":    func(s string) error { var ok bool; dst.Name, ok = convert[string](s); return failure(ok) },
		"role":    func(s string) error { var ok bool; dst.Role, ok = convert[string](s); return failure(ok) },
		"a[b][c]": func(s string) error { var ok bool; dst.Deep, ok = convert[string](s); return failure(ok) },
	} {
		if s := text(name); s != "" && set(s) != nil {
			fail(name)
		} else if s == "" && name == "role" {
			fail(name)
		}
	}
}

func naiveLists(dst *target, list func(string, bool) []string, fail func(string)) {
	if tags := list("tag", false); len(tags) > 0 {
		dst.Tags = tags
	}
	dst.Sort = []string{"name", "-age"}
	if sort := list("sort", true); len(sort) > 0 {
		dst.Sort = sort
	}
	for _, s := range slices.Concat(dst.Tags, dst.Sort) {
		if _, ok := convert[string](s); !ok {
			fail("tag or sort")
		}
	}
	ids := list("id", true)
	if len(ids) == 0 {
		fail("id")
	}
	for _, s := range ids {
		n, err := strconv.ParseInt(s, 10, 64)
		if dst.IDs = append(dst.IDs, n); err != nil {
			fail("id")
		}
	}
}

// failure returns an error unless ok is true.
func failure(ok bool) error {
	if ok {
		return nil
	}
	return errors.New("not valid")
}

func FuzzQuery(f *testing.F) {
	for _, raw := range []string{"role=x&id=1", "role=x&id=1,2&id=3&tag=a&tag=b", "role=x&id=1&limit=5&offset=7&age=1&ok=on&score=1.5&wait=2m",
		"role=%zz&id=1;2", "role=x&id=1&sort=a,b&color=%23abc&a[b][c]=1", "role=&role=x&id=,1,", "name=\xff&role=x&id=x", "%72ole=x&id=+1&age=300"} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, problems, err := run(raw)
		if err != nil {
			return // more than 10,000 parameters
		}
		want, wrong := naive(raw)
		if len(problems) == 0 != (len(wrong) == 0) {
			t.Fatalf("%q: %v, naive: %v", raw, problems, wrong)
		}
		for _, name := range wrong {
			if name != "tag or sort" && problems[name] == "" {
				t.Errorf("%q: %v, naive: %v", raw, problems, wrong)
			}
		}
		if len(wrong) == 0 && !reflect.DeepEqual(got, want) {
			t.Errorf("%q:\n%+v, naive:\n%+v", raw, got, want)
		}
		values, _ := url.ParseQuery(raw) // malformed pairs are compared above
		parsed := &target{Name: "preset", Tags: []string{"preset"}, Ignored: "x", hidden: "x"}
		v := reflect.ValueOf(parsed).Elem()
		if more := plans.Of(v.Type()).Values(v, values); len(wrong) == 0 && (len(more) > 0 || !reflect.DeepEqual(parsed, want)) {
			t.Errorf("%q: Values: %v, %+v", raw, more, parsed)
		}
	})
}
