package diskfault

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
)

// contents are those of files that are open for writing, or hold something that is not synced. The mutex guards the list; it is
// taken before that of a content.
type contents struct {
	budget *budget
	space  *space

	mu   sync.Mutex
	list []*content
}

// use returns what a file holds, for somebody who is going to write. He gives it back with done.
func (l *contents) use(ino uint64, fd int) (*content, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.list {
		if c.ino == ino {
			c.users++
			return c, nil
		}
	}
	file, err := os.OpenFile(itself(fd), os.O_RDWR, 0)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	c := &content{ino: ino, budget: l.budget, space: l.space, file: file, users: 1}
	l.list = append(l.list, c)
	return c, nil
}

func (l *contents) done(c *content) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.users--
	l.tidyLocked(c)
}

// find returns what a file holds if it has been written to.
func (l *contents) find(ino uint64) *content {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.list {
		if c.ino == ino {
			return c
		}
	}
	return nil
}

// tidy lets go of contents that nobody uses and that hold nothing.
func (l *contents) tidy(c *content) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tidyLocked(c)
}

func (l *contents) tidyLocked(c *content) {
	if c.users > 0 || !c.clean() {
		return
	}
	if i := slices.Index(l.list, c); i >= 0 {
		l.list = slices.Delete(l.list, i, i+1)
		_ = c.file.Close()
	}
}

func (l *contents) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.list {
		_ = c.file.Close()
	}
	l.list = nil
}

// itself is a path by which an open file can be opened again, whatever its names are now.
func itself(fd int) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }
