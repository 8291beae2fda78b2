package http_test

import (
	"fmt"

	"github.com/stanza-go/framework/pkg/http"
)

// A store's Read method receives a slice of positions.
func ExampleFeedPosition() {
	position := http.FeedPosition{Feed: "news", After: "2.x7Kq"}
	fmt.Printf("the events of %s after %s\n", position.Feed, position.After)
	// Output:
	// the events of news after 2.x7Kq
}

// The Read method of a store returns a page for each position. This one reports that
// event 2 has been dropped, and that the feed continues with event 5.
func ExampleFeedPage() {
	page := http.FeedPage{
		Events: []http.Event{{ID: "5.x7Kq", Data: "five"}, {ID: "6.x7Kq", Data: "six"}},
		Next:   "6.x7Kq",
		Gap:    true,
	}
	fmt.Println(len(page.Events), page.Next, page.Gap)
	// Output:
	// 2 6.x7Kq true
}
