package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/demo/board"
	"github.com/stanza-go/framework/pkg/http/internal/feed"
	"github.com/stanza-go/framework/pkg/http/internal/testing/feedtest"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// A page is the state of a page. It applies events by the rules of web/js/board.js.
type page struct {
	tasks   map[int64]board.Task
	lastID  int64
	deleted map[int64]bool
	saved   map[string]int // how often each version of a task has come since the snapshot
}

// apply applies an event.
func (p *page) apply(e http.Event) error {
	switch e.Name {
	case "board":
		var all struct {
			Tasks  []board.Task `json:"tasks"`
			LastID int64        `json:"last_id"`
		}
		err := json.Unmarshal([]byte(e.Data), &all)
		*p = page{make(map[int64]board.Task), all.LastID, make(map[int64]bool), make(map[string]int)}
		for _, task := range all.Tasks {
			p.tasks[task.ID] = task
		}
		return err
	case "saved":
		var task board.Task
		err := json.Unmarshal([]byte(e.Data), &task)
		p.saved[fmt.Sprintf("%d at version %d", task.ID, task.Version)]++
		old, known := p.tasks[task.ID]
		if !p.deleted[task.ID] && (known && task.Version > old.Version || !known && task.ID > p.lastID) {
			p.tasks[task.ID] = task
		}
		return err
	case "deleted":
		var ids []int64
		err := json.Unmarshal([]byte(e.Data), &ids)
		for _, id := range ids {
			delete(p.tasks, id)
			p.deleted[id] = true
		}
		return err
	}
	return fmt.Errorf("unexpected event %+v", e)
}

// watch applies the events of a feed until there is the event named end. It calls
// loaded when the page has the board.
func (p *page) watch(t *testing.T, changes *http.Feed, loaded func()) {
	loaded = sync.OnceFunc(loaded)
	defer loaded()
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	for event, err := range changes.Follow(ctx, "") {
		if event.Name == "end" {
			return
		}
		if err == nil {
			err = p.apply(event)
		}
		if event.Name == "board" {
			loaded()
		}
		if err != nil {
			t.Error(err)
			return
		}
	}
}

