package vfs

import (
	"maps"
	"slices"
)

// Random choices of a test are made in a fixed order, so that a seed repeats a run.

func sortedNames(children map[string]*memNode) []string { return slices.Sorted(maps.Keys(children)) }

func sortedPages(pages map[int64]struct{}) []int64 { return slices.Sorted(maps.Keys(pages)) }
