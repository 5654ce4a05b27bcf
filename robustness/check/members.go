package check

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"quoin.dev/quoin/robustness/history"
)

// members: all members list the same members, those that belong to the cluster in the end.
func members(_ context.Context, e *evidence, v *sheet) {
	var belong, asked []string
	for _, end := range e.Ends {
		belong = append(belong, end.Member)
	}
	slices.Sort(belong)
	for _, end := range e.Ends {
		if end.Members == nil {
			continue // what it did not say is a finding about hashes
		}
		asked = append(asked, end.Member)
		if got := slices.Sorted(slices.Values(end.Members)); !slices.Equal(got, belong) {
			v.find(history.Finding{At: e.Duration, Text: fmt.Sprintf("expected %s to list the members %s, found %s",
				end.Member, strings.Join(belong, ", "), strings.Join(got, ", "))})
		}
	}
	if len(asked) > 0 {
		v.Judged = fmt.Sprintf("the lists of %d members", len(asked))
	}
}
