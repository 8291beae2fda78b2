package shutdown

import (
	"context"
	"slices"
)

// A hook is a function that runs while the server is drained.
type hook struct {
	name string
	f    func(context.Context) error
}

// OnDrain registers f, which is called once, in a new goroutine, when the drain begins,
// or immediately if it has begun. [Registry.Drain] waits until f returns, and returns its
// error. If the context of Drain ends first, the context of f is canceled, and the error of
// Drain contains name, which must identify f. If OnDrain is called when the drain has
// finished, the context of f is canceled already, and Drain does not wait for f.
func (r *Registry) OnDrain(name string, f func(context.Context) error) {
	h := &hook{name, f}
	r.mu.Lock()
	r.hooks = append(r.hooks, h)
	late := r.hooksStarted
	r.mu.Unlock()
	if late {
		r.start(func() { r.call(h) })
	}
}

// startHooks calls the hooks that have been registered.
func (r *Registry) startHooks() {
	r.mu.Lock()
	r.hooksStarted = true
	hooks := slices.Clone(r.hooks)
	r.mu.Unlock()
	for _, h := range hooks {
		r.start(func() { r.call(h) })
	}
}

// call calls h. When h has returned, call removes it.
func (r *Registry) call(h *hook) {
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.hooks = slices.DeleteFunc(r.hooks, func(other *hook) bool { return other == h })
	}()
	if err := h.f(r.taskContext); err != nil {
		r.fail(err)
	}
}
