package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/stanza-go/framework/pkg/http/internal/demo/board"
)

// The names in Redis of a hash with the tasks as JSON by ID, and of the highest ID
// so far. The braces place both on the same node of a Redis Cluster.
const (
	tasksKey  = prefix + "{tasks}"
	lastIDKey = prefix + "{tasks}:last"
)

// add adds a task and returns its id, or 0 if the board is full. Redis runs scripts
// atomically.
var add = redis.NewScript(`
if redis.call("HLEN", KEYS[1]) >= tonumber(ARGV[2]) then
	return 0
end
local id = redis.call("INCR", KEYS[2])
redis.call("HSET", KEYS[1], id, ARGV[1])
return id
`)

// replace replaces a task that has not changed, and returns what has happened.
var replace = redis.NewScript(`
local stored = redis.call("HGET", KEYS[1], ARGV[1])
if not stored then
	return "missing"
end
if stored ~= ARGV[2] then
	return "changed"
end
redis.call("HSET", KEYS[1], ARGV[1], ARGV[3])
return "replaced"
`)

// remove deletes tasks and returns their ids.
var remove = redis.NewScript(`
local deleted = {}
for _, id in ipairs(ARGV) do
	if redis.call("HDEL", KEYS[1], id) == 1 then
		table.insert(deleted, tonumber(id))
	end
end
return deleted
`)

// A taskStore keeps tasks in Redis.
type taskStore struct{ client *redis.Client }

// Tasks implements board.Store.
func (s *taskStore) Tasks(ctx context.Context) ([]board.Task, int64, error) {
	// A transaction, because a task with an id up to the last one that is not in
	// the hash must have been deleted.
	transaction := s.client.TxPipeline()
	last := transaction.Get(ctx, lastIDKey)
	all := transaction.HGetAll(ctx, tasksKey)
	if _, err := transaction.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) { // there is no last one yet
		return nil, 0, err
	}
	lastID, err := last.Int64()
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, 0, err
	}
	tasks := make([]board.Task, 0, len(all.Val()))
	for id, text := range all.Val() {
		task, err := decode(id, text)
		if err != nil {
			return nil, 0, err
		}
		tasks = append(tasks, task)
	}
	slices.SortFunc(tasks, func(a, b board.Task) int { return cmp.Compare(a.ID, b.ID) })
	return tasks, lastID, nil
}

// Task implements board.Store.
func (s *taskStore) Task(ctx context.Context, id int64) (board.Task, error) {
	text, err := s.client.HGet(ctx, tasksKey, strconv.FormatInt(id, 10)).Result()
	if errors.Is(err, redis.Nil) {
		return board.Task{}, board.ErrNotFound
	}
	if err != nil {
		return board.Task{}, err
	}
	return decode(strconv.FormatInt(id, 10), text)
}

// Add implements board.Store.
func (s *taskStore) Add(ctx context.Context, task board.Task, capacity int) (board.Task, error) {
	text, err := encode(task)
	if err != nil {
		return board.Task{}, err
	}
	task.ID, err = add.Run(ctx, s.client, []string{tasksKey, lastIDKey}, text, capacity).Int64()
	switch {
	case err != nil:
		return board.Task{}, err
	case task.ID == 0:
		return board.Task{}, board.ErrFull
	}
	return task, nil
}

// Replace implements board.Store.
func (s *taskStore) Replace(ctx context.Context, before, after board.Task) error {
	old, err := encode(before)
	if err != nil {
		return err
	}
	text, err := encode(after)
	if err != nil {
		return err
	}
	outcome, err := replace.Run(ctx, s.client, []string{tasksKey}, before.ID, old, text).Text()
	switch {
	case err != nil:
		return err
	case outcome == "missing":
		return board.ErrNotFound
	case outcome == "changed":
		return board.ErrChanged
	}
	return nil
}

// Delete implements board.Store.
func (s *taskStore) Delete(ctx context.Context, ids []int64) (deleted []int64, err error) {
	arguments := make([]any, len(ids))
	for i, id := range ids {
		arguments[i] = id
	}
	return remove.Run(ctx, s.client, []string{tasksKey}, arguments...).Int64Slice()
}

// encode returns a task as JSON, without its ID. Equal tasks have the same JSON.
func encode(task board.Task) (string, error) {
	task.ID = 0
	text, err := json.Marshal(task)
	return string(text), err
}

// decode is the reverse of encode.
func decode(id, text string) (task board.Task, err error) {
	if err = json.Unmarshal([]byte(text), &task); err == nil {
		task.ID, err = strconv.ParseInt(id, 10, 64)
	}
	if err != nil {
		return board.Task{}, fmt.Errorf("task %s in Redis: %w", id, err)
	}
	return task, nil
}
