// Command probe is the program that tests of nodes run on them: an HTTP server that does what it is asked to.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

// timeout bounds what the probe does for one request.
const timeout = 5 * time.Second

func main() {
	fmt.Println("probe begins", os.Args[2:])
	handle("/env", func(r *http.Request) (string, error) { return os.Getenv(r.FormValue("name")), nil })
	handle("/exit", func(r *http.Request) (string, error) {
		code, err := strconv.Atoi(r.FormValue("code"))
		if err == nil {
			os.Exit(code)
		}
		return "", err
	})
	handle("/say", func(r *http.Request) (string, error) {
		_, err := fmt.Println(r.FormValue("text"))
		return "", err
	})
	handle("/write", func(r *http.Request) (string, error) {
		return "", os.WriteFile(r.FormValue("file"), []byte(r.FormValue("text")), 0o644)
	})
	handle("/from", func(r *http.Request) (string, error) { return r.RemoteAddr, nil })
	handle("/ask", ask)
	go endOnSignal()
	if err := http.ListenAndServe(os.Args[1], nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func endOnSignal() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	<-signals
	fmt.Println("probe ends")
	os.Exit(0)
}

func handle(path string, f func(*http.Request) (string, error)) {
	http.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		answer, err := f(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = io.WriteString(w, answer)
	})
}

// ask gets a URL, as seen from this node.
func ask(r *http.Request) (string, error) {
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.FormValue("url"), nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}
