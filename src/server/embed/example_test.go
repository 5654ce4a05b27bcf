package embed_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"quoin.dev/server/embed"
)

// A store inside of a program: no port is opened, and nothing is left but the directory.
func Example() {
	dir, err := os.MkdirTemp("", "store")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	server, err := embed.Start(embed.Private(dir), nil)
	if err != nil {
		panic(err)
	}
	defer server.Stop()
	store, err := server.Client()
	if err != nil {
		panic(err)
	}
	defer store.Close()

	if _, err := store.Put(ctx, "greeting", "hello"); err != nil {
		panic(err)
	}
	got, err := store.Get(ctx, "greeting")
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s at revision %d\n", got.Kvs[0].Value, got.Header.Revision)
	// Output: hello at revision 2
}
