// Command holder takes a lock, writes under it what its stdin tells, and says whether it still could: a program that the
// tests can suspend while it believes that it holds the lock.
//
//	holder ENDPOINT LOCK TTL-SECONDS
//
// It prints "held REVISION" once it has the lock and "lost" when its session is over. For each line of stdin it puts the line
// under the key LOCK-value, on the condition that it owns the lock, and prints "written LINE" or "refused LINE".
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"quoin.dev/client"
	"quoin.dev/client/concurrency"
)

// patience bounds the wait for the lock and for each answer.
const patience = time.Minute

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: holder ENDPOINT LOCK TTL-SECONDS")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "holder:", err)
		os.Exit(1)
	}
}

func run(endpoint, lock, seconds string) error {
	ttl, err := strconv.Atoi(seconds)
	if err != nil {
		return fmt.Errorf("read the TTL: %w", err)
	}
	c, err := client.New(client.Config{Endpoints: []string{endpoint}, DialTimeout: patience})
	if err != nil {
		return err
	}
	defer c.Close()
	s, err := concurrency.NewSession(c, concurrency.WithTTL(ttl))
	if err != nil {
		return fmt.Errorf("begin a session: %w", err)
	}
	m := concurrency.NewMutex(s, lock)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := m.Lock(ctx); err != nil {
		return fmt.Errorf("take the lock: %w", err)
	}
	fmt.Println("held", m.Header().Revision)
	go func() {
		<-s.Done()
		fmt.Println("lost")
	}()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if err := write(c, m, lock+"-value", lines.Text()); err != nil {
			return fmt.Errorf("write %q: %w", lines.Text(), err)
		}
	}
	return nil
}

func write(c *client.Client, m *concurrency.Mutex, key, value string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := c.Txn(ctx).If(m.IsOwner()).Then(client.OpPut(key, value)).Commit()
	if err != nil {
		return err
	}
	if r.Succeeded {
		fmt.Println("written", value)
	} else {
		fmt.Println("refused", value)
	}
	return nil
}
