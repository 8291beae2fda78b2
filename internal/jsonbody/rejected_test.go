package jsonbody_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/jsonbody"
)

// A level accepts only the text "low".
type level string

func (l *level) UnmarshalText(text []byte) error {
	if *l = level(text); *l != "low" {
		return errors.New("secret reason")
	}
	return nil
}

// A counted counts the calls of its method, which always fails.
type counted struct{ calls *int }

func (c *counted) UnmarshalJSON([]byte) error {
	*c.calls++
	return errors.New("secret reason")
}

// places has values that methods reject at many places.
type places struct {
	Level   level              `json:"level"`
	Pointer **level            `json:"pointer"`
	List    []level            `json:"list"`
	Map     map[string][]level `json:"map"`
	Keys    map[level]int      `json:"keys"`
	Deep    []struct{ Time *time.Time }
	Next    *places `json:"next"`
	Any     any
	Name    string
	Prefix  []netip.Prefix
}

func TestDecodeNamesThePlaceOfRejectedText(t *testing.T) {
	t.Parallel()
	const noTime = ` has "noon" where a time such as 2006-01-02T15:04:05Z is expected`
	for body, want := range map[string]string{
		`{"level":"high"}`:                                                            `field "level" has a string that is not valid`,
		` { "name" : "x" , "LEVEL" : "high" } `:                                       `field "level" has a string that is not valid`,
		`{"\u006cevel":"high"}`:                                                       `field "level" has a string that is not valid`,
		`{"level":"low","pointer":"high"}`:                                            `field "pointer" has a string that is not valid`,
		`{"pointer":null,"level":"high"}`:                                             `field "level" has a string that is not valid`,
		`{"list":["low","low","high"]}`:                                               `field "list[2]" has a string that is not valid`,
		`{"map":{"a":[],"b.c":["low","high"]}}`:                                       `field "map.b.c[1]" has a string that is not valid`,
		`{"Deep":[{},{"Time":null},{"Time":"noon"}]}`:                                 `field "Deep[2].Time"` + noTime,
		`{"next":{"next":{"level":"high"}}}`:                                          `field "next.next.level" has a string that is not valid`,
		`{"Any":{"level":"high"},"next":{"level":"high"}}`:                            `field "next.level" has a string that is not valid`,
		`{"Prefix":["10.0.0.0/8","10.0.0.0/99"]}`:                                     `field "Prefix[1]" has a string that is not valid`,
		`{"keys":{"high":1}}`:                                                         invalid,
		strings.Repeat(`{"next":`, 50) + `{"level":"high"}` + strings.Repeat(`}`, 50): `the JSON body has a string that is not valid`,
	} {
		var refusal *jsonbody.Error
		for _, decode := range []func([]byte, any) error{jsonbody.Decode, jsonbody.DecodeStrict} {
			if err := decode([]byte(body), new(places)); !errors.As(err, &refusal) || refusal.Message != want {
				t.Errorf("%.100s: %v, want %s", body, err, want)
			}
		}
	}
	// Go 1.27 reports the first mistake, and Go 1.26 the one of the method.
	for body, first := range map[string]string{
		`{"list":{"a":"high"},"level":"high"}`: `field "list" has an object where an array is expected`,
		`{"map":["high"],"level":"high"}`:      `field "map" has an array where an object is expected`,
	} {
		err := jsonbody.Decode([]byte(body), new(places))
		if text := fmt.Sprint(err); text != "http: "+first && text != `http: field "level" has a string that is not valid` {
			t.Errorf("%s: %v", body, err)
		}
	}
	var list []level
	if err := jsonbody.Decode([]byte(`["high"]`), &list); err == nil || err.Error() != "http: the JSON body has a string that is not valid" {
		t.Errorf("without a field: %v", err)
	}
}

// An UnmarshalJSON method may be slow, or depend on the destination.
func TestDecodeCallsUnmarshalJSONOnce(t *testing.T) {
	t.Parallel()
	calls := 0
	dst := struct{ Value counted }{counted{&calls}}
	if err := jsonbody.Decode([]byte(`{"Value":1}`), &dst); err == nil || err.Error() != "http: "+invalid || calls != 1 {
		t.Errorf("%d calls, %v", calls, err)
	}
}
