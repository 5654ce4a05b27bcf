// Package pkg is the root of small utilities that know nothing of a store.
package pkg
