package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/compare/tools"
	"github.com/stanza-go/framework/pkg/http/internal/demo/app"
	"github.com/stanza-go/framework/pkg/http/internal/demo/board"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// startRedis starts a Redis server, which runs until the test ends, and returns
// the path of its socket.
func startRedis(t *testing.T) (socket string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "redis") // the path of t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket = filepath.Join(dir, "s")
	cmd := tools.StartRedis(t, dir, "--port", "0", "--unixsocket", socket)
	t.Cleanup(func() { tools.StopRedis(cmd) })
	return socket
}

// connect returns the stores of a process.
func connect(t *testing.T, socket string) app.Stores {
	t.Helper()
	stores, err := open(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stores.Tasks.(*taskStore).client.Close() })
	return stores
}

// boards returns the boards of two processes with the same Redis.
func boards(t *testing.T, capacity int) (here, there *board.Board) {
	t.Helper()
	socket := startRedis(t)
	return board.New(board.Config{Capacity: capacity, Store: connect(t, socket).Tasks}),
		board.New(board.Config{Capacity: capacity, Store: connect(t, socket).Tasks})
}

func TestOnlyTheFirstProcessAddsTheFirstTasks(t *testing.T) {
	t.Parallel()
	socket := startRedis(t)
	if connect(t, socket).Used {
		t.Error("a new Redis is said to be used")
	}
	for range 2 {
		if !connect(t, socket).Used {
			t.Error("Redis is said to be new a second time")
		}
	}
}

func TestMissingRedisIsAClearError(t *testing.T) {
	t.Parallel()
	_, err := open(t.Context(), filepath.Join(t.TempDir(), "none"))
	if err == nil || !strings.Contains(err.Error(), "give its address with -redis") {
		t.Errorf("error %v", err)
	}
}

