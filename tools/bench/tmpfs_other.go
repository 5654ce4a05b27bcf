//go:build !linux

package main

// fsyncWarning knows only Linux's file systems.
func fsyncWarning(string) string { return "" }