// Pages that are opened at any time, on any instance, have the same board in the
// end, and get each change at most once.
func TestPagesOfTwoInstancesHaveTheSameBoard(t *testing.T) {
	t.Parallel()
	const writers, rounds = 4, 15
	tasks, events := board.NewMemory(), sharedStore{feedtest.NewMemory(1000)}
	instances := make([]*application, 2)
	for i := range instances {
		instances[i] = newApplication(1000, Stores{Tasks: tasks, Feeds: events})
		t.Cleanup(instances[i].close)
	}
	pages := make([]page, 6)
	var writing, loading, watching sync.WaitGroup
	for i := range writers {
		writing.Go(func() { change(t, instances[i%2].tasks, instances[(i+1)%2].tasks, rounds) })
	}
	for i := range pages {
		loading.Add(1)
		watching.Go(func() { pages[i].watch(t, instances[i%2].changes, loading.Done) })
	}
	writing.Wait()
	loading.Wait()
	if _, err := instances[0].changes.Publish(t.Context(), http.Event{Name: "end"}); err != nil {
		t.Fatal(err)
	}
	watching.Wait()

	all, _, err := instances[0].tasks.All(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := make(map[int64]board.Task)
	for _, task := range all {
		want[task.ID] = task
	}
	for i, p := range pages {
		same := func(a, b board.Task) bool { return a.ID == b.ID && a.Version == b.Version && a.Status == b.Status }
		if !maps.EqualFunc(p.tasks, want, same) {
			t.Errorf("page %d has %d tasks, the board %d", i, len(p.tasks), len(want))
		}
		for version, times := range p.saved {
			if times > 1 {
				t.Errorf("page %d got task %s %d times", i, version, times)
			}
		}
	}
}

// change adds tasks to one board, and changes and deletes them on another.
func change(t *testing.T, here, there *board.Board, rounds int) {
	ctx := t.Context()
	for n := range rounds {
		task, err := here.Add(ctx, board.Draft{Title: "x"})
		if err != nil {
			t.Error(err)
			return
		}
		for _, b := range []*board.Board{there, here} {
			status := board.Statuses()[n%3]
			if _, err := b.Update(ctx, task.ID, board.Edit{Status: &status}); err != nil {
				t.Error(err)
			}
		}
		if n%3 == 0 {
			if _, _, err := there.Delete(ctx, task.ID); err != nil {
				t.Error(err)
			}
		}
	}
}

// Two instances with the same stores are one application, except for the people
// in the chat.
func TestTwoInstances(t *testing.T) {
	t.Parallel()
	stores := Stores{Tasks: board.NewMemory(), Feeds: sharedStore{feedtest.NewMemory(1000)}}
	here, there := serve(t, 10, stores), serve(t, 10, stores)
	stream := there.follow(t, "", "")
	stream.want("board", `{"last_id":0,"tasks":[]}`)
	if got := here.send(t, "POST", "/api/tasks", `{"title":"new"}`); got.StatusCode != 201 {
		t.Fatalf("%d %s", got.StatusCode, got.Body)
	}
	seen := stream.want("saved", `{"id":1,"title":"new","description":"","status":"todo","version":1,"created_at":"T","updated_at":"T"}`)
	stream.cancel()

	if got := there.send(t, "PATCH", "/api/tasks/1", `{"status":"done","version":1}`); got.StatusCode != 200 {
		t.Fatalf("%d %s", got.StatusCode, got.Body)
	}
	if got := here.send(t, "PATCH", "/api/tasks/1", `{"status":"doing","version":1}`); got.StatusCode != 409 {
		t.Errorf("a conflict: got %d %s", got.StatusCode, got.Body)
	}
	// The page reconnects to the other instance.
	here.follow(t, "?lastEventID="+seen, "").want("saved",
		`{"id":1,"title":"new","description":"","status":"done","version":2,"created_at":"T","updated_at":"T"}`)

	ann, bea := here.join(t, "Ann", ""), there.join(t, "Bea", "")
	ann.sees("Ann")
	ann.say("1", "hello")
	bea.hears("Ann: hello")
	bea.say("2", "hi")
	ann.hears("Ann: hello")
	ann.hears("Bea: hi")
	bea.say("1", "hello") // has been said already
	bea.say("3", "bye")
	bea.hears("Bea: hi")
	bea.hears("Bea: bye")
	again := here.join(t, "Bea", bea.seen)
	ann.say("4", "bye")
	again.hears("Ann: bye")
}

// A changed task is announced even if the first attempt fails and the client has
// disconnected.
func TestChangeIsPublishedAgain(t *testing.T) {
	t.Parallel()
	events := &lossyStore{sharedStore: sharedStore{feedtest.NewMemory(1000)}, failures: 3}
	a := newApplication(10, Stores{Feeds: events})
	t.Cleanup(a.close)
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // the client has disconnected
	if _, err := a.tasks.Add(ctx, board.Draft{Title: "new"}); err != nil {
		t.Fatal(err)
	}
	if got := events.contents("board"); len(got) != 1 || got[0].Name != "saved" {
		t.Errorf("%d events, want one: %+v", len(got), got)
	}
}

// A lossyStore adds events, but reports errors at first.
type lossyStore struct {
	sharedStore
	mu       sync.Mutex
	failures int
}

// Append implements http.FeedStore.
func (s *lossyStore) Append(ctx context.Context, name string, e http.Event) (string, error) {
	id, err := s.sharedStore.Append(ctx, name, e)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failures--; s.failures >= 0 {
		return "", errors.New("the answer is lost")
	}
	return id, err
}

// sharedStore is a store in memory that several applications share.
type sharedStore struct{ memory *feedtest.Memory }

// Append implements http.FeedStore.
func (s sharedStore) Append(ctx context.Context, name string, e http.Event) (string, error) {
	return s.memory.Append(ctx, name, feed.Event{Name: e.Name, Data: e.Data, Key: e.Key})
}

// Read implements http.FeedStore.
func (s sharedStore) Read(ctx context.Context, after []http.FeedPosition) ([]http.FeedPage, error) {
	positions := make([]feed.Position, len(after))
	for i, p := range after {
		positions[i] = feed.Position(p)
	}
	read, err := s.memory.Read(ctx, positions)
	pages := make([]http.FeedPage, len(read))
	for i, p := range read {
		pages[i] = http.FeedPage{First: p.First, Next: p.Next, More: p.More, Gap: p.Gap}
		for _, e := range p.Events {
			pages[i].Events = append(pages[i].Events, http.Event{ID: e.ID, Name: e.Name, Data: e.Data, Key: e.Key})
		}
	}
	return pages, err
}

// Watch implements http.FeedStore.
func (s sharedStore) Watch(ctx context.Context, changed func(string)) error {
	return s.memory.Watch(ctx, changed)
}

// contents returns the events of a feed.
func (s sharedStore) contents(name string) []feed.Event {
	pages, err := s.memory.Read(context.Background(), []feed.Position{{Feed: name}})
	if err != nil {
		return nil
	}
	return pages[0].Events
}