// A board in Redis behaves like one in memory: this runs the same steps on both,
// and compares the results.
func TestBoardInRedisIsLikeOneInMemory(t *testing.T) {
	t.Parallel()
	here, there := boards(t, 3)
	local := board.New(board.Config{Capacity: 3})
	got := steps(t.Context(), here, there)
	want := steps(t.Context(), local, local)
	if !slices.Equal(got, want) {
		t.Errorf("in Redis:\n%s\nin memory:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// steps uses two boards that have the same tasks, and returns the results without
// the times.
func steps(ctx context.Context, here, there *board.Board) (results []string) {
	note := func(values ...any) {
		for i, value := range values {
			if task, ok := value.(board.Task); ok {
				values[i] = fmt.Sprintf("%d %q %q %s v%d", task.ID, task.Title, task.Description, task.Status, task.Version)
			}
		}
		results = append(results, fmt.Sprintln(values...))
	}
	task := func(task board.Task, err error) { note(task, err) }
	deletion := func(deleted, missing []int64, err error) { note(deleted, missing, err) }
	all := func() {
		tasks, lastID, err := here.All(ctx)
		note(len(tasks), tasks == nil, lastID, err)
		for _, listed := range tasks {
			note(listed)
		}
	}
	one, two := int64(1), int64(2)
	title, done := "<b>ü</b> \u2028", board.Done
	all()
	task(here.Task(ctx, 1))
	deletion(here.Delete(ctx))
	deletion(here.Delete(ctx, 1))
	task(here.Add(ctx, board.Draft{Title: "one", Description: "a\nb"}))
	task(there.Add(ctx, board.Draft{Title: "two", Status: board.Doing}))
	task(here.Add(ctx, board.Draft{}))
	task(here.Add(ctx, board.Draft{Title: "three"}))
	task(there.Add(ctx, board.Draft{Title: "four"}))
	task(here.Update(ctx, 1, board.Edit{Title: &title, Version: &one}))
	task(there.Update(ctx, 1, board.Edit{Status: &done, Version: &one}))
	task(there.Update(ctx, 1, board.Edit{Status: &done, Version: &two}))
	task(there.Update(ctx, 1, board.Edit{Status: &done}))
	task(there.Update(ctx, 9, board.Edit{Status: &done}))
	all()
	deletion(there.Delete(ctx, 3, 1, 9, 3))
	task(here.Task(ctx, 1))
	task(here.Update(ctx, 1, board.Edit{Status: &done}))
	task(here.Add(ctx, board.Draft{Title: "five"}))
	all()
	return results
}

// Times survive being stored, so that an edit finds the task unchanged.
func TestTaskIsReadAsItWasStored(t *testing.T) {
	t.Parallel()
	here, there := boards(t, 1)
	added, err := here.Add(t.Context(), board.Draft{Title: "one"})
	if err != nil {
		t.Fatal(err)
	}
	if read, err := there.Task(t.Context(), added.ID); err != nil || read != added {
		t.Errorf("read %+v, %v\nadded %+v", read, err, added)
	}
}

// No update is lost if each includes the version that it changes, and the board
// does not exceed its capacity.
func TestProcessesChangeTheBoardAtOnce(t *testing.T) {
	t.Parallel()
	const capacity, goroutines, rounds = 5, 8, 20
	here, there := boards(t, capacity)
	ctx := t.Context()
	counter, err := here.Add(ctx, board.Draft{Title: "counter"})
	if err != nil {
		t.Fatal(err)
	}
	var updates atomic.Int64
	var group sync.WaitGroup
	for n := range goroutines {
		b := []*board.Board{here, there}[n%2]
		group.Go(func() {
			for range rounds {
				seen, err := b.Task(ctx, counter.ID)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := b.Update(ctx, counter.ID, board.Edit{Version: &seen.Version}); err == nil {
					updates.Add(1)
				} else if !errors.Is(err, board.ErrChanged) {
					t.Error(err)
				}
				if _, err := b.Update(ctx, counter.ID, board.Edit{}); err != nil { // any version
					t.Error(err)
				}
				updates.Add(1)
				if task, err := b.Add(ctx, board.Draft{Title: "x"}); err == nil {
					_, _, err = b.Delete(ctx, task.ID)
					if err != nil {
						t.Error(err)
					}
				} else if !errors.Is(err, board.ErrFull) {
					t.Error(err)
				}
				if tasks, _, err := b.All(ctx); err != nil || len(tasks) > capacity {
					t.Errorf("%d tasks on a board for %d, %v", len(tasks), capacity, err)
				}
			}
		})
	}
	group.Wait()
	if task, err := there.Task(ctx, counter.ID); err != nil || task.Version != 1+updates.Load() {
		t.Errorf("after %d updates: %+v, %v", updates.Load(), task, err)
	}
}

// The program serves the board that is in Redis. The browser tests of the demo run
// it too, twice on one Redis.
func TestProgramServesTheBoardInRedis(t *testing.T) {
	t.Parallel()
	socket := startRedis(t)
	b := board.New(board.Config{Capacity: 100, Store: connect(t, socket).Tasks})
	if _, err := b.Add(t.Context(), board.Draft{Title: "Only task"}); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "demo")
	testkit.Run(t, "", "go", "build", "-o", program, ".")
	url := start(t, program, "-redis", socket, "-addr", "127.0.0.1:0")
	res := testkit.Do(t, http.DefaultClient, testkit.NewRequest("GET", url+"/api/tasks", ""))
	if res.StatusCode != 200 || !strings.Contains(res.Body, `"title":"Only task"`) || !strings.Contains(res.Body, `"total":1`) {
		t.Errorf("got %d %s", res.StatusCode, res.Body)
	}
}

// start runs the program until the test ends, and returns its URL.
func start(t *testing.T, program string, args ...string) (url string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	stderr := new(testkit.Log)
	cmd.Stderr = stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // fails only if it has ended already
		_ = cmd.Wait()         // reports the kill
		if stderr.String() != "" {
			t.Errorf("the program printed %s", stderr)
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("no first line: %v\n%s", err, stderr)
	}
	url, found := strings.CutPrefix(line, "Task board at ")
	if !found {
		t.Fatalf("first line %q", line)
	}
	url, _, _ = strings.Cut(url, " ")
	return url
}
