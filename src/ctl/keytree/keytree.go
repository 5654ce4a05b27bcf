// Package keytree shows keys as a tree of folders with the number of keys in each, in the memory that one page takes.
package keytree

import (
	"context"
	"errors"
	"io"
	"sort"
	"strings"

	"quoin.dev/client"
	"quoin.dev/client/pages"
)

// Node is a folder, or a key that is in none of its own.
type Node struct {
	// Path is the key, or what the keys of the folder begin with, up to and with the separator.
	Path string
	// Name is the end of Path that the folder around it does not have.
	Name   string
	Folder bool
	// Keys is the number of keys in a folder and all below.
	Keys int64
	// Depth is the number of folders around it. The root has 0.
	Depth int
	// Last says of each folder around it, but the root, and of the node itself whether nothing follows in the same folder.
	Last []bool
}

// Walk is one way through a tree.
type Walk struct {
	// Reader reads the keys, of which it needs no values. All have Prefix.
	Reader *pages.Reader
	Prefix string
	// Separator ends the name of a folder; it is not empty.
	Separator string
	// Depth is how many levels below the root are shown, 0 = all.
	Depth int
	// Count returns the number of keys with a prefix at the revision of the Reader. It is asked for folders that are longer than
	// the page they begin in.
	Count func(ctx context.Context, prefix string) (int64, error)
	// Show takes the nodes, folders before what is in them.
	Show func(Node) error

	open []folder // from the root to the one that the last key was in
	page page
}

// folder is one whose keys are being shown.
type folder struct {
	path string
	left int64 // keys that were not shown yet
	last []bool
}

// page is what is left of the last page.
type page struct {
	keys []string // in order
	more bool     // there is another page
}

// Run shows the tree. The root is the folder that the prefix names.
func (w *Walk) Run(ctx context.Context) error {
	for {
		resp, err := w.Reader.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		w.page = page{make([]string, len(resp.Kvs)), resp.More}
		for i, kv := range resp.Kvs {
			w.page.keys[i] = string(kv.Key)
		}
		if w.open == nil {
			if err := w.root(resp.Count); err != nil {
				return err
			}
		}
		for len(w.page.keys) > 0 {
			if err := w.step(ctx); err != nil {
				return err
			}
		}
	}
}

func (w *Walk) root(keys int64) error {
	path := ""
	if i := strings.LastIndex(w.Prefix, w.Separator); i >= 0 {
		path = w.Prefix[:i+len(w.Separator)]
	}
	w.open = []folder{{path: path, left: keys}}
	return w.Show(Node{Path: path, Name: path, Folder: true, Keys: keys})
}

// step shows the first key of the page, or the folder that it begins.
func (w *Walk) step(ctx context.Context) error {
	key := w.page.keys[0]
	for !strings.HasPrefix(key, w.here().path) {
		w.open = w.open[:len(w.open)-1]
	}
	name, _, isFolder := strings.Cut(key[len(w.here().path):], w.Separator)
	if !isFolder {
		w.page.keys = w.page.keys[1:]
		_, err := w.show(Node{Path: key, Name: name, Keys: 1})
		return err
	}
	n := Node{Name: name + w.Separator, Folder: true}
	n.Path = w.here().path + n.Name
	inPage := sort.Search(len(w.page.keys), func(i int) bool { return !strings.HasPrefix(w.page.keys[i], n.Path) })
	n.Keys = int64(inPage)
	longer := inPage == len(w.page.keys) && w.page.more
	if longer {
		var err error
		if n.Keys, err = w.Count(ctx, n.Path); err != nil {
			return err
		}
	}
	last, err := w.show(n)
	if err != nil {
		return err
	}
	if w.Depth > 0 && len(w.open) >= w.Depth {
		w.page.keys = w.page.keys[inPage:]
		if longer {
			w.Reader.Skip(client.GetPrefixRangeEnd(n.Path))
		}
		return nil
	}
	w.open = append(w.open, folder{n.Path, n.Keys, last})
	return nil
}

func (w *Walk) here() *folder { return &w.open[len(w.open)-1] }

// show puts a node into the folder that is open. The counts tell whether it is the last one there.
func (w *Walk) show(n Node) (last []bool, err error) {
	around := w.here()
	around.left -= n.Keys
	n.Depth = len(w.open)
	n.Last = append(around.last[:len(around.last):len(around.last)], around.left == 0)
	return n.Last, w.Show(n)
}
