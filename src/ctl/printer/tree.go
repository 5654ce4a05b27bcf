package printer

import (
	"fmt"

	"quoin.dev/ctl/keytree"
)

func (n none) TreeNode(keytree.Node) error { return n.refuse() }

// TreeNode draws the lines that lead to a node in front of it.
func (s *simple) TreeNode(n keytree.Node) error {
	for i, last := range n.Last {
		switch own := i == len(n.Last)-1; {
		case own && last:
			s.out.WriteString("└── ")
		case own:
			s.out.WriteString("├── ")
		case last:
			s.out.WriteString("    ")
		default:
			s.out.WriteString("│   ")
		}
	}
	switch {
	case n.Name != "":
		s.text([]byte(n.Name))
	case n.Folder:
		s.out.WriteString(".") // the root of all keys
	default:
		s.out.WriteString(`""`) // a key that is called like its folder
	}
	if n.Folder {
		fmt.Fprintf(s.out, " (%s)", countKeys(n.Keys))
	}
	s.out.WriteByte('\n')
	return s.out.Flush()
}

func countKeys(n int64) string {
	if n == 1 {
		return "1 key"
	}
	return fmt.Sprintf("%d keys", n)
}

// TreeNode writes one document for each node, so that the reader of a large tree has them as they come.
func (j *jsonFormat) TreeNode(n keytree.Node) error {
	return j.document(struct {
		Key    []byte `json:"key"`
		Folder bool   `json:"folder"`
		Count  int64  `json:"count"`
		Depth  int    `json:"depth"`
	}{[]byte(n.Path), n.Folder, n.Keys, n.Depth})
}
