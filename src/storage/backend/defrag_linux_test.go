package backend

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"golang.org/x/sys/unix"
)

// TestDiskThatBreaksDuringDefragmentation lets writes to the new file fail from some moment on, be it in the copying or in what
// is mirrored.
func TestDiskThatBreaksDuringDefragmentation(t *testing.T) {
	for _, mirrored := range []bool{false, true} {
		t.Run(fmt.Sprint("mirrored ", mirrored), func(t *testing.T) {
			w := gomega.NewWithT(t)
			var twinFile *os.File
			b := open(t, Options{
				BatchInterval: time.Millisecond, OnFatal: func(err error) { t.Error(err) },
				OpenFile: func(name string, flag int, perm os.FileMode) (*os.File, error) {
					f, err := os.OpenFile(name, flag, perm)
					if strings.HasPrefix(filepath.Base(name), scratchPrefix) {
						twinFile = f
					}
					return f, err
				},
			})
			holey(t, b, 20_000)
			twin, err := b.newTwin()
			check(t, err)
			p := &progress{log: b.o.Logger, told: time.Now()}
			check(t, twin.copyBucket(t.Context(), bucketNames[Lease], p))
			readOnly, err := os.Open(twin.path)
			check(t, err)
			check(t, unix.Dup3(int(readOnly.Fd()), int(twinFile.Fd()), unix.O_CLOEXEC)) // from now on it can't be written
			check(t, readOnly.Close())
			if mirrored {
				putRows(b, 30_000, 30_100)
				check(t, b.Flush())
				w.Eventually(twin.failure, "20s").Should(gomega.HaveOccurred())
			}
			err = twin.copyAll(t.Context(), b.o.Logger)
			w.Expect(err).To(gomega.HaveOccurred())
			w.Expect(b.requestSwap(twin)).NotTo(gomega.Succeed())
			check(t, twin.discard())
			w.Expect(scratchFiles(t, b)).To(gomega.BeEmpty())
			putRows(b, 40_000, 40_100)
			want := hashOf(t, b)
			_, _, err = b.Defragment(t.Context())
			check(t, err)
			w.Expect(hashOf(t, b)).To(gomega.Equal(want))
		})
	}
}
