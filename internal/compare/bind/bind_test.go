package bind_test

import (
	nethttp "net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/gin-gonic/gin/binding"
	"github.com/labstack/echo/v5"

	"github.com/stanza-go/framework/pkg/http"
)

// A list has eight fields, with the tags of all contenders.
type list struct {
	Page   int     `query:"page" form:"page"`
	Limit  uint16  `query:"limit" form:"limit"`
	Sort   string  `query:"sort" form:"sort"`
	Desc   bool    `query:"desc" form:"desc"`
	Min    float64 `query:"min" form:"min"`
	Max    int64   `query:"max" form:"max"`
	Status string  `query:"status" form:"status"`
	Cursor int32   `query:"cursor" form:"cursor"`
}

const (
	plain   = "page=2&limit=50&sort=created_at&desc=true&min=1.5&max=900&status=open&cursor=77"
	escaped = "page=2&limit=50&sort=created%5Fat&desc=true&min=1.5&max=900&status=in+progress&cursor=77"
	wrong   = "page=x&limit=70000&sort=a&desc=maybe&min=1.5&max=900&status=open&cursor=77"
)

// A contender binds the query of a request.
type contender struct {
	name string
	bind func(r *nethttp.Request, dst *list) bool
}

func contenders() []contender {
	var e echo.Echo
	return []contender{
		{"stanza", func(r *nethttp.Request, dst *list) bool { return http.ReadQuery(r, dst) == nil }},
		{"echo", func(r *nethttp.Request, dst *list) bool {
			return echo.BindQueryParams(e.NewContext(r, nil), dst) == nil
		}},
		{"gin", func(r *nethttp.Request, dst *list) bool {
			return (&gin.Context{Request: r}).ShouldBindQuery(dst) == nil
		}},
		{"by-hand", byHand},
	}
}

// byHand is what a program for net/http does.
func byHand(r *nethttp.Request, dst *list) bool {
	q := r.URL.Query()
	var errs [6]error
	var limit uint64
	var cursor int64
	dst.Page, errs[0] = strconv.Atoi(q.Get("page"))
	limit, errs[1] = strconv.ParseUint(q.Get("limit"), 10, 16)
	dst.Desc, errs[2] = strconv.ParseBool(q.Get("desc"))
	dst.Min, errs[3] = strconv.ParseFloat(q.Get("min"), 64)
	dst.Max, errs[4] = strconv.ParseInt(q.Get("max"), 10, 64)
	cursor, errs[5] = strconv.ParseInt(q.Get("cursor"), 10, 32)
	dst.Limit, dst.Cursor = uint16(limit), int32(cursor)
	dst.Sort, dst.Status = q.Get("sort"), q.Get("status")
	return errs == [6]error{}
}

func TestContendersBindAlike(t *testing.T) {
	for raw, want := range map[string]*list{
		plain:   {2, 50, "created_at", true, 1.5, 900, "open", 77},
		escaped: {2, 50, "created_at", true, 1.5, 900, "in progress", 77},
		wrong:   nil,
	} {
		for _, c := range contenders() {
			var got list
			ok := c.bind(httptest.NewRequest("GET", "/?"+raw, nil), &got)
			if ok != (want != nil) || ok && got != *want {
				t.Errorf("%s: %s: %t, %+v; want %+v", c.name, raw, ok, got, want)
			}
		}
	}
}

func BenchmarkQuery(b *testing.B) {
	for _, input := range []struct{ name, raw string }{{"query", plain}, {"query-escaped", escaped}, {"query-wrong", wrong}} {
		for _, c := range contenders() {
			b.Run("row="+input.name+"/by="+c.name, func(b *testing.B) {
				r := httptest.NewRequest("GET", "/?"+input.raw, nil)
				b.ReportAllocs()
				for b.Loop() {
					var dst list
					if c.bind(r, &dst) != (input.raw != wrong) {
						b.Fatal("the result is wrong")
					}
				}
			})
		}
	}
}

// BenchmarkForm includes a new body for each request.
func BenchmarkForm(b *testing.B) {
	var e echo.Echo
	for _, c := range []contender{
		{"stanza", func(r *nethttp.Request, dst *list) bool { return http.ReadForm(r, dst) == nil }},
		{"echo", func(r *nethttp.Request, dst *list) bool { return echo.BindBody(e.NewContext(r, nil), dst) == nil }},
		{"gin", func(r *nethttp.Request, dst *list) bool {
			return (&gin.Context{Request: r}).ShouldBindWith(dst, binding.FormPost) == nil
		}},
	} {
		b.Run("row=form/by="+c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := &nethttp.Request{Method: "POST", URL: new(url.URL), ContentLength: int64(len(plain)),
					Header: nethttp.Header{"Content-Type": {"application/x-www-form-urlencoded"}}}
				r.Body = body{strings.NewReader(plain)}
				var dst list
				if !c.bind(r, &dst) || dst.Cursor != 77 {
					b.Fatal("not bound")
				}
			}
		})
	}
}

type body struct{ *strings.Reader }

func (body) Close() error { return nil }
