package interop

import (
	"bytes"
	"fmt"
	"os/exec"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"quoin.dev/quoin/e2e/interop/lab"
)

// TestMakeMirror copies from etcd to quoin and back, while each of them is killed once. The programs of etcd and of quoin
// take the same flags.
func TestMakeMirror(t *testing.T) {
	t.Parallel()
	if lab.Subject(t) != lab.Quoin {
		t.Skip("it is about quoinctl")
	}
	for _, kinds := range [][2]lab.Kind{{lab.Etcd, lab.Quoin}, {lab.Quoin, lab.Etcd}} {
		t.Run(fmt.Sprintf("%s-%s", kinds[0], kinds[1]), func(t *testing.T) {
			t.Parallel()
			from, to := lab.StartOne(t, kinds[0]), lab.StartOne(t, kinds[1])
			source, copied := lab.Client(t, from), lab.Client(t, to)
			for i := range 300 {
				must[*clientv3.PutResponse](t)(source.Put(t.Context(), fmt.Sprintf("app/%03d", i), "before"))
			}
			must[*clientv3.PutResponse](t)(source.Put(t.Context(), "other", "not copied"))
			startMirror(t, "--endpoints="+from.Endpoint, "make-mirror", "--prefix=app/", "--dest-prefix=copy/", to.Endpoint)
			change := func(round int) {
				for i := range 50 {
					left, right := fmt.Sprintf("app/left/%d", i%7), fmt.Sprintf("app/right/%d", i%7)
					ops := []clientv3.Op{clientv3.OpPut(left, fmt.Sprint(round, i)), clientv3.OpPut(right, fmt.Sprint(round, i))}
					if i%9 == 8 {
						ops = []clientv3.Op{clientv3.OpDelete(left), clientv3.OpDelete(right), clientv3.OpDelete(fmt.Sprintf("app/%03d", i))}
					}
					must[*clientv3.TxnResponse](t)(source.Txn(t.Context()).Then(ops...).Commit())
				}
			}
			change(1)
			awaitCopy(t, source, copied)
			to.Kill(t)
			change(2)
			to.Start(t, kinds[1])
			awaitCopy(t, source, copied)
			from.Kill(t)
			from.Start(t, kinds[0])
			succeeding(t, func() (*clientv3.GetResponse, error) { return source.Get(deadline(t), "app/") }) // it is connected again
			change(3)
			awaitCopy(t, source, copied)
		})
	}
}

// startMirror runs quoinctl until the end of the test, which it must reach.
func startMirror(t *testing.T, args ...string) {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(lab.Binary(t, "quoinctl"), args...)
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	t.Cleanup(func() {
		select {
		case err := <-exited:
			t.Errorf("the mirror ended: %v\n%s", err, &stderr)
		default:
			_ = cmd.Process.Kill()
			<-exited
			t.Logf("the mirror said:\n%s", &stderr)
		}
	})
}

// awaitCopy waits until the copy is the source.
func awaitCopy(t *testing.T, source, copied *clientv3.Client) {
	t.Helper()
	contents := func(c *clientv3.Client, prefix string) map[string]string {
		resp, err := c.Get(t.Context(), prefix, clientv3.WithPrefix())
		if err != nil {
			return nil
		}
		all := map[string]string{}
		for _, kv := range resp.Kvs {
			all[string(kv.Key[len(prefix):])] = string(kv.Value)
		}
		return all
	}
	want := fmt.Sprint(contents(source, "app/"))
	var got string
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if got = fmt.Sprint(contents(copied, "copy/")); got == want {
			return
		}
	}
	t.Fatalf("the copy is\n%s\nthe source\n%s", got, want)
}
