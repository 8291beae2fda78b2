package http_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	nethttp "net/http"
	"syscall"
	"time"

	"github.com/stanza-go/framework/pkg/http"
)

// A program with lifecycle hooks calls Start and Stop. Other programs call
// [http.Server.Run].
func ExampleServer() {
	router := http.NewRouter()
	router.HandleFunc("GET /hello", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "hello")
	})
	server := http.NewServer(router, http.WithAddr("127.0.0.1:0"))
	if err := server.Start(context.Background()); err != nil {
		log.Fatal(err)
	}

	res, err := http.Get("http://" + server.Addr() + "/hello")
	if err != nil {
		log.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	fmt.Println(string(body), err)

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	fmt.Println(server.Stop(ctx))
	// Output:
	// hello <nil>
	// <nil>
}

// Every option has a default.
func ExampleNewServer() {
	router := http.NewRouter()
	server := http.NewServer(router)
	fmt.Println(server.Addr())

	server = http.NewServer(router,
		http.WithAddr("localhost:9000"),
		http.WithReadTimeout(time.Minute),
		http.WithWriteTimeout(time.Minute),
	)
	fmt.Println(server.Addr())
	// Output:
	// :8080
	// localhost:9000
}

// If the address is in use, Start returns the error.
func ExampleServer_Start() {
	ctx := context.Background()
	first := http.NewServer(http.NewRouter(), http.WithAddr("127.0.0.1:0"))
	if err := first.Start(ctx); err != nil {
		log.Fatal(err)
	}
	defer first.Stop(ctx)

	second := http.NewServer(http.NewRouter(), http.WithAddr(first.Addr()))
	err := second.Start(ctx)
	fmt.Println(errors.Is(err, syscall.EADDRINUSE))
	// Output: true
}

// Stop waits for active requests. This one sends its response only after Stop
// has been called.
func ExampleServer_Stop() {
	started := make(chan struct{})
	stopping := make(chan struct{})
	router := http.NewRouter()
	router.HandleFunc("GET /report", func(w http.ResponseWriter, r *http.Request) {
		close(started)
		<-stopping
		io.WriteString(w, "the complete report")
	})
	server := http.NewServer(router,
		http.WithAddr("127.0.0.1:0"),
		http.WithHTTPServer(func(hs *nethttp.Server) {
			hs.RegisterOnShutdown(func() { close(stopping) })
		}),
	)
	if err := server.Start(context.Background()); err != nil {
		log.Fatal(err)
	}

	report := make(chan []byte)
	go func() {
		res, err := http.Get("http://" + server.Addr() + "/report")
		if err != nil {
			log.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			log.Fatal(err)
		}
		report <- body
	}()
	<-started

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := server.Stop(ctx)
	fmt.Printf("%s %v\n", <-report, err)
	// Output: the complete report <nil>
}

// Stop closes WebSockets with code 1001. Their handlers only need to return
// when reading fails.
func ExampleServer_Stop_webSocket() {
	router := http.NewRouter()
	router.HandleFunc("GET /ws", func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			return // Upgrade has sent an error response
		}
		defer conn.Close()
		for {
			if _, _, err := conn.ReadMessage(); err != nil {
				return
			}
		}
	})
	server := http.NewServer(router, http.WithAddr("127.0.0.1:0"))
	if err := server.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	conn, _, err := http.Dial(context.Background(), "ws://"+server.Addr()+"/ws", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()

	stopped := make(chan error)
	go func() { stopped <- server.Stop(context.Background()) }()
	_, _, err = conn.ReadMessage()
	var closeErr *http.CloseError
	if errors.As(err, &closeErr) {
		fmt.Println(closeErr.Code == http.CloseGoingAway)
	}
	fmt.Println(<-stopped)
	// Output:
	// true
	// <nil>
}

// The function flushes a queue while the last requests finish.
func ExampleServer_OnDrain() {
	server := http.NewServer(http.NewRouter(), http.WithAddr("127.0.0.1:0"))
	server.OnDrain(func(ctx context.Context) {
		fmt.Println("flushing the queue")
	})
	if err := server.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	if err := server.Stop(context.Background()); err != nil {
		log.Fatal(err)
	}
	fmt.Println("stopped")
	// Output:
	// flushing the queue
	// stopped
}

// Most main functions end with Run. It returns after SIGINT (Ctrl-C) or SIGTERM
// or, as in this example, when its context is canceled.
func ExampleServer_Run() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	router := http.NewRouter()
	router.HandleFunc("POST /quit", func(w http.ResponseWriter, r *http.Request) { cancel() })
	server := http.NewServer(router, http.WithListener(listener))

	go func() {
		res, err := http.Post("http://"+server.Addr()+"/quit", "", nil)
		if err != nil {
			log.Fatal(err)
		}
		res.Body.Close()
	}()
	if err := server.Run(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println("stopped")
	// Output: stopped
}

// If the port is 0, the system chooses a free one when the server starts.
func ExampleServer_Addr() {
	server := http.NewServer(http.NewRouter(), http.WithAddr("127.0.0.1:0"))
	fmt.Println(server.Addr())
	if err := server.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	defer server.Stop(context.Background())
	fmt.Println(server.Addr() != "127.0.0.1:0")
	// Output:
	// 127.0.0.1:0
	// true
}

// A program that waits for several events also receives from Err. In this
// example, the server fails because its listener is closed.
func ExampleServer_Err() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := http.NewServer(http.NewRouter(), http.WithListener(listener))
	if err := server.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	listener.Close()

	jobs := make(chan string)
	select {
	case job := <-jobs:
		fmt.Println("job:", job)
	case err := <-server.Err():
		fmt.Println("failed:", errors.Is(err, net.ErrClosed))
	}
	fmt.Println(server.Stop(context.Background()))
	// Output:
	// failed: true
	// <nil>
}
