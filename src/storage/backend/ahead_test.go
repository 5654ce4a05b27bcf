package backend

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// What is pending counts before it is in the file, once: not twice while it moves there, and not where there are free pages.
func TestSizeAheadKnowsWhatIsPending(t *testing.T) {
	w := NewWithT(t)
	b := open(t, Options{BatchInterval: time.Hour, BatchLimit: 1 << 30})
	w.Expect(b.SizeAhead()).To(Equal(b.Size()))
	const rows, rowBytes = 64, 16 << 10
	empty := b.SizeInUse()
	for i := range rows {
		b.PutRevision(Revision{Main: int64(i + 2)}, false, make([]byte, rowBytes))
	}
	w.Expect(b.SizeAhead()).To(BeNumerically(">=", empty+rows*rowBytes))
	w.Expect(b.Size()).To(BeNumerically("<", rows*rowBytes), "the file is late")
	most := b.SizeAhead() + 512<<10 // rows of 16 KiB do not fill their pages
	seen := make(chan int64, 1)
	b.beforeWrite = func() { seen <- b.SizeAhead() }
	b.Commit(Applied{Index: 1, Term: 1})
	w.Expect(b.Flush()).To(Succeed())
	w.Expect(<-seen).To(BeNumerically("<=", most))
	w.Expect(b.Size()).To(BeNumerically(">=", rows*rowBytes))
	w.Expect(b.SizeAhead()).To(And(BeNumerically(">=", b.Size()), BeNumerically("<=", most)))
	b.beforeWrite = nil

	// What is deleted leaves free pages, and what fits into them does not make the file larger.
	var gone [][]byte
	for i := range rows {
		gone = append(gone, AppendRevisionKey(nil, Revision{Main: int64(i + 2)}, false))
	}
	b.DeleteLater(Key, gone...)
	w.Expect(b.FlushLater()).To(Succeed())
	for i := range 3 { // pages are free once no reader can need them
		b.PutRevision(Revision{Main: int64(rows + 2 + i)}, false, nil)
		b.Commit(Applied{Index: uint64(i + 2), Term: 1})
		w.Expect(b.Flush()).To(Succeed())
	}
	before := b.Size()
	b.PutRevision(Revision{Main: 2 * rows}, false, make([]byte, rows*rowBytes/4))
	w.Expect(b.SizeAhead()).To(Equal(before))
}
