// Command replay runs recorded etcdctl sessions with a program and prints where it answers differently.
//
//	QUOIN_TEST_ENDPOINT=127.0.0.1:2379 go run ./e2e/transcript/replay -program ./quoinctl kv txn
//
// The server must be fresh for kv, for misc and for auth; txn, watch, lease and lock_elect follow kv on the same server, and kv_extra
// wants one that was started on the golden directory single37.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"quoin.dev/quoin/e2e/transcript"
)

func main() {
	program := flag.String("program", "quoinctl", "the program to run")
	flag.Parse()
	if err := run(*program, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "replay:", err)
		os.Exit(1)
	}
}

func run(program string, files []string) error {
	endpoint := os.Getenv(transcript.EndpointVariable)
	if endpoint == "" {
		return fmt.Errorf("set %s to the server's host:port", transcript.EndpointVariable)
	}
	if len(files) == 0 {
		return errors.New("name the files to replay: kv, txn, watch, lease, lock_elect, auth, misc, kv_extra, cluster, noquorum, alarm_nospace")
	}
	failed := 0
	for _, file := range files {
		differences, err := replay(file, program, endpoint)
		if err != nil {
			return err
		}
		for _, d := range differences {
			fmt.Println(d)
		}
		fmt.Printf("%s: %d differences, %d records omitted\n", file, len(differences), len(transcript.Omitted(file)))
		failed += len(differences)
	}
	if failed > 0 {
		return fmt.Errorf("%d records differ", failed)
	}
	return nil
}

// replay takes the endpoints of all members for the files that were recorded with several.
func replay(file, program, endpoint string) ([]transcript.Difference, error) {
	switch file {
	case transcript.Cluster, transcript.NoQuorum, transcript.NoSpace:
		return transcript.ReplayCluster(context.Background(), file, program, strings.Split(endpoint, ","), nil)
	default:
		return transcript.Replay(context.Background(), file, program, endpoint)
	}
}
